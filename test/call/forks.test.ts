/**
 * One Call-ID, and not one call: asked of several by a proxy inside, all at once or one after the other, of one phone twice (RFC 3261 16.7,
 * 8.2.2.2), or from one line of a host to another.
 */
import t from 'tap'
import type { Endpoint } from '../../types/endpoint.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const OTHER = '198.51.100.77'

/** With that branch in its Via. */
const by = (branch: string, text: string): string => text.replace(/;branch=[^;\r]*/, `;branch=z9hG4bK${branch}`)
const offer = (): string => request('INVITE', { body: sdp(INSIDE, 4000) })

function asked() {
  const world = new World()
  const flows = { one: world.flow(), two: world.flow(undefined, undefined, endpoint(OTHER, 5060)) }
  return { world, flows }
}

const hears = (world: World, from: Endpoint): boolean => world.media(from, endpoint(OUTSIDE, 4000))?.address === INSIDE

t.test('both at once: one is busy, the other answers', async (t) => {
  const { world, flows } = asked()
  await world.out(by('one', offer()), flows.one)
  await world.out(by('two', offer()), flows.two)
  await world.in(by('one', response(183, 'INVITE', { to: 'x', body: sdp(PEER, 6000) })), flows.one)
  t.ok(hears(world, endpoint(PEER, 6000)), 'early media of the first')
  await world.in(by('one', response(486, 'INVITE', { to: 'x' })), flows.one)
  t.notOk(hears(world, endpoint(PEER, 6002)), 'which is over with its refusal')
  t.same(world.ends(), [], 'the call is not')
  await world.in(by('two', response(200, 'INVITE', { to: 'y', body: sdp(OTHER, 7000) })), flows.two)
  t.equal(world.engine.calls()[0]?.state, 'answered')
  t.ok(hears(world, endpoint(OTHER, 7000)))
  await world.out(request('BYE', { cseq: 2, to: 'y' }), flows.two)
  await world.in(response(200, 'BYE', { cseq: 2, to: 'y' }), flows.two)
  t.same(world.ends(), ['bye'])
  t.same(world.sizes(), NOTHING)
})

t.test('both at once: the refusal of the last is that of the call', async (t) => {
  const { world, flows } = asked()
  await world.out(by('one', offer()), flows.one)
  await world.out(by('two', offer()), flows.two)
  await world.in(by('two', response(486, 'INVITE', { to: 'y' })), flows.two)
  // Said again, as its ACK was lost.
  await world.in(by('two', response(486, 'INVITE', { to: 'y' })), flows.two)
  t.same(world.ends(), [])
  await world.in(by('one', response(404, 'INVITE', { to: 'x' })), flows.one)
  t.same(world.ends(), ['refused'])
  t.same(world.sizes(), NOTHING)
})

t.test('both at once: one is challenged, and asked again with credentials', async (t) => {
  const { world, flows } = asked()
  await world.out(by('one', offer()), flows.one)
  await world.out(by('two', offer()), flows.two)
  await world.in(by('one', response(407, 'INVITE', { to: 'x' })), flows.one)
  await world.out(by('three', request('INVITE', { cseq: 2, body: sdp(INSIDE, 4000) })), flows.one)
  await world.in(by('two', response(503, 'INVITE', { to: 'y' })), flows.two)
  await world.in(by('three', response(200, 'INVITE', { cseq: 2, to: 'z', body: sdp(PEER, 6000) })), flows.one)
  t.same(world.ends(), [])
  t.ok(hears(world, endpoint(PEER, 6000)))
})

t.test('one after the other: the first is given up, and says so after the second is asked', async (t) => {
  const { world, flows } = asked()
  await world.out(by('one', offer()), flows.one)
  await world.in(by('one', response(180, 'INVITE', { to: 'x' })), flows.one)
  await world.out(by('one', request('CANCEL')), flows.one)
  t.equal(world.engine.calls()[0]?.state, 'ending')
  t.same(world.ways(), [], 'nobody is asked')
  await world.out(by('two', offer()), flows.two)
  t.equal(world.engine.calls()[0]?.state, 'calling')
  await world.in(by('one', response(487, 'INVITE', { to: 'x' })), flows.one)
  t.same(world.ends(), [])
  await world.in(by('two', response(200, 'INVITE', { to: 'y', body: sdp(OTHER, 7000) })), flows.two)
  t.ok(hears(world, endpoint(OTHER, 7000)))
})

