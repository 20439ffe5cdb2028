import t from 'tap'
import { endpoint, INSIDE, OUTSIDE, PEER, request, response, World } from './world.js'

const SEEN = '192.0.2.77'
const phone = endpoint(INSIDE, 5060)

/** An answer to the phone, as one who saw `received` sends it. */
const answer = (received: string, method = 'OPTIONS'): string =>
  response(200, method, { by: endpoint(OUTSIDE, 5060) }).replace(';branch=', `;received=${received};rport=7;branch=`)

const told = ({ events }: World) => events.flatMap((it) => (it.kind === 'refused' ? it.refusal.reason : []))

t.test('who sees another address says so, once', async (t) => {
  const world = new World()
  for (const method of ['OPTIONS', 'REGISTER']) {
    await world.out(request(method, { by: phone }))
    t.match(await world.in(answer(SEEN, method)), `;received=${SEEN};`, 'the phone may know')
  }
  t.same(told(world), ['nat-beyond'])
  const event = world.events.find((it) => it.kind === 'refused')
  t.match(event, { refusal: { callId: 'c1' } })
  for (const address of [PEER, SEEN, OUTSIDE])
    t.match(event?.refusal.detail, new RegExp(`${address.replaceAll('.', '\\.')}\\b`))
  await world.in(answer('192.0.2.78'))
  t.same(told(world), ['nat-beyond', 'nat-beyond'], 'another address is another NAT')
})

t.test('all is well: the own address, none, requests, and what other proxies saw of each other', async (t) => {
  const world = new World()
  t.match(await world.in(answer(OUTSIDE)), `;received=${INSIDE};`)
  await world.in(response(200, 'OPTIONS', { by: endpoint(OUTSIDE, 5060) }))
  await world.in(request('OPTIONS', { by: endpoint(PEER, 5060) }).replace(';branch=', `;received=${SEEN};branch=`))
  await world.out(
    response(200, 'OPTIONS', { by: endpoint(PEER, 5060) }).replace(';branch=', `;received=${SEEN};branch=`),
  )
  const second = `SIP/2.0/UDP 192.0.2.9;received=${SEEN}`
  await world.in(response(200, 'OPTIONS', { by: endpoint(OUTSIDE, 5060), headers: [['Via', second]] }))
  t.same(told(world), [])
})

t.test('a forger is not reported for ever', async (t) => {
  const world = new World()
  for (let i = 0; i < 200; i++) await world.in(answer(`192.0.2.${i}`))
  t.equal(told(world).length, 64)
})
