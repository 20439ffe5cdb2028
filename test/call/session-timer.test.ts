/** Session timers (RFC 4028) as a dead man's switch: a call that nobody refreshes, and nobody talks in, ends. */
import t from 'tap'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const expires = (value: string, name = 'Session-Expires') => [[name, value] as const]
const media = [endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)] as const

/** An answered call whose 2xx has these headers. */
async function timed(headers: readonly (readonly [string, string])[]): Promise<World> {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000), headers: expires('7200') }))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000), headers }))
  await world.out(request('ACK', { to: 'b' }))
  return world
}

t.test('the interval of the 2xx, and the time of a BYE more', async (t) => {
  const world = await timed(expires('120;refresher=uac'))
  await world.wait(151)
  t.equal(world.engine.size.calls, 1)
  await world.wait(3)
  t.same(world.ends(), ['session-expired'])
  t.same(world.sizes(), NOTHING)
})

t.test('how it may be written', async (t) => {
  for (const [headers, seconds] of [
    [expires('300'), 300],
    [expires('  300 ; refresher = uas'), 300],
    [expires('300', 'x'), 300],
    [expires('10'), 90],
    [expires('soon'), 3600],
    [expires('-5'), 3600],
    [[], 3600],
  ] as const) {
    const world = await timed(headers)
    const grace = seconds === 3600 ? 0 : 32
    await world.wait(seconds + grace - 2)
    t.equal(world.engine.size.calls, 1, `${JSON.stringify(headers)} stands`)
    await world.wait(5)
    t.equal(world.engine.size.calls, 0, `${JSON.stringify(headers)} ended`)
  }
})

t.test('a refresh renews it, by either side, by UPDATE or INVITE', async (t) => {
  const world = await timed(expires('100'))
  await world.wait(90)
  await world.in(request('UPDATE', { from: 'b', to: 'a', cseq: 5 }))
  await world.out(response(200, 'UPDATE', { from: 'b', to: 'a', cseq: 5, headers: expires('100') }))
  await world.wait(90)
  await world.out(request('INVITE', { to: 'b', cseq: 2, body: sdp(INSIDE, 4000) }))
  await world.in(response(200, 'INVITE', { to: 'b', cseq: 2, body: sdp(PEER, 6000), headers: expires('100') }))
  await world.wait(90)
  t.equal(world.engine.size.calls, 1)
  await world.wait(45)
  t.same(world.ends(), ['session-expired'])
})

t.test('other words in the call do not', async (t) => {
  const world = await timed(expires('100'))
  for (const cseq of [2, 3, 4]) {
    await world.wait(40)
    await world.out(request('INFO', { to: 'b', cseq }))
    await world.in(response(200, 'INFO', { to: 'b', cseq }))
  }
  await world.wait(40)
  t.same(world.ends(), ['session-expired'])
})

t.test('a refresh that is refused does not; one without an interval ends the timer', async (t) => {
  const world = await timed(expires('100'))
  await world.wait(60)
  await world.out(request('UPDATE', { to: 'b', cseq: 2, headers: expires('100') }))
  await world.in(response(500, 'UPDATE', { to: 'b', cseq: 2 }))
  await world.wait(75)
  t.same(world.ends(), ['session-expired'])

  const other = await timed(expires('100'))
  await other.out(request('UPDATE', { to: 'b', cseq: 2 }))
  await other.in(response(200, 'UPDATE', { to: 'b', cseq: 2 }))
  await other.wait(1000)
  t.equal(other.engine.size.calls, 1)
})

t.test('who still talks is not cut off; who stops is gone', async (t) => {
  const world = await timed(expires('100'))
  for (let i = 0; i < 20; i++) {
    t.ok(world.media(...media))
    await world.wait(20)
  }
  t.equal(world.engine.size.calls, 1, 'two minutes and more past the end')
  world.listen()
  await world.wait(220)
  t.same(world.ends(), ['session-expired'])
  t.equal(world.engine.size.calls, 0)
})

t.test('422 with Min-SE: the INVITE comes again and is a call like others (RFC 4028 6)', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000), headers: expires('50') }))
  await world.in(response(422, 'INVITE', { to: 'b', headers: [['Min-SE', '120']] }))
  t.same(world.sizes(), NOTHING)
  await world.out(request('INVITE', { cseq: 2, body: sdp(INSIDE, 4000), headers: expires('120') }))
  await world.in(response(200, 'INVITE', { cseq: 2, to: 'c', body: sdp(PEER, 6000), headers: expires('120') }))
  t.equal(world.engine.calls()[0]?.state, 'answered')
  await world.wait(156)
  t.same(world.ends(), ['refused', 'session-expired'])
})
