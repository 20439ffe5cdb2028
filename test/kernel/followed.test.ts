/** SIP over TCP as it goes by a bridge: what comes in pieces, late, twice, never, or is none; and what is left when nobody follows. */
import { setImmediate as pass } from 'node:timers/promises'
import t from 'tap'
import {
  expectations,
  SipPeer,
  sdpText,
  TcpEndpoint,
  TcpListener,
  timeScale,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Family } from '../../types/endpoint.js'
import { sdpOf } from './firewall-lab.js'
import { connect, follows, listen, openTcp, plain } from './followed-lab.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const bridged = { layout: 'bridged', family: 4 } as const

for (const family of [4, 6] as const satisfies readonly Family[])
  t.test(
    `IPv${family}: pieces, cut anywhere, many in one, large ones: all are seen, none is changed`,
    { skip },
    async (t) => {
      const lab = await openTcp(t, { layout: 'bridged', family })
      const { client, far } = await connect(t, lab, await listen(t, lab, 'cluster'))
      let sent = ''
      const send = async (text: string): Promise<void> => {
        sent += text
        await client.send(text)
      }
      const text = plain(1, 'v=0')
      for (const character of `\r\n\r\n${text}`) await send(character)
      for (let at = 1; at < text.length; at += 13) {
        await send(text.slice(0, at))
        await pass()
        await send(text.slice(at))
      }
      await send(`\r\n${text}${text}\r\n\r\n${text}`)
      for (let i = 0; i < 5; i++) await send(plain(2, 'x'.repeat(60_000)))
      await far.until(() => far.text.length >= sent.length, 10_000)
      t.ok(far.text === sent, 'byte by byte what was sent')
      const count = 1 + Math.ceil((text.length - 1) / 13) + 3 + 5
      t.match(lab.sip.status().counters, { requests: count, 'tcp-connections': 1 })
      client.end()
      far.end()
      await follows(lab, 0)
      t.equal(lab.sip.status().sizes.heldBytes, 0)
      t.same(lab.errors, [])
    },
  )

t.test(
  'every tenth packet is lost before the filter, and every tenth behind it: nothing is missed, nothing is early',
  { skip },
  async (t) => {
    const lab = await openTcp(t, bridged)
    const loses = 'tcp dport 5060 numgen inc mod 10 9 counter drop; tcp sport 5060 numgen inc mod 10 9 counter drop'
    for (const at of ['filter', 'cluster', 'internet'] as const)
      lab[at].nft(`table inet loses { chain c { type filter hook prerouting priority -500; ${loses}; }; }`)
    const server = await listen(t, lab, 'cluster')
    const { client, far } = await connect(t, lab, server)
    let sent = ''
    for (let i = 0; i < 40; i++) {
      const text = plain(i, 'x'.repeat(37 * i * i))
      sent += text
      await client.send(text.slice(0, 100))
      await client.send(text.slice(100))
    }
    await far.until(() => far.text.length >= sent.length, 60_000)
    t.ok(far.text === sent)
    t.same(lab.sip.status().counters, { 'tcp-connections': 1, requests: 40 })
    const witnessed = lab.filter.runSync(['nft', 'list', 'table', 'inet', 'loses'])
    t.match(witnessed, /counter packets [1-9]/, 'packets were lost')
    client.end()
    far.end()
  },
)

t.test('an answer is not delivered before its way stands', { skip }, async (t) => {
  const lab = await openTcp(t, bridged)
  const server = await listen(t, lab, 'cluster')
  const { client, far: taken } = await connect(t, lab, server)
  const phone = new SipPeer(client, 'phone', { address: lab.far(20), port: 5060 })
  const asterisk = new SipPeer(taken, 'asterisk', server.local)
  const calls = 40
  const heard: boolean[] = []
  for (let i = 0; i < calls; i++) {
    const [audio, far] = [await lab.inside(10, 12000 + 2 * i), await lab.outside(20, 16000 + 2 * i)]
    const invite = await phone.request('INVITE', server.local, { body: sdpOf(far) })
    const arrived = await asterisk.receiveRequest('INVITE')
    await asterisk.respond(arrived, 200, { body: sdpOf(audio) })
    const ok = await phone.response(200)
    // In the moment in which the answer is there, and once.
    await far.send('now', audio.local)
    heard.push(
      await audio.receive().then(
        () => true,
        () => false,
      ),
    )
    await phone.ack(invite, ok, server.local)
    await asterisk.receiveRequest('ACK')
  }
  t.equal(heard.filter((it) => it).length, calls)
  t.same(lab.errors, [])
})

