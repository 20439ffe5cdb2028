import t from 'tap'
import { callsBothWays, part, talk } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')
const skipLinphone = whyNoClients('baresip', 'linphonec', 'kamailio')

for (const rtcpMux of [false, true]) {
  t.test(`baresip: RTCP reports on ${rtcpMux ? 'the port of RTP' : 'a port of their own'}`, { skip }, async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip('inside', 'alice', { rtcpMux })
    const bob = await network.baresip('outside', 'bob', { rtcpMux })
    await callsBothWays(t, network, alice, bob)
    await talk(alice, bob)
    const reports = [alice, bob].map((phone) => network.wire(phone).reports(rtcpMux))
    // The first is due five seconds after the answer, give or take half of it (RFC 3550 6.2).
    const more = () => [alice, bob].every((phone, i) => network.wire(phone).reports(rtcpMux) > reports[i]!)
    t.ok(await network.until(more, 10_000))
  })
}

for (const source of ['exact', 'latch', 'address'] as const) {
  t.test(`baresip: configured ports, source ${source}`, { skip }, async (t) => {
    const network = await ClientNetwork.open({ helper: { media: { ports: [30000, 30019], source } } })
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip('inside', 'alice')
    const bob = await network.baresip('outside', 'bob')
    await callsBothWays(t, network, alice, bob)
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
    await part(t, network, called, caller)
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
    await part(t, network, lina, bob)
  })
}
