/** Who may send signalling, beside the flow that exists: whom registrations, dialogs and transactions let in, and for how long. */
import t from 'tap'
import { answeredCall, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const FAR = '198.51.100.77'
const ROUTE = '198.51.100.88'
const outside = endpoint(OUTSIDE, 5060)

/** Sources that reach the phone's signalling port. */
const callers = (world: World): string[] =>
  world.kernel
    .expectationList()
    .filter((it) => it.class === 0)
    .map(({ tuple, mask }) => {
      t.same([tuple.destination, tuple.source.port, mask.source.port], [outside, 0, 0])
      return mask.source.address === '255.255.255.255'
        ? tuple.source.address
        : `${tuple.source.address}/${mask.source.address}`
    })
    .sort()

const live = (options = {}) => new World({ ways: 'live', ...options })
const contact = (host: string): readonly [string, string] => ['Contact', `<sip:far@${host}:5062>`]

t.test('a call: any port of the asked host may answer, until the call is over', async (t) => {
  const world = live()
  const invite = request('INVITE', { body: sdp(INSIDE, 4000) })
  await world.out(invite)
  t.same(callers(world), [PEER], 'before anything comes back')
  const opened = world.opened.length
  for (let i = 0; i < 5; i++) await world.out(invite)
  t.equal(world.opened.length, opened, 'a retransmission costs the kernel nothing')
  const elsewhere = world.flow(undefined, undefined, endpoint(PEER, 5099))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }), elsewhere)
  t.equal(world.engine.calls()[0]?.state, 'answered', 'from another port it is the same call')
  t.same(callers(world), [PEER])
  await world.out(request('BYE', { cseq: 2, to: 'b' }))
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }), elsewhere)
  t.same(world.sizes(), NOTHING)
})

t.test('calls of a trunk share one way, and its end is the last one’s', async (t) => {
  const world = live()
  for (let i = 0; i < 20; i++) await answeredCall(world, `c${i}`, 4000 + 2 * i)
  t.same(callers(world), [PEER])
  t.equal(world.engine.size.signallingWays, 1)
  for (let i = 0; i < 20; i++) {
    t.same(callers(world), [PEER])
    await world.in(request('BYE', { callId: `c${i}`, from: 'b', to: 'a', cseq: 3 }))
    await world.out(response(200, 'BYE', { callId: `c${i}`, from: 'b', to: 'a', cseq: 3 }))
  }
  t.same(callers(world), [])
  t.same(world.sizes(), NOTHING)
})

t.test('the far phone and its route may speak in the dialog, and no longer', async (t) => {
  const world = live()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  const route = ['Record-Route', `<sip:${ROUTE};lr>, <sip:${PEER};lr>, <sip:proxy.invalid;lr>`] as const
  const ok = response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000), headers: [contact(FAR), route] })
  await world.in(ok)
  t.same(callers(world), [PEER, FAR, ROUTE].sort())
  const straight = world.flow(undefined, undefined, endpoint(FAR, 5062))
  await world.in(request('BYE', { from: 'b', to: 'a', cseq: 1 }), straight)
  await world.out(response(200, 'BYE', { from: 'b', to: 'a', cseq: 1 }), straight)
  t.same(world.ends(), ['bye'])
  t.same(world.sizes(), NOTHING)
})

t.test('called from outside: the ACK may come straight from the caller', async (t) => {
  const world = live()
  await world.in(request('INVITE', { body: sdp(FAR, 6000), headers: [contact(FAR)] }))
  t.same(callers(world), [PEER, FAR].sort())
  await world.out(response(486, 'INVITE', { to: 'b' }))
  t.same(world.sizes(), NOTHING)
})

t.test('a re-INVITE or UPDATE may name another target; a refused one changes nothing for the old', async (t) => {
  const world = live()
  await answeredCall(world)
  await world.in(request('UPDATE', { from: 'b', to: 'a', cseq: 4, headers: [contact(FAR)] }))
  await world.out(response(491, 'UPDATE', { from: 'b', to: 'a', cseq: 4 }))
  t.same(callers(world), [PEER, FAR].sort())
})

t.test('forks: the losers’ targets go with the answer', async (t) => {
  const world = live()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(183, 'INVITE', { to: 'b', headers: [contact(FAR)] }))
  await world.in(response(183, 'INVITE', { to: 'c', headers: [contact(ROUTE)] }))
  t.same(callers(world), [PEER, FAR, ROUTE].sort())
  await world.in(response(200, 'INVITE', { to: 'c', body: sdp(PEER, 6000), headers: [contact(ROUTE)] }))
  t.same(callers(world), [PEER, ROUTE].sort())
})

