import t from 'tap'
import {
  conntrackEntries,
  expectations,
  pause,
  RtpMeter,
  SipPeer,
  SipText,
  scaled,
  sdpText,
  sendRtp,
  sipText,
  timeScale,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const CALLS = 100

t.test('a trunk: a hundred calls within a second over one flow, all with audio both ways', { skip }, async (t) => {
  // More calls a second than a host may begin by default.
  const budgets = { callsPerSecond: 1_000_000 }
  const scene = await Scene.open({ helper: { media: { ports: [30000, 39999] }, budgets } })
  t.teardown(() => scene.close())
  const pbx = new SipPeer(await scene.inside(5060), 'pbx')
  const provider = new SipPeer(await scene.outside(5060), 'provider')
  const to = provider.endpoint.local
  const told = new Map<string, Endpoint>()
  // The provider answers at once; its media is on a port a call, like the PBX's.
  provider.endpoint.onDatagram((datagram) => {
    const invite = SipText.of(datagram)
    if (invite.method !== 'INVITE' || !invite.isRequest) return
    const index = Number(invite.get('Call-ID').split('@')[0])
    told.set(String(index), target(invite))
    void provider.respond(invite, 200, { body: sdpText({ address: to.address, ports: [20000 + 2 * index] }) })
  })
  const inside = await Promise.all(Array.from({ length: CALLS }, (_, i) => scene.inside(10000 + 2 * i)))
  const outside = await Promise.all(Array.from({ length: CALLS }, (_, i) => scene.outside(20000 + 2 * i)))
  const [inMeters, outMeters] = [inside, outside].map((list) => list.map((it) => new RtpMeter(it)))
  const started = Date.now()
  for (let i = 0; i < CALLS; i++) {
    const body = sdpText({ address: scene.phoneAddress(), ports: [10000 + 2 * i] })
    await pbx.request('INVITE', to, { callId: `${i}@trunk`, body })
  }
  const answers = new Set<string>()
  while (answers.size < CALLS) answers.add((await pbx.response(200)).get('Call-ID'))
  t.ok(Date.now() - started < scaled(1000), `all answered in ${Date.now() - started} ms`)
  t.equal(scene.sip.calls().length, CALLS)
  await pause(500)
  await Promise.all(inside.map((it, i) => sendRtp(it, outside[i]!.local, { ssrc: 1, count: 3 })))
  await Promise.all(outside.map((it, i) => sendRtp(it, told.get(String(i))!, { ssrc: 2, count: 3 })))
  await pause(200)
  t.equal(
    outMeters!.filter((it, i) => it.received(1, told.get(String(i))) === 3).length,
    CALLS,
    'way out, from the told port',
  )
  t.equal(inMeters!.filter((it, i) => it.received(2, outside[i]!.local) === 3).length, CALLS, 'way in')
  t.same(scene.errors, [])
  t.same(scene.refusals, [])
})

t.test('two phones with the same RTP port to the same server both have audio', { skip }, async (t) => {
  const scene = await Scene.open({ phones: 2 })
  t.teardown(() => scene.close())
  const server = new SipPeer(await scene.outside(5060), 'server')
  const far = await scene.outside(6000)
  const calls = []
  for (const index of [0, 1]) {
    const phone = new SipPeer(await scene.inside(5060, index), `phone${index}`)
    const audio = await scene.inside(4000, index)
    const setup = {
      caller: phone,
      callee: server,
      to: server.endpoint.local,
      callerMedia: audio.local,
      calleeMedia: far.local,
    }
    calls.push({ audio, ...(await call(setup)) })
  }
  t.equal(target(calls[0]!.arrived).port, 4000, 'the first keeps its port')
  t.not(target(calls[1]!.arrived).port, 4000, 'the second gets another')
  for (const { audio, arrived } of calls) {
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) })
    t.match(await hears(far, target(arrived), audio), { packets: 5 })
  }
})

t.test('the kernel already expects on that port: the next pair is used', { skip }, async (t) => {
  const scene = await Scene.open()
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  // Somebody else's expectation: a helper of another process, in the same namespace and on the same port.
  const rival = await Scene.rival(scene)
  t.teardown(() => rival.close())
  await rival.occupy(4000)
  const far = await scene.outside(6000)
  const audio = await scene.inside(4000)
  const setup = { caller: alice, callee: bob, to: bob.endpoint.local, callerMedia: audio.local, calleeMedia: far.local }
  const { arrived } = await call(setup)
  t.not(target(arrived).port, 4000)
  t.equal(target(arrived).port % 2, 0)
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) })
  t.same(scene.refusals, [])
})

