import t from 'tap'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, World } from './world.js'

const FAR = '198.51.100.77'
const RELAY = '198.51.100.99'

const body = (address: string, ...lines: string[]): string => {
  const ip = `IN IP4 ${address}`
  return ['v=0', `o=- 1 1 ${ip}`, 's=-', `c=${ip}`, 't=0 0', ...lines, ''].join('\r\n')
}
const media = (text: string): string[] =>
  text
    .slice(text.indexOf('t=0 0\r\n') + 7)
    .split('\r\n')
    .slice(0, -1)
const candidate = (component: number, address: string, port: number, rest = 'typ host', transport = 'UDP'): string =>
  `a=candidate:1 ${component} ${transport} 2130706431 ${address} ${port} ${rest}`
const ranged = () => new World({ ports: [30000, 30099] })

async function called(world: World, offer: string[], answer: string[]): Promise<string[]> {
  const text = request('INVITE', { body: body(INSIDE, ...offer) })
  const out = await world.out(text)
  if ((await world.out(text)) !== out) throw new Error('a retransmission differs')
  if ((await world.in(out)) !== text) throw new Error('it does not come back as it went')
  await world.in(response(200, 'INVITE', { to: 'b', body: body(FAR, ...answer) }))
  return media(out)
}

const ours = ['m=audio 4000 RTP/AVP 0', candidate(1, INSIDE, 4000), candidate(2, INSIDE, 4001)]
const theirs = ['m=audio 6000 RTP/AVP 0', candidate(1, FAR, 6000), candidate(2, FAR, 6001)]
const inbound = (world: World): string[] => world.ways().filter((way) => way.includes(`>${OUTSIDE}:`))