t.test('targets that open nothing', async (t) => {
  const world = live()
  await answeredCall(world)
  const names = [INSIDE, OUTSIDE, '10.9.9.9', '224.0.0.1', '0.0.0.0', 'phone.invalid', '[2001:db8::7]', PEER]
  for (const [i, host] of names.entries()) {
    await world.in(request('UPDATE', { from: 'b', to: 'a', cseq: 10 + i, headers: [contact(host)] }))
    await world.out(response(200, 'UPDATE', { from: 'b', to: 'a', cseq: 10 + i }))
  }
  t.same(callers(world), [PEER])
  for (let i = 0; i < 50; i++)
    await world.in(
      request('UPDATE', { from: 'b', to: 'a', cseq: 100 + i, headers: [contact(`198.51.100.${100 + i}`)] }),
    )
  t.equal(callers(world).length, 9, 'nor does one call open the door to everybody')
})

t.test('requests outside calls: one way a flow and host, for the time of a transaction after the last', async (t) => {
  const world = live()
  for (let i = 0; i < 100; i++) await world.out(request('OPTIONS', { callId: `o${i}` }))
  t.same(callers(world), [PEER])
  t.equal(world.opened.length, 1)
  await world.wait(20)
  await world.out(request('SUBSCRIBE', { callId: 's' }))
  await world.wait(30)
  t.same(callers(world), [PEER])
  await world.wait(4)
  t.same(world.sizes(), NOTHING)
  for (let i = 0; i < 400; i++) {
    const flow = world.flow(endpoint(INSIDE, 10_000 + i), endpoint(OUTSIDE, 10_000 + i))
    await world.out(request('OPTIONS', { callId: `p${i}` }), flow)
  }
  t.equal(world.engine.size.signallingWays, 256, 'a flood pushes its own out')
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

const register = async (world: World, seconds: number) => {
  const headers = [['Contact', `<sip:one@${INSIDE}:5060>;expires=${seconds}`] as const]
  const answer = seconds === 0 ? [] : [['Contact', `<sip:one@${OUTSIDE}:5060>;expires=${seconds}`] as const]
  await world.out(request('REGISTER', { callId: 'r', cseq: seconds + 1, headers }))
  await world.in(response(200, 'REGISTER', { callId: 'r', cseq: seconds + 1, headers: answer }))
}

t.test('a registration, its REGISTER and its calls have one way between them', async (t) => {
  const world = live()
  await register(world, 600)
  await answeredCall(world)
  t.same(callers(world), [PEER])
  const signalling = (paths: unknown[]) => paths.filter((it) => (it as { kind: string }).kind === 'signalling').length
  t.equal(signalling(world.opened), 1)
  await register(world, 0)
  t.same(callers(world), [PEER], 'the call still needs it')
  await world.out(request('BYE', { cseq: 2, to: 'b' }))
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }))
  t.equal(signalling(world.closed), 1)
  t.same(world.sizes(), NOTHING)
})

t.test('callers any, or a network: narrower ways are within it, and come back when it goes', async (t) => {
  for (const [who, source] of [
    ['any', '0.0.0.0/0.0.0.0'],
    [['198.51.100.0/24'], '198.51.100.0/255.255.255.0'],
  ] as const) {
    const world = live({ callers: who })
    await answeredCall(world)
    t.same(callers(world), [PEER])
    await register(world, 600)
    t.same(callers(world), [source], 'the kernel takes no two that overlap')
    await answeredCall(world, 'c2', 4100)
    t.same(callers(world), [source])
    await register(world, 0)
    t.same(callers(world), [PEER], 'the calls go on')
    t.same(world.refusals(), [])
    await world.shutdown()
    t.same(world.sizes(), NOTHING)
  }
})

t.test('callers of one family are none of the other’s', async (t) => {
  const world = live({ callers: ['203.0.113.0/24', '2001:db8:9::/48'] })
  await register(world, 600)
  t.same(callers(world), ['203.0.113.0/255.255.255.0'])
  t.same(world.refusals(), [])
})

t.test('ways: registered', async (t) => {
  const world = new World({ ways: 'registered' })
  await answeredCall(world)
  await world.out(request('OPTIONS', { callId: 'o' }))
  t.same(callers(world), [])
  await register(world, 600)
  t.same(callers(world), [PEER])
})

t.test('a way that the kernel refuses is asked for again by the next call', async (t) => {
  const world = live({ expectMax: 0 })
  await world.out(request('OPTIONS', { callId: 'o' }))
  t.same(world.refusals(), ['expectation-table-full'])
  await world.out(request('INVITE'))
  t.equal(world.refusals().length, 2)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})
