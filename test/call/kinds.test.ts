import t from 'tap'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, World } from './world.js'

const FAR = '198.51.100.77'

/** A description with these lines behind the session's own. */
const body = (address: string, ...lines: string[]): string => {
  const ip = `IN IP${address.includes(':') ? 6 : 4} ${address}`
  return ['v=0', `o=- 1 1 ${ip}`, 's=-', `c=${ip}`, 't=0 0', ...lines, ''].join('\r\n')
}

/** Lines of a message's description, those of the session left out. */
const media = (text: string): string[] => {
  const lines = text.slice(text.indexOf('\r\n\r\n') + 4).split('\r\n')
  return lines.slice(lines.findIndex((line) => line.startsWith('t=')) + 1, -1)
}

/** A call out, offered and answered with these lines. Returns the lines that left. */
async function called(world: World, offer: string[], answer: string[], farAddress = FAR): Promise<string[]> {
  const text = request('INVITE', { body: body(INSIDE, ...offer) })
  const out = await world.out(text)
  const again = await world.out(text)
  if (again !== out) throw new Error('a retransmission differs')
  await world.in(response(200, 'INVITE', { to: 'b', body: body(farAddress, ...answer) }))
  await world.out(request('ACK', { to: 'b' }))
  return media(out)
}

async function ended(world: World): Promise<Record<string, number>> {
  await world.out(request('BYE', { to: 'b', cseq: 2 }))
  await world.in(response(200, 'BYE', { to: 'b', cseq: 2 }))
  return world.sizes()
}

/** `far > outside` and `inside > far` of one port, as `World.ways` lists them. */
const both = (far: string, farPort: number, outside: number, inside: number): string[] => [
  `${far}:0>${OUTSIDE}:${outside}`,
  `${INSIDE}:${inside}>${far}:${farPort}`,
]
const sorted = (...ways: string[][]): string[] => ways.flat().sort()
const ranged = () => new World({ ports: [30000, 30099] })

t.test('every kind of media over UDP', async (t) => {
  const kinds: readonly (readonly [string, string, number])[] = [
    ['video', 'RTP/SAVPF 96', 2],
    ['text', 'RTP/AVP 98', 2],
    ['application', 'UDP/TLS/RTP/SAVPF 99', 2],
    ['application', 'UDP/DTLS/SCTP webrtc-datachannel', 1],
    ['application', 'UDP/BFCP *', 1],
    ['image', 'udptl t38', 1],
    ['image', 'UDP/TLS/UDPTL t38', 1],
  ]
  for (const [type, rest, ports] of kinds) {
    const world = ranged()
    const out = await called(world, [`m=${type} 4001 ${rest}`], [`m=${type} 6000 ${rest}`])
    t.same(out, [`m=${type} 30000 ${rest}`], `${type} ${rest}: from an odd port`)
    const rtcp = ports === 2 ? both(FAR, 6001, 30001, 4002) : []
    t.same(world.ways(), sorted(both(FAR, 6000, 30000, 4001), rtcp), 'both ways')
    t.same(await ended(world), NOTHING)
  }
})

t.test('port/n: as many pairs, one after the other', async (t) => {
  const world = ranged()
  const out = await called(world, ['m=video 4001/3 RTP/AVP 96'], ['m=video 6000/2 RTP/AVP 96'])
  t.same(out, ['m=video 30000/3 RTP/AVP 96'])
  t.equal(world.engine.size.ports, 6)
  const pairs = [0, 1, 2, 3].map((i) => both(FAR, 6000 + i, 30000 + i, 4001 + i))
  t.same(world.ways(), sorted(...pairs), 'of those that both have')
  t.same(world.media(endpoint(FAR, 6003), endpoint(OUTSIDE, 30003)), endpoint(INSIDE, 4004), 'RTCP of the second')
  await world.wait(2)
  t.same(await ended(world), NOTHING)
  await world.out(request('INVITE', { callId: 'x', body: body(INSIDE, 'm=video 4001/3000 RTP/AVP 96') }))
  t.same(world.refusals(), ['port-count'])
})

t.test('T.38 over three ports of its own', async (t) => {
  const world = ranged()
  await called(world, ['m=image 4000/3 udptl t38'], ['m=image 6000/3 udptl t38'])
  t.same(world.ways(), sorted(...[0, 1, 2].map((i) => both(FAR, 6000 + i, 30000 + i, 4000 + i))))
})

