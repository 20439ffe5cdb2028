import t from 'tap'
import { ClientNetwork } from './network.js'
import type { Phone } from './phone.js'
import { whyNoClients } from './requirements.js'

const nothing = { calls: [], media: [], refusals: [], errors: [] }
const skip = whyNoClients('baresip', 'kamailio')
const skipLinphone = whyNoClients('baresip', 'linphonec', 'kamailio')

async function talk(caller: Phone, called: Phone) {
  await caller.dial(called.uri)
  await called.rings()
  await called.answer()
  await Promise.all([caller.established(), called.established()])
}

/** Both ways of calling, heard by both, and nothing left. */
async function bothWays(t: Tap, network: ClientNetwork, inside: Phone, outside: Phone) {
  for (const [caller, called] of [
    [inside, outside],
    [outside, inside],
  ] as const) {
    await talk(caller, called)
    t.same(await network.heard(inside, outside), [outside.hz, inside.hz], `${caller.user} calls`)
    await called.hangup()
    await Promise.all([inside.ended(), outside.ended()])
    t.same(await network.leftovers(), nothing)
  }
}

type Tap = Pick<typeof t, 'ok' | 'same'>

t.test('baresip: RTP and RTCP on one port', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice', { rtcpMux: true })
  const bob = await network.baresip('outside', 'bob', { rtcpMux: true })
  await bothWays(t, network, alice, bob)
})

for (const source of ['exact', 'latch', 'address'] as const) {
  t.test(`baresip: configured ports, source ${source}`, { skip }, async (t) => {
    const network = await ClientNetwork.open({ helper: { media: { ports: [30000, 30019], source } } })
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip('inside', 'alice')
    const bob = await network.baresip('outside', 'bob')
    await bothWays(t, network, alice, bob)
  })
}

for (const early of ['inside', 'outside'] as const) {
  t.test(`baresip ${early} listens before it answers`, { skip }, async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip('inside', 'alice', { early: early === 'inside' })
    const bob = await network.baresip('outside', 'bob', { early: early === 'outside' })
    const [caller, called] = early === 'inside' ? [bob, alice] : [alice, bob]
    await caller.dial(called.uri)
    await caller.event('CALL_PROGRESS')
    t.equal(network.sip?.calls()[0]?.state, 'early')
    t.same(await network.arriving(called), [caller.hz], 'before the answer')
    await called.answer()
    await Promise.all([alice.established(), bob.established()])
    t.same(await network.arriving(alice, bob), [bob.hz, alice.hz], 'after the answer')
    await called.hangup()
    await Promise.all([alice.ended(), bob.ended()])
    t.same(await network.leftovers(), nothing)
  })
}

for (const early of ['inside', 'outside'] as const) {
  t.test(`Linphone ${early} speaks before it answers`, { skip: skipLinphone }, async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const lina = await network.linphone(early, 'lina', { early: true })
    const bob = await network.baresip(early === 'inside' ? 'outside' : 'inside', 'bob')
    await bob.dial(lina.uri)
    await bob.event('CALL_PROGRESS')
    t.equal(network.sip?.calls()[0]?.state, 'early')
    t.same(await network.heard(bob), [lina.hz], 'before the answer')
    await lina.answer()
    await Promise.all([lina.established(), bob.established()])
    t.same(await network.arriving(lina, bob), [bob.hz, lina.hz], 'after the answer')
    await lina.hangup()
    await Promise.all([lina.ended(), bob.ended()])
    t.same(await network.leftovers(), nothing)
  })
}
