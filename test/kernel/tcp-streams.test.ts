/** What a proxied connection must be like: as if nobody were between, whatever comes on it, and in what pieces. */
import { readFileSync } from 'node:fs'
import { setImmediate as turn } from 'node:timers/promises'
import t, { type Test } from 'tap'
import {
  Capture,
  expectations,
  pause,
  sdpText,
  sipText,
  TcpEndpoint,
  TcpListener,
  timeScale,
  whyNoLab,
} from '../../lib/testing/index.js'
import { CliLab } from './cli-run.js'
import { Scene, type SceneOptions } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

/** Both ends and the proxy are this process: four descriptors a connection. */
const descriptors = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024)
const wanted = timeScale > 1 ? 300 : 2000
const IDLE = Math.min(wanted, Math.floor((descriptors - 300) / 4 / 50) * 50)

/** A scene with somebody listening at the registrar's TCP 5060. */
class Streams {
  readonly scene: Scene
  readonly server: TcpListener

  private constructor(scene: Scene, server: TcpListener) {
    this.scene = scene
    this.server = server
  }

  static async open(t: Test, options: SceneOptions = {}): Promise<Streams> {
    const scene = await Scene.open(options)
    const address = scene.address('registrar')
    const server = await TcpListener.open(scene.lab.provider, { address, port: 5060 })
    t.teardown(async () => {
      server.close()
      await scene.close()
    })
    return new Streams(scene, server)
  }

  async connect(port = 0): Promise<{ client: TcpEndpoint; far: TcpEndpoint }> {
    const { lab } = this.scene
    const local = { address: this.scene.phoneAddress(), port }
    const client = await TcpEndpoint.connect(lab.phone, local, this.server.local)
    return { client, far: await this.server.accept() }
  }

  request(method: string, number: number, body = '', by = `${this.scene.phoneAddress()}:5070`): string {
    const headers: [string, string][] = [
      ['Via', `SIP/2.0/TCP ${by};branch=z9hG4bK${number};rport`],
      ['From', '<sip:alice@test.invalid>;tag=a'],
      ['To', '<sip:bob@test.invalid>'],
      ['Call-ID', `call-${number}`],
      ['CSeq', `1 ${method}`],
      ['Contact', `<sip:alice@${by};transport=tcp>`],
      ...(body ? [['Content-Type', 'application/sdp'] as [string, string]] : []),
    ]
    return sipText(`${method} sip:bob@test.invalid SIP/2.0`, headers, body)
  }

  invite(number: number): string {
    return this.request('INVITE', number, sdpText({ address: this.scene.phoneAddress(), ports: [4000] }))
  }

  /** Waits until the helper has so many connections. */
  async has(connections: number): Promise<void> {
    const count = () => this.scene.sip.status().sizes.connections
    for (let i = 0; i < 400 && count() !== connections; i++) await pause(20)
    if (count() !== connections) throw new Error(`${count()} connections, not ${connections}`)
  }
}

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

t.test('closing: half, both at once, by reset, on either side', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const text = streams.request('OPTIONS', 1)
  const half = await streams.connect()
  await half.client.send(text)
  half.client.end()
  t.equal(await half.far.ended, 'end')
  t.match(half.far.text, /^OPTIONS .*\r\n\r\n$/s, 'all that was said before')
  await half.far.send('SIP/2.0 200 OK\r\n')
  half.far.end()
  t.equal(await half.client.ended, 'end')
  t.equal(half.client.text, 'SIP/2.0 200 OK\r\n', 'the other way stayed open, and a cut message is passed as it is')
  const both = await streams.connect()
  both.client.end()
  both.far.end()
  t.same(await Promise.all([both.client.ended, both.far.ended]), ['end', 'end'])
  const reset = await streams.connect()
  reset.client.reset()
  t.equal(await reset.far.ended, 'reset')
  const back = await streams.connect()
  back.far.reset()
  t.equal(await back.client.ended, 'reset')
  await streams.has(0)
})

t.test(
  'a server that refuses, one that a router refuses, one that is silent: the connection is reset',
  { skip },
  async (t) => {
    const { scene } = await Streams.open(t)
    const { provider, phone, mediaServer, stranger } = scene.lab
    provider.nft(`table inet refusals {
    chain input {
      type filter hook input priority 0
      ip daddr ${stranger.v4} tcp dport 5060 reject with icmpx host-unreachable
    }
  }`)
    const local = { address: scene.phoneAddress(), port: 0 }
    const resetAfter = async (address: string): Promise<number> => {
      const from = performance.now()
      const client = await TcpEndpoint.connect(phone, local, { address, port: 5060 }).catch(({ code }) => code)
      if (client instanceof TcpEndpoint) t.equal(await client.ended, 'reset', address)
      else t.equal(client, 'ECONNRESET', address)
      return performance.now() - from
    }
    // Nobody has the last address: nothing is heard of it at all.
    const [, routed, silent] = await Promise.all([mediaServer.v4, stranger.v4, '198.51.100.99'].map(resetAfter))
    t.ok(routed! < 20_000, `an ICMP error about the proxy's connection reaches the proxy, ${routed} ms`)
    t.ok(silent! > 25_000, `${silent} ms`)
    t.match(scene.sip.status(), { counters: { 'tcp-unreachable': 3 }, sizes: { connections: 0, connecting: 0 } })
  },
)

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
  const local = { address: streams.scene.phoneAddress(), port: 0 }
  // The reset may come before this process hears that the connection stands.
  const third = await TcpEndpoint.connect(streams.scene.lab.phone, local, streams.server.local).catch(
    ({ code }) => code,
  )
  t.equal(
    third instanceof TcpEndpoint ? await third.ended : third,
    third instanceof TcpEndpoint ? 'reset' : 'ECONNRESET',
  )
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