t.test('rtcp-mux: one pinhole where both sides say so', async (t) => {
  for (const [ours, theirs, ports] of [
    [true, true, 1],
    [true, false, 2],
    [false, true, 2],
  ] as const) {
    const world = ranged()
    const line = (is: boolean) => (is ? ['a=rtcp-mux'] : [])
    await called(world, ['m=audio 4000 RTP/AVP 0', ...line(ours)], ['m=audio 6000 RTP/AVP 0', ...line(theirs)])
    t.equal(world.ways().length, ports * 2, `${ours} ${theirs}`)
  }
})

t.test('a=rtcp elsewhere', async (t) => {
  const world = ranged()
  const out = await called(
    world,
    ['m=audio 4000 RTP/AVP 0', `a=rtcp:4500 IN IP4 ${INSIDE}`],
    ['m=audio 6000 RTP/AVP 0', `a=rtcp:6500 IN IP4 ${PEER}`],
  )
  t.same(out, ['m=audio 30000 RTP/AVP 0', `a=rtcp:30001 IN IP4 ${OUTSIDE}`])
  t.same(world.ways(), sorted(both(FAR, 6000, 30000, 4000), both(PEER, 6500, 30001, 4500)))
})

t.test('a stream on another inside host', async (t) => {
  const host = '192.168.7.99'
  const world = new World({ ports: [30000, 30099], mediaHosts: [host] })
  const offer = ['m=audio 4000 RTP/AVP 0', 'm=video 5000 RTP/AVP 96', `c=IN IP4 ${host}`]
  const out = await called(world, offer, ['m=audio 6000 RTP/AVP 0', 'm=video 6002 RTP/AVP 96'])
  t.same(out, ['m=audio 30000 RTP/AVP 0', 'm=video 30002 RTP/AVP 96', `c=IN IP4 ${OUTSIDE}`])
  t.ok(world.ways().includes(`${host}:5001>${FAR}:6003`))
})

t.test('BUNDLE: one transport once both agree, and until then one each', async (t) => {
  const world = ranged()
  const offer = ['m=audio 4000 RTP/AVP 0', 'a=mid:a', 'a=rtcp-mux', 'm=video 4002 RTP/AVP 96', 'a=mid:v', 'a=rtcp-mux']
  const bundleOnly = ['m=text 0 RTP/AVP 98', 'a=mid:t', 'a=rtcp-mux', 'a=bundle-only']
  const answer = ['audio 6000', 'video 6000', 'text 6000'].flatMap((line, i) => [
    `m=${line} RTP/AVP 0`,
    `a=mid:${'avt'[i]}`,
    'a=rtcp-mux',
  ])
  const group = 'a=group:BUNDLE a v t'
  await world.out(request('INVITE', { body: body(INSIDE, group, ...offer, ...bundleOnly) }))
  t.equal(world.ways().filter((way) => way.includes(`>${OUTSIDE}:`)).length, 4, 'offered: two streams, RTP and RTCP')
  await world.in(response(200, 'INVITE', { to: 'b', body: body(FAR, group, ...answer) }))
  t.same(world.ways(), sorted(both(FAR, 6000, 30000, 4000)), 'agreed')
  t.same(await ended(world), NOTHING)

  const refusing = ranged()
  await called(refusing, [group, ...offer], answer.slice(0, 6))
  t.equal(refusing.ways().length, 4, 'a far side that knows of no BUNDLE: two streams')
})

t.test('BUNDLE: the first of the answer is the one', async (t) => {
  const world = ranged()
  const line = (type: string, port: number) => [`m=${type} ${port} RTP/AVP 0`, `a=mid:${type}`, 'a=rtcp-mux']
  const offer = [
    'a=group:BUNDLE audio video text',
    ...line('audio', 4000),
    ...line('video', 4002),
    ...line('text', 4004),
  ]
  const answer = ['a=group:BUNDLE video text', ...line('audio', 0), ...line('video', 6000), ...line('text', 6000)]
  await called(world, offer, answer)
  t.same(world.ways(), sorted(both(FAR, 6000, 30002, 4002)))
})

