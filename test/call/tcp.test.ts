/** TCP flows: what a connection's own port is good for, and what the port its phone listens at. */
import t from 'tap'
import type { Flow } from '../../types/flow.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const LISTENS = endpoint(INSIDE, 5060)
const SERVER = endpoint(PEER, 5060)

/** A connection from the phone's port to the server, and what the outside sees of it. */
const connection = (world: World, port = 50_100, outsidePort = 20_100, inside = INSIDE): Flow =>
  world.flow(endpoint(inside, port), endpoint(OUTSIDE, outsidePort), SERVER, 'tcp')

const via = (text: string): string => text.replace('SIP/2.0/UDP', 'SIP/2.0/TCP')
const contact = (address: string, port: number | string, more = ''): readonly [string, string] => [
  'Contact',
  `<sip:x@${address}:${port};transport=tcp>${more}`,
]
const register = (headers = [contact(INSIDE, 5060)], line = {}): string =>
  via(request('REGISTER', { by: LISTENS, ...line, headers })).replace(/^Contact: <sip:x@[^;]*>\r\n/m, '')

t.test('the port a phone listens at gets an outside port of its own, and its way in', async (t) => {
  const world = new World()
  const flow = connection(world)
  const sent = await world.out(register(), flow)
  t.match(sent, `Via: SIP/2.0/TCP ${OUTSIDE}:5060;branch`)
  t.match(sent, `Contact: <sip:x@${OUTSIDE}:5060;transport=tcp>`)
  t.same(world.ways(), [], 'nothing before it is granted')
  const back = await world.in(
    via(response(200, 'REGISTER', { by: endpoint(OUTSIDE, 5060), headers: [contact(OUTSIDE, 5060, ';expires=60')] })),
    flow,
  )
  t.match(back, `<sip:x@${INSIDE}:5060;transport=tcp>;expires=60`)
  t.match(back, `Via: SIP/2.0/TCP ${INSIDE}:5060`)
  t.match(world.engine.registered(), [{ transport: 'tcp', inside: LISTENS, outside: endpoint(OUTSIDE, 5060) }])
  t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:5060`])
  t.equal(world.kernel.expectationList()[0]?.tuple.protocol, 6)
  t.equal(world.engine.size.listening, 1)

  world.engine.release(flow)
  t.equal(world.engine.size.listening, 1, 'the registration needs it after the connection')
  const knock = world.flow(LISTENS, endpoint(OUTSIDE, 5060), endpoint(PEER, 33_333), 'tcp')
  const invite = await world.in(
    via(request('INVITE', { uri: `sip:x@${OUTSIDE}:5060;transport=tcp`, by: SERVER, body: sdp(PEER, 6000) })),
    knock,
  )
  t.match(invite, `INVITE sip:x@${INSIDE}:5060;transport=tcp SIP/2.0`)
  const ok = await world.out(via(response(200, 'INVITE', { to: 'b', by: LISTENS, body: sdp(INSIDE, 4000) })), knock)
  t.match(ok, `c=IN IP4 ${OUTSIDE}`)
  t.match(ok, `<sip:x@${OUTSIDE}:5060>`, 'without a transport it is the only one there is')
  t.match(world.engine.calls(), [{ transport: 'tcp', peer: endpoint(PEER, 33_333) }])
  world.engine.release(knock)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test(
  'a registration that ends takes its port along; a phone that names its own source port needs none',
  async (t) => {
    const world = new World()
    const flow = connection(world)
    await world.out(register(), flow)
    await world.in(response(200, 'REGISTER', { headers: [contact(OUTSIDE, 5060, ';expires=10')] }), flow)
    world.engine.release(flow)
    await world.wait(20)
    t.same(world.ways(), [])
    t.same(world.sizes(), NOTHING)

    const own = await world.out(register([contact(INSIDE, 50_100)], { by: endpoint(INSIDE, 50_100), cseq: 2 }), flow)
    t.match(own, `Via: SIP/2.0/TCP ${OUTSIDE}:20100`)
    t.match(own, `<sip:x@${OUTSIDE}:20100;transport=tcp>`)
    t.equal(world.engine.size.listening, 0)
    await world.in(response(200, 'REGISTER', { cseq: 2, headers: [contact(OUTSIDE, 20_100, ';expires=10')] }), flow)
    t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:20100`])
    await world.shutdown()
    t.same(world.sizes(), NOTHING)
  },
)

