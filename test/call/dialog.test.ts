/** What dialogs do beside offers and answers: glare, transfers, redirections, challenges, and responses nobody asked for. */
import t from 'tap'
import { answeredCall, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const FAR = '198.51.100.77'
/** Far ends that a way of the call leads to, from the inside. */
const reached = (world: World): string[] =>
  world.ways().flatMap((way) => (way.startsWith(INSIDE) ? [way.slice(way.indexOf('>') + 1)] : []))

t.test('glare: both offers are refused, both may come again (RFC 3261 14.1, RFC 3311 5.2)', async (t) => {
  for (const method of ['INVITE', 'UPDATE'] as const) {
    const world = new World()
    await answeredCall(world)
    const before = world.ways()
    await world.out(request(method, { cseq: 2, to: 'b', body: sdp(INSIDE, 4400) }))
    await world.in(request(method, { from: 'b', to: 'a', cseq: 7, body: sdp(FAR, 6400) }))
    await world.out(response(491, method, { from: 'b', to: 'a', cseq: 7 }))
    await world.in(response(491, method, { cseq: 2, to: 'b' }))
    t.same(world.ways(), before, `${method}: as it was`)
    t.equal(world.engine.size.ports, 2)
    await world.in(request(method, { from: 'b', to: 'a', cseq: 8, body: sdp(FAR, 6400) }))
    await world.out(response(200, method, { from: 'b', to: 'a', cseq: 8, body: sdp(INSIDE, 4000) }))
    t.same(reached(world), [`${FAR}:6400`, `${FAR}:6401`], `${method}: the second try`)
  }
})

t.test('two branches with media of their own: each is heard, the loser is shut by the answer', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(183, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  await world.in(response(183, 'INVITE', { to: 'c', body: sdp('198.51.100.78', 7000) }))
  t.ok(world.media(endpoint(FAR, 6000), endpoint(OUTSIDE, 4000)), 'the first')
  t.ok(world.media(endpoint('198.51.100.78', 7000), endpoint(OUTSIDE, 4000)), 'the second')
  await world.in(response(200, 'INVITE', { to: 'c', body: sdp('198.51.100.78', 7000) }))
  t.notOk(world.media(endpoint(FAR, 6000), endpoint(OUTSIDE, 4000)), 'the loser, its live flow too')
  t.ok(world.media(endpoint('198.51.100.78', 7000), endpoint(OUTSIDE, 4000)), 'the winner')
})

t.test('attended transfer: REFER with Replaces (RFC 3891, RFC 5589 7.1)', async (t) => {
  const world = new World()
  await answeredCall(world, 'old', 4000, 6000)
  await answeredCall(world, 'consult', 4100, 6100)
  const uri = `sip:x@${FAR}?Replaces=consult%40${INSIDE}%3Bto-tag%3Db%3Bfrom-tag%3Da`
  const headers = [
    ['Refer-To', `<${uri}>`],
    ['Referred-By', `<sip:x@${INSIDE}:5060>`],
  ] as const
  const refer = await world.out(request('REFER', { callId: 'old', cseq: 2, to: 'b', headers }))
  t.match(refer, `Refer-To: <${uri}>`, 'the call it names goes by its own name')
  t.match(refer, `Referred-By: <sip:x@${OUTSIDE}:5060>`)
  await world.in(response(202, 'REFER', { callId: 'old', cseq: 2, to: 'b' }))
  // The far party of the first call calls the inside in the place of the second.
  const replaces = ['Replaces', `consult@${INSIDE};to-tag=a;from-tag=b`] as const
  const invite = await world.in(
    request('INVITE', { callId: 'new', from: 'n', body: sdp(FAR, 6200), headers: [replaces] }),
  )
  t.match(invite, `Replaces: ${replaces[1]}`)
  await world.out(response(200, 'INVITE', { callId: 'new', from: 'n', to: 'm', body: sdp(INSIDE, 4200) }))
  await world.out(request('BYE', { callId: 'consult', cseq: 2, to: 'b' }))
  await world.in(response(200, 'BYE', { callId: 'consult', cseq: 2, to: 'b' }))
  await world.in(request('BYE', { callId: 'old', from: 'b', to: 'a', cseq: 3 }))
  await world.out(response(200, 'BYE', { callId: 'old', from: 'b', to: 'a', cseq: 3 }))
  t.same(reached(world), [`${FAR}:6200`, `${FAR}:6201`], 'what is left is the new call')
  t.equal(world.engine.size.ports, 2)
})

t.test('Refer-To that names an inside phone is mapped, Replaces in it stays', async (t) => {
  const world = new World()
  await answeredCall(world)
  const embedded = `?Replaces=c9%40${INSIDE}%3Bto-tag%3D1%3Bfrom-tag%3D2`
  const refer = await world.out(
    request('REFER', { cseq: 2, to: 'b', headers: [['Refer-To', `<sip:one@${INSIDE}:5060${embedded}>`]] }),
  )
  t.match(refer, `Refer-To: <sip:one@${OUTSIDE}:5060${embedded}>`)
})

t.test('302 from inside with several contacts: ours are mapped, the others stay', async (t) => {
  const world = new World()
  const second = endpoint('192.168.7.11', 5060)
  const theirs = world.flow(second, endpoint(OUTSIDE, 40001))
  await world.out(request('INVITE', { callId: 'x', body: sdp(second.address, 4000) }), theirs)
  await world.in(request('INVITE', { from: 'z', body: sdp(FAR, 6000) }))
  const contacts = `<sip:a@${INSIDE}:5060>;q=0.9, <sip:b@${second.address}:5060>;q=0.5, <sip:c@${FAR}:5060>;q=0.1, <tel:+1>`
  const moved = await world.out(response(302, 'INVITE', { from: 'z', to: 'm', headers: [['Contact', contacts]] }))
  const expected = `<sip:a@${OUTSIDE}:5060>;q=0.9, <sip:b@${OUTSIDE}:40001>;q=0.5, <sip:c@${FAR}:5060>;q=0.1, <tel:+1>`
  t.match(moved, `Contact: ${expected}`)
  t.same(world.ends(), ['redirected'])
})

t.test('BYE that is challenged and never sent again: open until its time is over', async (t) => {
  for (const status of [401, 407]) {
    const world = new World()
    await answeredCall(world)
    await world.in(request('BYE', { from: 'b', to: 'a', cseq: 3 }))
    await world.out(response(status, 'BYE', { from: 'b', to: 'a', cseq: 3 }))
    await world.wait(30)
    t.ok(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)), `${status}: still open`)
    await world.wait(4)
    t.same(world.ends(), ['bye-unanswered'])
    t.same(reached(world), [])
  }
})