t.test('the default destination stays among the candidates', async (t) => {
  const world = ranged()
  t.same(await called(world, ours, theirs), [
    'm=audio 30000 RTP/AVP 0',
    candidate(1, OUTSIDE, 30000),
    candidate(2, OUTSIDE, 30001),
  ])
  t.same(inbound(world), [`${FAR}:0>${OUTSIDE}:30000`, `${FAR}:0>${OUTSIDE}:30001`])
  t.ok(world.ways().includes(`${INSIDE}:4000>${FAR}:6000`))
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('what is not ours is left alone', async (t) => {
  const world = ranged()
  const lines = [
    candidate(1, '203.0.113.200', 4000, 'typ srflx raddr 0.0.0.0 rport 9'),
    candidate(1, RELAY, 5000, 'typ relay raddr 203.0.113.200 rport 4000'),
    candidate(1, '5d1b8f2e-8d0a-4a65-9d4e-0d5f4e6b7a11.local', 50000),
    candidate(1, '10.8.0.5', 4000),
    candidate(1, 'fe80::1', 4000),
    candidate(1, '2001:db8:7::5', 4000),
    candidate(1, INSIDE, 80),
    candidate(1, INSIDE, 9, 'typ host tcptype active', 'TCP'),
    'a=end-of-candidates',
    'a=ice-ufrag:F7gI',
    `a=fingerprint:sha-256 ${INSIDE}:30000`,
  ]
  const out = await called(world, [...ours, ...lines], theirs)
  t.same(out.slice(3), lines)
  t.equal(inbound(world).length, 2)
  t.same(world.refusals(), [])
})

t.test('further addresses of its own get ports and ways of their own', async (t) => {
  const world = new World({ ports: [30000, 30099], mediaHosts: ['192.168.7.99'] })
  const more = [
    candidate(1, INSIDE, 4100),
    candidate(1, '192.168.7.99', 4200),
    candidate(1, INSIDE, 4300, 'typ host tcptype passive', 'TCP'),
    candidate(1, '203.0.113.200', 4000, `typ srflx raddr ${INSIDE} rport 4000`),
  ]
  const farTcp = candidate(1, FAR, 9, 'typ host tcptype active', 'TCP')
  const out = await called(world, [...ours, ...more], [...theirs, farTcp])
  t.same(out.slice(3), [
    candidate(1, OUTSIDE, 30002),
    candidate(1, OUTSIDE, 30004),
    candidate(1, OUTSIDE, 30006, 'typ host tcptype passive', 'TCP'),
    candidate(1, '203.0.113.200', 4000, `typ srflx raddr ${OUTSIDE} rport 30000`),
  ])
  t.same(
    inbound(world),
    [30000, 30001, 30002, 30004, 30006].map((port) => `${FAR}:0>${OUTSIDE}:${port}`),
  )
  const tcp = world.kernel.expectationList().filter(({ tuple }) => tuple.protocol === 6)
  t.same(
    tcp.map(({ tuple }) => tuple.destination.port),
    [30006],
  )
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('the far candidates may send, each address by itself', async (t) => {
  const world = ranged()
  const more = [
    candidate(1, RELAY, 5000, 'typ relay raddr 203.0.113.200 rport 4000'),
    candidate(2, RELAY, 5001, 'typ relay raddr 203.0.113.200 rport 4001'),
    candidate(1, '10.0.0.5', 6000),
    candidate(1, OUTSIDE, 7000),
    candidate(1, '233.252.0.1', 7000),
  ]
  await called(world, ours, [...theirs, ...more])
  t.same(
    inbound(world),
    [FAR, RELAY].flatMap((far) => [`${far}:0>${OUTSIDE}:30000`, `${far}:0>${OUTSIDE}:30001`]),
  )
  t.ok(world.ways().includes(`${INSIDE}:4000>${RELAY}:5000`))
  t.ok(world.media(endpoint(RELAY, 5000), endpoint(OUTSIDE, 30000)))
  t.ok(world.media(endpoint(FAR, 6000), endpoint(OUTSIDE, 30000)))
  t.notOk(world.media(endpoint(FAR, 6002), endpoint(OUTSIDE, 30000)), 'one port of an address: the first that speaks')
})

t.test('several ports of one far address may all send', async (t) => {
  const world = ranged()
  await called(world, ours, [...theirs, candidate(1, FAR, 6500, 'typ srflx raddr 10.0.0.5 rport 6000')])
  for (const port of [6000, 6500]) {
    t.ok(world.media(endpoint(FAR, port), endpoint(OUTSIDE, 30000)), `from ${port}`)
    t.ok(world.ways().includes(`${INSIDE}:4000>${FAR}:${port}`), `to ${port}`)
  }
})

t.test('exact stays exact', async (t) => {
  const world = new World({ ports: [30000, 30099], source: 'exact' })
  await called(world, ours, [...theirs, candidate(1, FAR, 6500)])
  t.same(inbound(world), [
    `${FAR}:6000>${OUTSIDE}:30000`,
    `${FAR}:6001>${OUTSIDE}:30001`,
    `${FAR}:6500>${OUTSIDE}:30000`,
  ])
})

t.test('ICE on one side only: as without', async (t) => {
  const world = ranged()
  await called(world, [...ours, candidate(1, INSIDE, 4100)], ['m=audio 6000 RTP/AVP 0'])
  t.equal(inbound(world).length, 2)
  const far = ranged()
  await called(far, ['m=audio 4000 RTP/AVP 0'], [...theirs, candidate(1, RELAY, 5000)])
  t.equal(inbound(far).length, 2, 'who does no ICE talks to the default destination alone')
})

t.test('a private default destination needs no substitute where a candidate can be reached', async (t) => {
  const world = ranged()
  await world.out(request('INVITE', { body: body(INSIDE, ...ours) }))
  const answer = ['m=audio 6000 RTP/AVP 0', candidate(1, '10.0.0.5', 6000), candidate(1, FAR, 6100)]
  await world.in(response(200, 'INVITE', { to: 'b', body: body('10.0.0.5', ...answer) }))
  t.same(inbound(world), [`${FAR}:0>${OUTSIDE}:30000`])
  t.notOk(world.ways().some((way) => way.startsWith(PEER)))
})

t.test('rtcp-mux and ICE', async (t) => {
  const world = ranged()
  await called(world, [...ours, candidate(2, INSIDE, 4101), 'a=rtcp-mux'], [...theirs, 'a=rtcp-mux'])
  t.same(inbound(world), [`${FAR}:0>${OUTSIDE}:30000`])
})

t.test('the updated offer names what was chosen, and our ports come back as they went', async (t) => {
  const world = ranged()
  await called(world, ours, theirs)
  const remote = (address: string, port: number) => `a=remote-candidates:1 ${address} ${port} 2 ${address} ${port + 1}`
  const text = request('INVITE', {
    cseq: 9,
    from: 'b',
    to: 'a',
    body: body(FAR, ...theirs, remote(OUTSIDE, 30000)),
  })
  t.match(await world.in(text), remote(INSIDE, 4000))
  const answer = [...ours, remote(FAR, 6000)]
  const out = await world.out(response(200, 'INVITE', { cseq: 9, from: 'b', to: 'a', body: body(INSIDE, ...answer) }))
  t.match(out, remote(FAR, 6000))
  t.equal(inbound(world).length, 2)
})

t.test('a phone that knows its outside port may offer it', async (t) => {
  const world = ranged()
  await called(world, ours, theirs)
  const ways = world.ways()
  const lines = ['m=audio 30000 RTP/AVP 0', candidate(1, OUTSIDE, 30000, `typ prflx raddr ${INSIDE} rport 4000`)]
  const text = request('INVITE', { cseq: 2, to: 'b', body: body(OUTSIDE, ...lines) })
  const out = await world.out(text)
  t.same(media(out), [lines[0], candidate(1, OUTSIDE, 30000, `typ prflx raddr ${OUTSIDE} rport 30000`)])
  await world.in(response(200, 'INVITE', { cseq: 2, to: 'b', body: body(FAR, ...theirs) }))
  t.same(world.ways(), ways)
})

t.test('bounds', async (t) => {
  const world = ranged()
  const many = (address: string) => Array.from({ length: 200 }, (_, i) => candidate(1, address, 10_000 + i))
  await called(world, [...ours, ...many(INSIDE)], [...theirs, ...many(FAR)])
  t.same(world.refusals(), ['candidates-exhausted', 'candidates-exhausted', 'pinholes-exhausted'])
  t.ok(world.engine.size.ports <= 10)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})