t.test('both at once: the caller gives up, which cancels both', async (t) => {
  const { world, flows } = asked()
  await world.out(by('one', offer()), flows.one)
  await world.out(by('two', offer()), flows.two)
  await world.out(by('one', request('CANCEL')), flows.one)
  t.equal(world.engine.calls()[0]?.state, 'calling', 'one is asked still')
  await world.out(by('two', request('CANCEL')), flows.two)
  t.equal(world.engine.calls()[0]?.state, 'ending')
  t.same(world.ways(), [])
  await world.in(by('one', response(487, 'INVITE', { to: 'x' })), flows.one)
  t.same(world.ends(), ['cancelled'])
  t.same(world.sizes(), NOTHING)
})

t.test(
  'one phone twice, as two of its numbers are called: it refuses the second as merged (482), and answers',
  async (t) => {
    const world = new World()
    const invite = request('INVITE', { body: sdp(PEER, 6000) })
    await world.in(by('one', invite))
    await world.in(by('two', invite))
    await world.out(by('two', response(482, 'INVITE', { to: 'x' })))
    await world.out(by('one', response(200, 'INVITE', { to: 'y', body: sdp(INSIDE, 4000) })))
    t.same(world.ends(), [])
    t.ok(hears(world, endpoint(PEER, 6000)))
  },
)

t.test(
  'a request that comes again, and a CANCEL of another branch than the only INVITE, are what they were',
  async (t) => {
    const { world, flows } = asked()
    await world.out(by('one', offer()), flows.one)
    await world.out(by('one', offer()), flows.one)
    t.equal(world.opened.length, 1)
    await world.out(by('other', request('CANCEL')), flows.one)
    t.equal(world.engine.calls()[0]?.state, 'ending')
  },
)

t.test('two lines of one adapter call each other by way of their registrar', async (t) => {
  const world = new World({ ports: [30000, 30100] })
  const callee = world.flow(endpoint(INSIDE, 5061), endpoint(OUTSIDE, 5061))
  const crosses = async (text: string, from = world.flow(), to = callee): Promise<string> =>
    world.in(by('far', await world.out(text, from)), to)
  const back = (text: string): Promise<string> => crosses(text, callee, world.flow())
  t.match(await crosses(request('INVITE', { body: sdp(INSIDE, 4000) })), `c=IN IP4 ${INSIDE}\r\nt=0 0\r\nm=audio 4000 `)
  t.same(
    world.engine.calls().map(({ caller }) => caller),
    ['inside', 'outside'],
  )
  for (const status of [183, 200]) {
    const answer = await back(response(status, 'INVITE', { to: 'b', body: sdp(INSIDE, 5000) }))
    t.match(answer, `c=IN IP4 ${INSIDE}\r\nt=0 0\r\nm=audio 5000 `, `${status}: each hears where the other is`)
  }
  await crosses(request('ACK', { to: 'b' }))
  const moved = request('INVITE', { from: 'b', to: 'a', cseq: 7, body: sdp(INSIDE, 5200) })
  t.match(await back(moved), 'm=audio 5200 ', 'moved by the one that was called')
  const agreed = response(200, 'INVITE', { from: 'b', to: 'a', cseq: 7, body: sdp(INSIDE, 4200) })
  t.match(await crosses(agreed), 'm=audio 4200 ')
  await crosses(request('BYE', { cseq: 2, to: 'b' }))
  await back(response(200, 'BYE', { cseq: 2, to: 'b' }))
  t.same(world.ends(), ['bye', 'bye'])
  t.same(world.sizes(), NOTHING)
})