t.test(
  'NAT slipstreaming: what is not SIP from its first byte opens nothing, wherever a segment begins',
  { skip },
  async (t) => {
    const lab = await openTcp(t, bridged)
    const server = await listen(t, lab, 'cluster')
    const sdp = sdpText({ address: lab.far(20), ports: [4000] })
    const register = plain(7, sdp).replaceAll('MESSAGE', 'REGISTER')
    const post = `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${register.length}\r\n\r\n${register}`
    for (const text of [`\x16\x03\x01\x00\x05hello${register}`, `SIP/2.0 200 OK\r\nbroken\r\n\r\n${register}`]) {
      const { client, far } = await connect(t, lab, server)
      await client.send(text)
      await far.until(() => far.text === text)
      client.close()
    }
    for (let at = 1; at < post.length; at += timeScale > 1 ? 64 : 16) {
      const some = await Promise.all(Array.from({ length: 8 }, () => connect(t, lab, server)))
      const pieces = some.map(async ({ client }, i) => {
        await client.send(post.slice(0, at + i))
        await pass()
        await client.send(post.slice(at + i))
      })
      await Promise.all(pieces)
      for (const { far } of some) await far.until(() => far.text === post)
      for (const { client } of some) client.close()
    }
    const { counters, sizes } = lab.sip.status()
    t.ok(
      counters['not-sip']! > post.length / (timeScale > 1 ? 10 : 3),
      `${counters['not-sip']} connections were not SIP`,
    )
    t.equal(counters.requests, undefined, 'no message was seen')
    t.match(sizes, { connections: 0, heldBytes: 0, registrations: 0, calls: 0, pinholes: 0, listening: 0 })
    t.same(await expectations(lab.filter), [])
  },
)

t.test('by policy what is not SIP, or broken, is reset, at both ends', { skip }, async (t) => {
  for (const layout of ['bridged', 'routed'] as const) {
    const lab = await openTcp(t, { layout, family: 4, helper: { policy: { notSip: 'drop', malformed: 'drop' } } })
    const server = await listen(t, lab, 'cluster')
    for (const text of ['GET / HTTP/1.0\r\n\r\n', `${plain(1)}OPTIONS sip:a@b SIP/2.0\r\nbroken\r\n\r\n`]) {
      const { client, far } = await connect(t, lab, server)
      await client.send(text)
      t.same(await Promise.all([client.ended, far.ended]), ['reset', 'reset'], layout)
      t.equal(far.text, '')
    }
    t.match(lab.sip.status().counters, { 'not-sip': 1, 'tcp-reset': 2 })
    await follows(lab, 0)
  }
})

t.test('a script on a bridge: its no ends the connection, its edits are refused', { skip }, async (t) => {
  const lab = await openTcp(t, {
    ...bridged,
    helper: {
      onMessage: (_message, turn) => {
        if (turn.way === 'in') turn.addHeader('X-Seen', 'yes')
        else turn.drop()
      },
    },
  })
  const server = await listen(t, lab, 'cluster')
  const { client, far } = await connect(t, lab, server)
  await client.send(plain(1))
  await far.until(() => far.text === plain(1))
  t.same(lab.refusals, ['edits-impossible'])
  await far.send(plain(2))
  t.same(await Promise.all([client.ended, far.ended]), ['reset', 'reset'])
  t.equal(client.text, '', 'what was dropped did not arrive')
  t.match(lab.sip.status().counters, { 'script-dropped': 1, 'tcp-reset': 1 })
})

