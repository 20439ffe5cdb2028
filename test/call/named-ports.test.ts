/** Phones that send from one port and listen at another, over UDP: what they name gets an outside port that leads there. */
import t from 'tap'
import type { Flow } from '../../types/flow.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const FAR = '198.51.100.77'
const LISTENS = endpoint(INSIDE, 5060)
const live = () => new World({ ways: 'live', ports: [30000, 30099] })
/** The phone sends from 50000. */
const sending = (world: World): Flow => world.flow(endpoint(INSIDE, 50_000), endpoint(OUTSIDE, 50_000))
/** What comes back by the port it named. */
const returning = (world: World, outsidePort: number, peer = PEER): Flow =>
  world.flow(LISTENS, endpoint(OUTSIDE, outsidePort), endpoint(peer, 5060))

const ways = (world: World): string[] =>
  world.kernel
    .expectationList()
    .filter((it) => it.class === 0)
    .map(({ tuple: { source, destination }, nat }) => `${source.address}>${destination.port}>${nat?.to.port}`)
    .sort()
const portIn = (text: string, header: 'Via' | 'Contact'): number =>
  Number(new RegExp(`^${header}: .*?203\\.0\\.113\\.1:(\\d+)`, 'm').exec(text)?.[1])

t.test('a registration: the answer reaches the port of the Via, calls that of the Contact', async (t) => {
  const world = live()
  const sent = await world.out(request('REGISTER', { by: LISTENS }), sending(world))
  const port = portIn(sent, 'Via')
  t.ok(port >= 30_000 && port <= 30_099, 'an outside port that the kernel gives to nobody else')
  t.equal(portIn(sent, 'Contact'), port)
  t.same(ways(world), [`${PEER}>${port}>5060`, `${PEER}>50000>50000`].sort(), 'open before the answer comes')
  const back = await world.in(response(200, 'REGISTER', { by: endpoint(OUTSIDE, port) }), returning(world, port))
  t.match(back, `Via: SIP/2.0/UDP ${INSIDE}:5060;`)
  t.match(back, `Contact: <sip:x@${INSIDE}:5060>`)
  t.match(world.engine.registered(), [{ inside: LISTENS, outside: endpoint(OUTSIDE, port) }])
  await world.wait(60)
  t.ok(ways(world).includes(`${PEER}>${port}>5060`), 'for as long as it is registered')
  const uri = `sip:x@${OUTSIDE}:${port}`
  const invite = await world.in(request('INVITE', { callId: 'in', uri }), returning(world, port))
  t.match(invite, `INVITE sip:x@${INSIDE}:5060 SIP/2.0`)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('a call: the far phone reaches the Contact, and the port is kept for the call', async (t) => {
  const world = live()
  const flow = sending(world)
  const sent = await world.out(request('INVITE', { by: LISTENS, body: sdp(INSIDE, 4000) }), flow)
  const port = portIn(sent, 'Contact')
  const contact = ['Contact', `<sip:far@${FAR}:5060>`] as const
  await world.in(
    response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000), headers: [contact] }),
    returning(world, port),
  )
  t.equal(world.engine.calls()[0]?.state, 'answered')
  await world.out(request('ACK', { to: 'b', by: LISTENS }), flow)
  await world.wait(100)
  t.same(
    ways(world),
    [`${FAR}>${port}>5060`, `${FAR}>50000>50000`, `${PEER}>${port}>5060`, `${PEER}>50000>50000`].sort(),
  )
  const straight = returning(world, port, FAR)
  const bye = await world.in(request('BYE', { from: 'b', to: 'a', uri: `sip:x@${OUTSIDE}:${port}` }), straight)
  t.match(bye, `BYE sip:x@${INSIDE}:5060 SIP/2.0`)
  await world.out(response(200, 'BYE', { from: 'b', to: 'a' }), straight)
  await world.wait(34)
  t.same(world.sizes(), NOTHING)
})

t.test('a port that is known already is used as it is; one that is named once is let go', async (t) => {
  const world = live()
  const own = world.flow(LISTENS, endpoint(OUTSIDE, 40_000))
  await world.out(request('REGISTER', { callId: 'r', by: LISTENS }), own)
  await world.in(response(200, 'REGISTER', { callId: 'r', by: endpoint(OUTSIDE, 40_000) }), own)
  const sent = await world.out(request('OPTIONS', { callId: 'o', by: LISTENS }), sending(world))
  t.equal(portIn(sent, 'Via'), 40_000)
  t.equal(world.engine.size.ports, 0)
  await world.out(request('OPTIONS', { callId: 'p', by: endpoint(INSIDE, 5070) }), sending(world))
  t.equal(world.engine.size.listening, 1)
  await world.wait(34)
  t.equal(world.engine.size.listening, 0)
  t.same(ways(world), [`${PEER}>40000>5060`])
})

t.test('what gets none', async (t) => {
  const world = live()
  await world.out(request('OPTIONS', { by: endpoint(INSIDE, 80) }), sending(world))
  t.same(world.refusals(), ['port-reserved', 'port-reserved'])
  await world.out(request('OPTIONS', { by: endpoint('192.168.7.99', 5060) }), sending(world))
  t.equal(world.engine.size.listening, 0, "another host's is not the sender's to name")
  for (let i = 0; i < 50; i++)
    await world.out(request('OPTIONS', { callId: `o${i}`, by: endpoint(INSIDE, 6000 + i) }), sending(world))
  t.equal(world.engine.size.listening, 8, 'nor ports without end')
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('routed: no port to lease, but a way in', async (t) => {
  const world = live()
  const routed = world.flow(endpoint(INSIDE, 50_000), endpoint(INSIDE, 50_000))
  const text = request('OPTIONS', { by: LISTENS })
  t.equal(await world.out(text, routed), text)
  t.same(ways(world), [`${PEER}>5060>undefined`, `${PEER}>50000>undefined`].sort())
})
