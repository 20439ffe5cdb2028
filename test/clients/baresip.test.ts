import t from 'tap'
import { NOTHING, part, talk } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')

t.test('baresip: register, call out, called in, goodbye', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const bob = await network.baresip('outside', 'bob')
  t.match(network.sip?.registrations(), [{ inside: { address: alice.address }, outside: { address: '198.51.100.1' } }])

  await talk(alice, bob)
  t.same(await network.heard(alice, bob), [bob.hz, alice.hz], 'out')
  t.same(network.wire(alice).sources(), [bob.address], 'media comes from the far phone, not from the proxy')
  await part(t, network, bob, alice)

  await talk(bob, alice)
  t.same(await network.heard(alice, bob), [bob.hz, alice.hz], 'in')
  await part(t, network, alice, bob)

  await alice.stop('goodbye')
  t.same(network.sip?.registrations(), [])
})

t.test('without the helper nobody inside hears, and nobody inside is rung', { skip }, async (t) => {
  const network = await ClientNetwork.open({ helper: false })
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const bob = await network.baresip('outside', 'bob', { autoAnswer: true })
  await alice.dial(bob.uri)
  await bob.established()
  t.same(await network.heard(alice, bob), [0, alice.hz], 'one way')
  t.same(await network.arriving(alice), [0])
  await alice.hangup()
  await alice.ended()
  await bob.dial(alice.uri)
  await t.rejects(alice.event('CALL_INCOMING', 1500), { message: /no CALL_INCOMING/ })
})

t.test('cancelled by the caller, refused by the called, from either side', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const bob = await network.baresip('outside', 'bob')
  for (const [caller, called] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    for (const quitter of [caller, called]) {
      await caller.dial(called.uri)
      await called.rings()
      await quitter.hangup()
      await Promise.all([caller.ended(), called.ended()])
      t.same(await network.leftovers(), NOTHING, `${caller.user} calls, ${quitter.user} gives up`)
    }
  }
  await talk(bob, alice)
  t.same(await network.heard(alice, bob), [bob.hz, alice.hz], 'a call after all that')
})

t.test('a phone that only listens hears, whoever calls', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice', { hz: 0 })
  const bob = await network.baresip('outside', 'bob')
  for (const [caller, called] of [
    [alice, bob],
    [bob, alice],
  ] as const) {
    await talk(caller, called)
    t.same(await network.heard(alice, bob), [bob.hz, 0], `${caller.user} calls`)
    await part(t, network, bob, alice)
  }
})