t.test('a script on a router: the proxy does what it says', { skip }, async (t) => {
  const lab = await openTcp(t, {
    layout: 'routed',
    family: 4,
    helper: { onMessage: (_message, turn) => turn.addHeader('X-Seen', 'yes') },
  })
  t.match(lab.sip.status().tcp, { isProxied: true, isFollowed: false })
  const { client, far } = await connect(t, lab, await listen(t, lab, 'cluster'))
  await client.send(plain(1))
  await far.receive()
  t.match(far.text, /X-Seen: yes/)
})

t.test('who comes later, and who stops, leaves connections alone', { skip }, async (t) => {
  const lab = await openTcp(t, bridged, false)
  const server = await listen(t, lab, 'cluster')
  const early = await connect(t, lab, server)
  await lab.sip.start()
  await early.client.send(plain(1))
  await early.far.until(() => early.far.text === plain(1))
  t.equal(lab.sip.status().counters.requests, undefined)
  const late = await connect(t, lab, server)
  await late.client.send(plain(2).slice(0, 50))
  await follows(lab, 1)
  await lab.sip.stop()
  await late.client.send(plain(2).slice(50))
  await late.far.until(() => late.far.text === plain(2))
  await lab.sip.start()
  await late.client.send(plain(3))
  await late.far.until(() => late.far.text === plain(2) + plain(3))
  t.equal(lab.sip.status().counters.requests, undefined)
  t.same(lab.errors, [])
})

t.test('a registered contact is called on a connection of its own, whatever its port', { skip }, async (t) => {
  // The registrar is outside, and the filter lets in what is related.
  const lab = await openTcp(t, bridged)
  const registrar = await listen(t, lab, 'internet')
  const inside = { address: lab.host(10), port: 0 }
  const line = await TcpEndpoint.connect(lab.cluster, inside, registrar.local)
  const taken = await registrar.accept()
  const phone = new SipPeer(line, 'phone', { address: lab.host(10), port: 5077 })
  const contact = `<sip:phone@${lab.host(10)}:5077;transport=tcp>;expires=600`
  await phone.request('REGISTER', registrar.local, { headers: [['Contact', contact]] })
  const server = new SipPeer(taken, 'registrar', registrar.local)
  const arrived = await server.receiveRequest('REGISTER')
  await server.respond(arrived, 200, { headers: [['Contact', contact]] })
  await phone.response(200)
  const listener = await TcpListener.open(lab.cluster, { address: lab.host(10), port: 5077 })
  t.teardown(() => listener.close())
  const back = await TcpEndpoint.connect(lab.internet, { address: lab.far(20), port: 0 }, listener.local)
  const callee = new SipPeer(await listener.accept(), 'phone', listener.local)
  const caller = new SipPeer(back, 'caller', registrar.local)
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  const invite = await caller.request('INVITE', listener.local, { body: sdpOf(far) })
  const offered = await callee.receiveRequest('INVITE')
  await callee.respond(offered, 200, { body: sdpOf(audio) })
  const answered = await caller.response(200)
  await caller.ack(invite, answered, listener.local)
  await callee.receiveRequest('ACK')
  t.match(await hears(far, audio.local, audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5 })
  t.match(lab.sip.status().sizes, { connections: 2, registrations: 1, calls: 1 })
  const gone = contact.replace('600', '0')
  await phone.request('REGISTER', registrar.local, { headers: [['Contact', gone]] })
  await server.respond(await server.receiveRequest('REGISTER'), 200, { headers: [] })
  await phone.response(200)
  t.match(lab.sip.status().sizes, { registrations: 0, calls: 1 })
  await caller.inDialog('BYE', invite, answered, listener.local)
  await callee.respond(await callee.receiveRequest('BYE'), 200)
  await caller.response(200)
  t.match(
    lab.sip.status().sizes,
    { calls: 0 },
    'a connection is followed to its end, whatever becomes of the registration',
  )
  t.match(await hears(far, audio.local, audio), { packets: 0 })
  t.same([lab.refusals, lab.errors], [[], []])
  back.close()
  line.close()
  callee.endpoint.close()
  taken.close()
  await follows(lab, 0)
  t.notMatch(lab.filter.runSync(['nft', 'list', 'set', 'inet', 'cthelper', 'tcp_contacts4']), '5077')
})