t.test('a 200 to an INVITE that we never saw passes, is mapped, and opens nothing', async (t) => {
  const world = new World()
  const far = response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) })
  t.equal(await world.in(far), far, 'from outside: nothing of ours in it')
  const ours = await world.out(response(200, 'INVITE', { from: 'z', to: 'b', by: endpoint(INSIDE, 5060) }))
  t.match(ours, `Contact: <sip:x@${OUTSIDE}:5060>`)
  t.same(world.ways(), [])
  t.same(world.sizes(), NOTHING)
})

t.test('media that does not cross us: a description of others is left alone', async (t) => {
  const world = new World()
  const offer = sdp('198.51.100.90', 4000)
  const sent = await world.out(request('INVITE', { body: offer }))
  t.ok(sent.endsWith(offer), 'as it came')
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(FAR, 6000) }))
  t.same(world.ways(), [])
  t.equal(world.engine.size.ports, 0)
  t.equal(world.engine.calls()[0]?.state, 'answered', 'the call is known all the same')
})

t.test('both ends inside, by a proxy outside: each is told where the other really is', async (t) => {
  const world = new World()
  const other = '192.168.7.11'
  const alice = world.flow()
  const bob = world.flow(endpoint(other, 5060), endpoint(OUTSIDE, 40001))
  const sent = await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }), alice)
  t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  const arrived = await world.in(sent, bob)
  t.match(arrived, sdp(INSIDE, 4000), 'back to what it was')
  const answer = await world.out(response(200, 'INVITE', { to: 'b', body: sdp(other, 4000) }), bob)
  t.match(answer, /m=audio 30000 /)
  const heard = await world.in(answer, alice)
  t.match(heard, sdp(other, 4000))
  t.same(reached(world), [], 'nothing to open: it does not come here')
  await world.out(request('BYE', { cseq: 2, to: 'b' }), alice)
  await world.in(request('BYE', { cseq: 2, to: 'b' }), bob)
  await world.out(response(200, 'BYE', { cseq: 2, to: 'b' }), bob)
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }), alice)
  t.same(world.sizes(), NOTHING)
})