t.test('two phones that listen at the same port get two; one phone on two connections gets one', async (t) => {
  const world = new World()
  const first = connection(world)
  const again = connection(world, 50_200, 20_200)
  const other = connection(world, 50_100, 20_300, '192.168.7.11')
  t.match(await world.out(register(), first), `@${OUTSIDE}:5060;`)
  t.match(await world.out(register(), again), `@${OUTSIDE}:5060;`)
  const text = await world.out(register().replaceAll(INSIDE, '192.168.7.11'), other)
  t.match(text, `@${OUTSIDE}:40000;`)
  t.equal(world.engine.size.listening, 2)
  for (const flow of [first, other]) world.engine.release(flow)
  t.equal(world.engine.size.listening, 1)
  world.engine.release(again)
  t.same(world.sizes(), {
    ...NOTHING,
    registering: world.engine.size.registering,
    deadlines: world.engine.size.deadlines,
  })
})

t.test('what a connection may name: ports of its own host from 1024 on, and not without end', async (t) => {
  const world = new World()
  const flow = connection(world)
  const reserved = await world.out(register([contact(INSIDE, 22)]), flow)
  t.match(reserved, `<sip:x@${INSIDE}:22;transport=tcp>`, 'left as it is')
  t.same(world.refusals(), ['port-reserved'])
  const foreign = await world.out(register([contact('192.168.7.11', 5060)], { cseq: 2 }), flow)
  t.match(foreign, '<sip:x@192.168.7.11:5060;transport=tcp>', "another host's contact is that host's to name")
  const many = Array.from({ length: 40 }, (_, i) => contact(INSIDE, 6000 + i))
  await world.out(register(many, { cseq: 3 }), flow)
  t.equal(world.engine.size.listening, 8)
  world.engine.release(flow)
  t.equal(world.engine.size.listening, 0)
})

t.test('without translation the port stays, and the way in is the same', async (t) => {
  const world = new World()
  const flow = world.flow(endpoint(INSIDE, 50_100), endpoint(INSIDE, 20_100), SERVER, 'tcp')
  const sent = await world.out(register(), flow)
  t.match(sent, `<sip:x@${INSIDE}:5060;transport=tcp>`)
  await world.in(response(200, 'REGISTER', { headers: [contact(INSIDE, 5060, ';expires=60')] }), flow)
  t.same(world.ways(), [`${PEER}:0>${INSIDE}:5060`])
  t.equal(world.engine.size.listening, 0, 'nothing is leased')
})

t.test('one call over both: the large INVITE by TCP, its answer and BYE by UDP', async (t) => {
  const world = new World()
  const udp = world.flow(LISTENS, endpoint(OUTSIDE, 40_000), SERVER)
  // Registered by UDP: its contact is bound, so that without a transport it is meant.
  await world.out(request('REGISTER', { callId: 'r', by: LISTENS }), udp)
  await world.in(
    response(200, 'REGISTER', { callId: 'r', headers: [['Contact', `<sip:x@${OUTSIDE}:40000>;expires=600`]] }),
    udp,
  )
  const tcp = connection(world)
  const invite = await world.out(via(request('INVITE', { by: LISTENS, body: sdp(INSIDE, 4000) })), tcp)
  t.match(invite, `Via: SIP/2.0/TCP ${OUTSIDE}:5060`, 'Via says TCP')
  t.match(invite, `Contact: <sip:x@${OUTSIDE}:40000>`, 'Contact says nothing, so UDP')
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }), udp)
  t.match(world.engine.calls(), [{ state: 'answered', transport: 'tcp' }])
  t.equal(world.engine.calls().length, 1)
  const bye = await world.in(
    request('BYE', { callId: 'c1', uri: `sip:x@${OUTSIDE}:40000`, from: 'b', to: 'a', cseq: 9 }),
    udp,
  )
  t.match(bye, `BYE sip:x@${INSIDE}:5060 SIP/2.0`)
  await world.out(response(200, 'BYE', { callId: 'c1', from: 'b', to: 'a', cseq: 9 }), udp)
  t.same(world.ends(), ['bye'])
})