t.test('hold in every spelling keeps ports and ways', async (t) => {
  const plain = body(INSIDE, 'm=audio 4000 RTP/AVP 0')
  const holds = [
    body('0.0.0.0', 'm=audio 4000 RTP/AVP 0'),
    body('::', 'm=audio 4000 RTP/AVP 0'),
    `${plain}a=sendonly\r\n`,
    `${plain}a=inactive\r\n`,
    body(INSIDE, 'a=inactive', 'm=audio 4000 RTP/AVP 0'),
  ]
  for (const [i, text] of holds.entries()) {
    const world = ranged()
    await called(world, ['m=audio 4000 RTP/AVP 0'], ['m=audio 6000 RTP/AVP 0'])
    const ways = world.ways()
    for (const [cseq, description] of [
      [2, text],
      [3, plain],
    ] as const) {
      const out = await world.out(request('INVITE', { cseq, to: 'b', body: description }))
      t.match(out, 'm=audio 30000 ', 'the port')
      const answer = body(FAR, 'm=audio 6000 RTP/AVP 0')
      await world.in(response(200, 'INVITE', { cseq, to: 'b', body: answer }))
      t.same(world.ways(), ways, `hold ${i}, message ${cseq}`)
      t.equal(world.engine.calls()[0]?.held, cseq === 2)
    }
    t.equal(world.opened.length, 2, 'nothing was opened anew')
  }
})

t.test('port 0 shuts a stream, and it comes back', async (t) => {
  const world = ranged()
  const two = ['m=audio 4000 RTP/AVP 0', 'm=video 4002 RTP/AVP 96']
  await called(world, two, ['m=audio 6000 RTP/AVP 0', 'm=video 6002 RTP/AVP 96'])
  const ways = world.ways()
  const none = [two[0]!, 'm=video 0 RTP/AVP 96']
  await world.out(request('INVITE', { cseq: 2, to: 'b', body: body(INSIDE, ...none) }))
  const answer = body(FAR, 'm=audio 6000 RTP/AVP 0', 'm=video 0 RTP/AVP 96')
  await world.in(response(200, 'INVITE', { cseq: 2, to: 'b', body: answer }))
  t.equal(world.ways().length, 4)
  await world.out(request('INVITE', { cseq: 3, to: 'b', body: body(INSIDE, ...two) }))
  const again = body(FAR, 'm=audio 6000 RTP/AVP 0', 'm=video 6002 RTP/AVP 96')
  await world.in(response(200, 'INVITE', { cseq: 3, to: 'b', body: again }))
  t.equal(world.ways().length, ways.length)
})