t.test(`${IDLE} idle connections, and one that is not; a flushed ruleset`, { skip }, async (t) => {
  const streams = await Streams.open(t)
  const { scene } = streams
  const all: TcpEndpoint[] = []
  for (let i = 0; i < IDLE / 50; i++) {
    const some = await Promise.all(Array.from({ length: 50 }, () => streams.connect()))
    all.push(...some.flatMap((both) => [both.client, both.far]))
  }
  const { client, far } = await streams.connect()
  await streams.has(IDLE + 1)
  await client.send(streams.request('OPTIONS', 1))
  t.match(String((await far.receive()).bytes), /^OPTIONS/)
  const repaired = new Promise((resolve) => scene.sip.once('repair', resolve))
  await scene.lab.gateway.exec(['nft', 'flush', 'chain', 'inet', 'cthelper', 'tcp_inside'])
  t.match(await repaired, { what: 'table' })
  await client.send(streams.request('OPTIONS', 2))
  t.match(String((await far.receive()).bytes), /Call-ID: call-2/, 'it goes on')
  for (const one of all) one.close()
  await streams.has(1)
})

t.test(
  'what the proxy makes, the kernel shows: addresses, marks, routes, and nothing of it afterwards',
  { skip },
  async (t) => {
    const streams = await Streams.open(t)
    const { gateway } = streams.scene.lab
    const shown = async (...argv: string[]) => (await gateway.exec(argv)).stdout
    const capture = await Capture.start(streams.scene.lab.provider, { device: 'eth0', filter: 'tcp port 5060' })
    t.teardown(() => capture.stop())
    const { client, far } = await streams.connect()
    const row = (await shown('conntrack', '-L', '-p', 'tcp', '--src', client.local.address)).trim().split('\n')
    const own = row.find((it) => it.includes(`dport=${far.remote.port} `))
    t.match(
      own,
      `src=${client.local.address} dst=${far.local.address} sport=${far.remote.port} dport=5060 src=${far.local.address} dst=198.51.100.1`,
    )
    t.match(await shown('ip', 'rule'), /fwmark 0xc8005060 iif lan0 lookup 5060\n.*iif wan0 lookup 5060/)
    t.match(await shown('ip', '-6', 'route', 'show', 'table', '5060'), /^local default dev lo/)
    const rules = await shown('nft', 'list', 'table', 'inet', 'cthelper')
    t.match(
      rules,
      /tcp dport @sip_ports fib daddr \. mark oifname "wan0" tproxy ip to 127\.0\.0\.1:15060 counter packets 1 /,
    )
    t.notOk(
      capture.packets().some(({ source }) => source.address === client.local.address),
      'the inside address stays inside',
    )
    await streams.scene.sip.stop()
    t.equal(await client.ended, 'reset', 'what was under way ends with it')
    t.notMatch(await shown('ip', 'rule'), '5060')
    t.equal(await shown('ip', 'route', 'show', 'table', '5060'), '')
    const direct = await streams.connect()
    t.equal(direct.far.remote.port, direct.client.local.port, 'and new ones go straight')
  },
)

t.test('kill -9: new connections go straight to the server, and a successor picks new ones up', { skip }, async (t) => {
  const lab = new CliLab()
  t.teardown(() => lab.close())
  const [inside, registrar] = [lab.lab.phones[0]!.v4, lab.lab.registrar.v4]
  const server = await TcpListener.open(lab.lab.provider, { address: registrar, port: 5060 })
  t.teardown(() => server.close())
  const connect = async () => {
    const client = await TcpEndpoint.connect(lab.lab.phone, { address: inside, port: 0 }, server.local)
    return { client, far: await server.accept() }
  }
  const running = await lab.run()
  t.match(running.stdout, /ready .*TCP helped/)
  const proxied = await connect()
  t.not(proxied.far.remote.port, proxied.client.local.port, 'made anew')
  await running.end('SIGKILL')
  t.ok(await proxied.client.ended, 'the connection under way is lost with the process')
  t.match(await lab.lab.gateway.runSync(['nft', 'list', 'table', 'inet', 'cthelper']), 'tproxy', 'its rules stand')
  const direct = await connect()
  t.equal(direct.far.remote.port, direct.client.local.port, 'as the client made it')
  await direct.client.send('hello')
  await direct.far.until(() => direct.far.text === 'hello')
  const successor = await lab.run()
  const again = await connect()
  t.not(again.far.remote.port, again.client.local.port)
  await direct.client.send(' again')
  await direct.far.until(() => direct.far.text === 'hello again')
  t.equal(await successor.end('SIGTERM'), 0)
  t.notMatch(await lab.lab.gateway.runSync(['ip', 'rule']), '5060')
})
