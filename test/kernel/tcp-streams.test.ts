/** What is said on a proxied connection: as if nobody were between, whatever it is, and in what pieces. */
import { setImmediate as turn } from 'node:timers/promises'
import t from 'tap'
import { expectations, pause, timeScale, whyNoLab } from '../../lib/testing/index.js'
import { Streams } from './streams.js'

const skip = whyNoLab('nft', 'conntrack')

t.test('pieces: a byte at a time, cut anywhere, many in one; keep-alives pass', { skip }, async (t) => {
  const streams = await Streams.open(t, { helper: { media: { ports: [30000, 30100] } } })
  const { client, far } = await streams.connect()
  const inside = streams.scene.phoneAddress()
  await client.send('\r\n\r\n')
  await far.until(() => far.text === '\r\n\r\n')
  await far.send('\r\n')
  await client.until(() => client.text === '\r\n')
  const invite = streams.invite(1)
  for (const byte of Buffer.from(invite, 'latin1')) await client.send(Uint8Array.of(byte))
  const first = String((await far.receive()).bytes)
  t.notMatch(first, inside, 'no inside address is left')
  t.match(first, /c=IN IP4 198\.51\.100\.1\r\nt=0 0\r\nm=audio 30000 /)
  for (let at = 1; at < invite.length; at += 13) {
    await client.send(invite.slice(0, at))
    await turn()
    await client.send(invite.slice(at))
    t.equal(String((await far.receive()).bytes), first, `cut at ${at}`)
  }
  await client.send(`\r\n\r\n${invite}${invite}\r\n${streams.request('OPTIONS', 2)}${invite}`)
  for (const wanted of [first, first, /^OPTIONS/, first]) t.match(String((await far.receive()).bytes), wanted)
  const large = streams.request('MESSAGE', 3, 'x'.repeat(60_000))
  await client.send(large.repeat(3))
  for (let i = 0; i < 3; i++) t.match(String((await far.receive()).bytes), /x{60000}$/)
  t.equal(streams.scene.sip.calls().length, 1)
  t.same(streams.scene.errors, [])
})

t.test('a server that does not read: memory stays, the client waits, nothing is lost', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const { client, far } = await streams.connect()
  far.pause()
  const text = streams.request('MESSAGE', 1, 'x'.repeat(60_000))
  const count = 300
  let sent = 0
  const sending = (async () => {
    for (; sent < count; sent++) await client.send(text)
  })()
  for (let last = -1; last !== sent; await pause(300)) last = sent
  t.ok(sent < count, `${sent} of ${count} were taken`)
  const { heldBytes } = streams.scene.sip.status().sizes
  t.ok(heldBytes! > 0 && heldBytes! < 400_000, `${heldBytes} bytes are held`)
  far.resume()
  await sending
  const length = text.replace(/192\.168\.7\.10/g, '198.51.100.1').length * count
  await far.until(() => far.text.length >= length, 20_000)
  t.equal(far.text.length, length)
  client.end()
  far.end()
  await streams.has(0)
  t.equal(streams.scene.sip.status().sizes.heldBytes, 0)
})

t.test('what is not SIP passes as it is, and is not looked at again', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const register = streams.request('REGISTER', 7)
  const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${register.length}\r\n\r\n${register}`
  const hello = '\x16\x03\x01\x00\x05hello'
  for (const text of [hello + register, `SIP/2.0 200 OK\r\nbroken\r\n\r\n${register}`]) {
    const { client, far } = await streams.connect()
    await client.send(text)
    await far.until(() => far.text === text)
    client.close()
  }
  // NAT slipstreaming: the body of a browser's request begins a segment, wherever that is.
  // Under emulation not every place.
  for (let at = 1; at < post.length; at += timeScale > 1 ? 64 : 8) {
    const some = await Promise.all(Array.from({ length: 8 }, () => streams.connect()))
    const pieces = some.map(async ({ client }, i) => {
      await client.send(post.slice(0, at + i))
      await turn()
      await client.send(post.slice(at + i))
    })
    await Promise.all(pieces)
    for (const { far } of some) await far.until(() => far.text === post)
    for (const { client } of some) client.close()
  }
  const { counters, sizes } = streams.scene.sip.status()
  t.ok(counters['not-sip']! > post.length / (timeScale > 1 ? 8 : 1), `${counters['not-sip']} connections were not SIP`)
  t.equal(counters.requests, undefined, 'no message was seen')
  t.match(sizes, { registrations: 0, registering: 0, calls: 0, pinholes: 0, listening: 0 })
  t.same(await expectations(streams.scene.lab.gateway), [])
})

t.test('by policy what is not SIP, or broken, is reset', { skip }, async (t) => {
  const streams = await Streams.open(t, { helper: { policy: { notSip: 'drop', malformed: 'drop' } } })
  for (const text of ['GET / HTTP/1.0\r\n\r\n', 'OPTIONS sip:a@b SIP/2.0\r\nbroken\r\n\r\n']) {
    const { client, far } = await streams.connect()
    await client.send(text)
    t.same(await Promise.all([client.ended, far.ended]), ['reset', 'reset'])
    t.equal(far.text, '')
  }
  await streams.has(0)
})

t.test('budgets of a host: connections and bytes', { skip }, async (t) => {
  const budgets = { connectionsPerHost: 2, connectionBytesPerHost: 65_536 }
  const streams = await Streams.open(t, { helper: { budgets } })
  const first = await streams.connect()
  await streams.connect()
  const third = await streams.connect()
  t.equal(third.far.remote.port, third.client.local.port, 'one too many goes straight')
  const endless = streams.request('MESSAGE', 1, 'x'.repeat(60_000))
  await first.client.send(endless.slice(0, 40_000))
  await pause(100)
  const { client } = { client: first.client }
  first.far.pause()
  await client.send(endless.slice(40_000))
  void client.send(endless.repeat(100)).catch(() => {})
  t.equal(await first.client.ended, 'reset')
  t.match(streams.scene.sip.status().counters, { 'tcp-host-exhausted': 1, 'tcp-bytes-exhausted': 1 })
  await streams.has(1)
})
