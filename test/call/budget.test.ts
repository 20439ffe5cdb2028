/** Budgets: what one host, call or message may take; what goes beyond is refused alone, and reported. */
import t from 'tap'
import { budgetsOf, budgetTable } from '../../lib/call/index.js'
import { answeredCall, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const SECOND = '192.168.7.11'
const other = (world: World) => world.flow(endpoint(SECOND, 5060), endpoint(OUTSIDE, 40001))

t.test('defaults', async (t) => {
  for (const { name, standard, low, high } of budgetTable)
    t.ok(standard === undefined || (low <= standard && standard <= high), name)
  t.equal(budgetsOf({}, undefined).portsPerHost, 48_384)
  t.equal(budgetsOf({}, [30_000, 39_999]).portsPerHost, 7500)
  t.equal(budgetsOf({}, [30_000, 30_009]).portsPerHost, 64, 'few ports are not divided')
  t.equal(budgetsOf({ portsPerHost: 4 }, [30_000, 39_999]).portsPerHost, 4)
})

t.test('calls of one host: the next one is refused, another host goes on', async (t) => {
  const world = new World({ budgets: { callsPerHost: 2 } })
  for (const callId of ['a', 'b', 'c']) await world.out(request('INVITE', { callId, body: sdp(INSIDE, 4000) }))
  t.same(world.refusals(), ['host-calls-exhausted'])
  t.equal(world.engine.size.calls, 2)
  await world.out(request('INVITE', { callId: 'd', body: sdp(SECOND, 4000) }), other(world))
  t.equal(world.engine.size.calls, 3)
  await world.in(response(486, 'INVITE', { callId: 'a', to: 'x' }))
  await world.out(request('INVITE', { callId: 'c', body: sdp(INSIDE, 4000) }))
  t.equal(world.engine.size.calls, 3, 'there is room again')
})

t.test('new calls a second, by who makes them', async (t) => {
  const world = new World({ budgets: { callsPerSecond: 3 } })
  const begin = (n: number) => world.out(request('INVITE', { callId: `c${n}`, body: sdp(INSIDE, 4000) }))
  for (let i = 0; i < 10; i++) await begin(i)
  t.equal(world.engine.size.calls, 3)
  t.equal(world.refusals().filter((it) => it === 'call-rate-exceeded').length, 7)
  for (let i = 0; i < 3; i++) await begin(0)
  t.equal(world.refusals().length, 7, 'retransmissions are no new calls')
  for (let i = 0; i < 3; i++) await world.in(request('INVITE', { callId: `in${i}`, body: sdp(PEER, 6000) }))
  t.equal(world.engine.size.calls, 6, 'a caller outside has his own')
  await world.in(request('INVITE', { callId: 'in9', body: sdp(PEER, 6000) }))
  t.equal(world.engine.size.calls, 6)
  const third = world.flow(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 5060), endpoint('198.51.100.99', 5060))
  await world.in(request('INVITE', { callId: 'in10', body: sdp(PEER, 6000) }), third)
  t.equal(world.engine.size.calls, 7, 'and another caller his')
  await world.wait(1)
  await begin(11)
  t.equal(world.engine.size.calls, 8)
})

t.test('registrations of one host', async (t) => {
  const world = new World({ budgets: { registrationsPerHost: 2 } })
  const register = async (user: string, seconds = 600) => {
    const swap = (text: string) => text.replace('<sip:two@test.invalid>', `<sip:${user}@test.invalid>`)
    const headers = [
      ['Contact', `<sip:${user}@${INSIDE}:5060>`],
      ['Expires', `${seconds}`],
    ] as const
    const answer = seconds ? [['Contact', `<sip:${user}@${OUTSIDE}:5060>;expires=${seconds}`] as const] : []
    const callId = `${user}${seconds}`
    await world.out(swap(request('REGISTER', { callId, headers })))
    await world.in(swap(response(200, 'REGISTER', { callId, headers: answer })))
  }
  for (const user of ['a', 'b', 'c']) await register(user)
  t.same(world.refusals(), ['host-registrations-exhausted'])
  t.equal(world.engine.size.registrations, 2)
  await register('a', 700)
  t.equal(world.refusals().length, 1, 'a refresh is none more')
  await register('a', 0)
  await register('c', 500)
  t.equal(world.engine.size.registrations, 2, 'there is room again')
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('outside ports of one host: one host cannot take what the others need', async (t) => {
  const world = new World({ ports: [30000, 30099], budgets: { portsPerHost: 6 } })
  for (let i = 0; i < 5; i++) await world.out(request('INVITE', { callId: `a${i}`, body: sdp(INSIDE, 4000 + 2 * i) }))
  t.same(world.refusals(), ['host-ports-exhausted', 'host-ports-exhausted'])
  t.equal(world.engine.size.ports, 6)
  t.equal(world.engine.size.calls, 5, 'the calls go on')
  const sent = await world.out(request('INVITE', { callId: 'b', body: sdp(SECOND, 4000) }), other(world))
  t.match(sent, /m=audio 300\d\d /, 'another host has its own')
  await world.in(response(486, 'INVITE', { callId: 'a0', to: 'x' }))
  await world.out(request('INVITE', { callId: 'a9', body: sdp(INSIDE, 4900) }))
  t.equal(world.refusals().length, 2, 'what was given back may be taken again')
})

t.test('pinholes of one call; those that stand go on standing', async (t) => {
  const world = new World({ budgets: { pinholesPerCall: 2 } })
  await answeredCall(world)
  const offer = sdp(INSIDE, 4000, 4100, 4200, 4300)
  await world.out(request('INVITE', { cseq: 2, to: 'b', body: offer }))
  await world.in(response(200, 'INVITE', { cseq: 2, to: 'b', body: sdp(PEER, 6000, 6100, 6200, 6300) }))
  t.equal(world.pinholes.size.pinholes, 2)
  t.ok(world.refusals().every((it) => it === 'pinholes-exhausted') && world.refusals().length > 0)
  t.ok(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)), 'the first stream')
  t.ok(world.media(endpoint(PEER, 6100), endpoint(OUTSIDE, 4100)), 'the second')
  t.notOk(world.media(endpoint(PEER, 6200), endpoint(OUTSIDE, 4200)), 'not the third')
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})