t.test('left alone, and said so', async (t) => {
  const cases: readonly (readonly [string, string[], string])[] = [
    ['a host name', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 phone.invalid'], 'host-name'],
    ['multicast', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 233.252.0.1/127'], 'address-group'],
    ['multicast, layers', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 233.252.0.1/127/3'], 'address-group'],
    ['another family', ['m=audio 4000 RTP/AVP 0', 'c=IN IP6 2001:db8::7'], 'address-family'],
    ['a foreign host', ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.168.7.99'], 'address-foreign'],
    ['a low port', ['m=audio 80 RTP/AVP 0'], 'port-reserved'],
    ['another transport', ['m=audio 4000 SCTP 0'], 'transport-unsupported'],
  ]
  for (const [name, lines, reason] of cases) {
    const world = ranged()
    const out = await world.out(request('INVITE', { body: body(INSIDE, ...lines) }))
    t.same(media(out), lines, name)
    t.same(world.refusals(), [reason])
    t.same(world.ways(), [], 'nothing is open')
  }
  const world = ranged()
  await called(world, ['m=audio 4000 RTP/AVP 0'], ['m=audio 6000 RTP/AVP 0', 'c=IN IP4 233.252.0.1/127'])
  t.same(
    world.ways().filter((way) => way.startsWith('233.')),
    [],
    'nor towards a multicast group',
  )
})

t.test('IPv6 beside IPv4, on a configured host: as it is', async (t) => {
  const host = '2001:db8:7::5'
  const world = new World({ ports: [30000, 30099], mediaHosts: [host] })
  const lines = ['m=audio 4000 RTP/AVP 0', 'm=video 5000 RTP/AVP 96', `c=IN IP6 ${host}`]
  const out = await called(world, lines, [
    'm=audio 6000 RTP/AVP 0',
    'm=video 6002 RTP/AVP 96',
    'c=IN IP6 2001:db8:9::5',
  ])
  t.same(out, ['m=audio 30000 RTP/AVP 0', ...lines.slice(1)])
  t.ok(world.ways().includes(`2001:db8:9::5:0>${host}:5000`))
  t.ok(world.ways().includes(`${host}:5000>2001:db8:9::5:6002`))
  t.equal(world.ways().length, 8)
  t.same(await ended(world), NOTHING)
})

t.test('a=altc (RFC 6947)', async (t) => {
  const host = '2001:db8:7::5'
  const world = new World({ ports: [30000, 30099], mediaHosts: [host] })
  const offer = [
    'm=audio 4000 RTP/AVP 0',
    `a=altc:1 IP6 ${host} 5000`,
    `a=altc:2 IP4 ${INSIDE} 4000`,
    `a=altc:3 IP4 ${INSIDE} 4100/4105`,
  ]
  const text = request('INVITE', { body: body(INSIDE, ...offer) })
  const out = await world.out(text)
  t.same(media(out), [
    'm=audio 30000 RTP/AVP 0',
    `a=altc:1 IP6 ${host} 5000`,
    `a=altc:2 IP4 ${OUTSIDE} 30000`,
    `a=altc:3 IP4 ${OUTSIDE} 30002/30003`,
  ])
  t.equal(await world.in(out), text, 'and back, to a line of the same host')
  await world.out(response(404, 'INVITE', { to: 'c' }))
  await world.in(response(200, 'INVITE', { to: 'b', body: body('2001:db8:9::5', 'm=audio 6000 RTP/AVP 0') }))
  t.same(
    world.ways(),
    [
      `2001:db8:9::5:0>${host}:5000`,
      `2001:db8:9::5:0>${host}:5001`,
      `${host}:5000>2001:db8:9::5:6000`,
      `${host}:5001>2001:db8:9::5:6001`,
    ].sort(),
    'IPv6 was chosen',
  )
  t.same(await ended(world), NOTHING)
})

t.test('TCP: who listens gets a way in', async (t) => {
  const line = (port: number, setup: string) => [
    `m=application ${port} TCP/BFCP *`,
    ...(setup ? [`a=setup:${setup}`] : []),
  ]
  const cases: readonly (readonly [string, string, boolean])[] = [
    ['passive', 'active', true],
    ['actpass', 'active', true],
    ['actpass', 'passive', false],
    ['active', 'passive', false],
    ['', 'active', true],
    ['holdconn', 'active', false],
    ['actpass', 'holdconn', false],
  ]
  for (const [ours, theirs, isIn] of cases) {
    const world = ranged()
    const port = ours === 'active' ? 9 : 5070
    const out = await called(world, line(port, ours), line(theirs === 'active' ? 9 : 6000, theirs))
    t.equal(out[0], `m=application ${port === 9 ? 9 : 30000} TCP/BFCP *`)
    t.same(world.ways(), isIn ? [`${FAR}:0>${OUTSIDE}:30000`] : [], `${ours} ${theirs}`)
    const tcp = world.kernel.expectationList().every(({ tuple }) => tuple.protocol === 6)
    t.ok(tcp, 'of TCP')
    t.same(world.refusals(), [])
    t.same(await ended(world), NOTHING)
  }
})

t.test('MSRP: a=path is mapped, with CEMA it is a name', async (t) => {
  for (const cema of [false, true]) {
    const world = ranged()
    const path = (address: string, port: number) => `a=path:msrp://${address}:${port}/s1;tcp`
    const lines = ['m=message 7394 TCP/MSRP *', path(INSIDE, 7394), ...(cema ? ['a=msrp-cema'] : [])]
    const out = await called(world, lines, ['m=message 7400 TCP/MSRP *', path(FAR, 7400)])
    t.equal(out[0], 'm=message 30000 TCP/MSRP *')
    t.equal(out[1], cema ? path(INSIDE, 7394) : path(OUTSIDE, 30000))
    t.same(world.ways(), [`${FAR}:0>${OUTSIDE}:30000`])
  }
})

t.test('one port for UDP and for TCP is two streams', async (t) => {
  const world = ranged()
  const lines = ['m=image 4000 udptl t38', 'm=image 4000 TCP t38', 'a=setup:passive']
  const out = await called(world, lines, ['m=image 6000 udptl t38', 'm=image 6000 TCP t38', 'a=setup:active'])
  t.same(out, ['m=image 30000 udptl t38', 'm=image 30002 TCP t38', 'a=setup:passive'])
  t.same(
    world.kernel
      .expectationList()
      .map(({ tuple }) => `${tuple.protocol} ${tuple.destination.port}`)
      .sort(),
    ['17 30000', '17 30000', '17 6000', '6 30002'],
  )
  t.same(await ended(world), NOTHING)
})

t.test('framed RTP over TCP (RFC 4571)', async (t) => {
  const world = ranged()
  const lines = (port: number, setup: string) => [`m=audio ${port} TCP/RTP/AVP 0`, `a=setup:${setup}`]
  await called(world, lines(4000, 'passive'), lines(9, 'active'))
  t.same(world.ways(), [`${FAR}:0>${OUTSIDE}:30000`, `${FAR}:0>${OUTSIDE}:30001`])
})