t.test('ten thousand calls leave nothing behind', { skip, timeout: scaled(120_000) }, async (t) => {
  const total = timeScale > 1 ? 1000 : 10_000
  // More calls a second than a host may begin by default.
  const budgets = { callsPerSecond: 1_000_000 }
  const scene = await Scene.open({ helper: { media: { ports: [30000, 39999] }, budgets } })
  t.teardown(() => scene.close())
  const [phone, server] = [await scene.inside(5060), await scene.outside(5060)]
  const to = server.local
  const body = (address: string, port: number) => sdpText({ address, ports: [port] })
  const headers = (index: number, method: string, cseq: number, toTag = '') =>
    [
      ['Via', `SIP/2.0/UDP ${phone.local.address}:5060;branch=z9hG4bK${index}${method}`],
      ['From', '<sip:a@test.invalid>;tag=a'],
      ['To', `<sip:b@test.invalid>${toTag}`],
      ['Call-ID', `${index}@many`],
      ['CSeq', `${cseq} ${method}`],
      ['Contact', `<sip:a@${phone.local.address}>`],
      ['Content-Type', 'application/sdp'],
    ] as [string, string][]
  const send = (text: string) => phone.send(Buffer.from(text, 'latin1'), to)
  const uri = 'sip:b@test.invalid'
  const invite = (i: number) =>
    send(sipText(`INVITE ${uri} SIP/2.0`, headers(i, 'INVITE', 1), body(phone.local.address, 10000 + 2 * (i % 5000))))
  server.onDatagram((datagram) => {
    const request = SipText.of(datagram)
    if (!request.isRequest) return
    const kept = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => [name, request.get(name)] as [string, string])
    const toValue = request.tag('To') ? request.get('To') : `${request.get('To')};tag=b`
    const sdp = request.method === 'INVITE' ? body(to.address, 20000) : ''
    const more: [string, string][] = [
      ['To', toValue],
      ['Content-Type', 'application/sdp'],
    ]
    void server.send(Buffer.from(sipText('SIP/2.0 200 OK', [...kept, ...more], sdp), 'latin1'), datagram.from)
  })
  let [next, ended] = [0, 0]
  const done = new Promise<void>((resolve) => {
    phone.onDatagram((datagram) => {
      const answer = SipText.of(datagram)
      const index = Number(answer.get('Call-ID').split('@')[0])
      if (answer.method === 'INVITE') {
        void send(sipText(`BYE ${uri} SIP/2.0`, headers(index, 'BYE', 2, ';tag=b')))
        return
      }
      if (++ended === total) resolve()
      else if (next < total) void invite(next++)
    })
  })
  while (next < 50) await invite(next++)
  await done
  await pause(500)
  const { sizes, counters } = scene.sip.status()
  t.match(sizes, { calls: 0, ports: 0, bindings: 0, deadlines: 0, pinholes: 0, flows: 0, settling: 0, waiting: 0 })
  t.ok(counters['pinholes-opened']! >= 2 * total, `${counters['pinholes-opened']} pinholes were opened`)
  t.same(await expectations(scene.lab.gateway), [])
  const anchors = (await conntrackEntries(scene.lab.gateway)).filter((it) =>
    it.original.source.address.startsWith('127.'),
  )
  t.same(anchors, [])
  t.same(scene.errors, [])
  t.same(scene.refusals, [])
})

/** Sends a message many times, as fast as it can be. */
const BURST = `
const [address, port, toAddress, toPort, count, text] = process.argv.slice(1)
const socket = require('node:dgram').createSocket('udp4')
let left = Number(count)
const next = () => left-- > 0 ? socket.send(text, Number(toPort), toAddress, next) : process.exit()
socket.bind(Number(port), address, next)
`

t.test(
  'more than the queue takes, while the process stands still: the rest is lost, and nothing passes as it was',
  { skip },
  async (t) => {
    const scene = await Scene.open()
    t.teardown(() => scene.close())
    const { provider, phone } = scene.lab
    const registrar = await scene.outside(5060)
    const [from, to] = [{ address: scene.phoneAddress(), port: 5062 }, registrar.local]
    const start = 'OPTIONS sip:b@test.invalid SIP/2.0\r\nVia: SIP/2.0/UDP '
    const text = `${start}${from.address}:${from.port};branch=z9hG4bK1\r\n${[
      'From: <sip:a@test.invalid>;tag=a',
      'To: <sip:b@test.invalid>',
      'Call-ID: burst',
      'CSeq: 1 OPTIONS',
      'Content-Length: 0',
    ].join('\r\n')}\r\n\r\n`
    const send = (count: number) => {
      const ends = [from.address, from.port, to.address, to.port, count].map(String)
      phone.runSync([process.execPath, '-e', BURST, ...ends, text])
    }
    // The flow is known, as a phone's is that has registered.
    send(1)
    await registrar.receive()
    // Four bytes behind the UDP header and the start: of the address in the Via.
    const inside = Buffer.from(from.address.slice(0, 4), 'latin1').toString('hex')
    provider.nft(`table inet seen { chain c { type filter hook prerouting priority 0;
    udp dport 5060 counter comment "all"; udp dport 5060 @th,${(8 + start.length) * 8},32 0x${inside} counter comment "as it was"; }; }`)
    const count = 10_000
    send(count)
    const seen = (what: string): number => {
      const table = provider.runSync(['nft', 'list', 'table', 'inet', 'seen'])
      return Number(new RegExp(`counter packets (\\d+) bytes \\d+ comment "${what}"`).exec(table)?.[1])
    }
    const { queues } = scene.sip.status()
    const dropped = queues[0]!.queueDropped
    t.ok(dropped > 0, `${dropped} of ${count} were too many`)
    for (let i = 0; i < 200 && seen('all') < count - dropped; i++) await pause(50)
    t.equal(seen('all'), count - dropped)
    t.equal(seen('as it was'), 0)
    t.same(scene.errors, [])
  },
)
