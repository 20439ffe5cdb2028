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

t.test('baresip: two calls of two phones at once, one out and one in', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const erin = await network.baresip('inside', 'erin')
  const bob = await network.baresip('outside', 'bob')
  const carol = await network.baresip('outside', 'carol')
  await Promise.all([talk(alice, bob), talk(carol, erin)])
  const everybody = [alice, bob, erin, carol]
  t.same(
    await network.heard(...everybody),
    [bob, alice, carol, erin].map(({ hz }) => hz),
  )
  await alice.hangup()
  await Promise.all([alice.ended(), bob.ended()])
  t.same(await network.heard(erin, carol), [carol.hz, erin.hz], 'the other call goes on')
  await carol.hangup()
  await Promise.all([carol.ended(), erin.ended()])
  t.same(await network.leftovers(), nothing)
})

t.test(
  'Linphone inside: two calls on one phone and one RTP port, back and forth',
  { skip: skipLinphone },
  async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const lina = await network.linphone('inside', 'lina')
    const bob = await network.baresip('outside', 'bob')
    const carol = await network.baresip('outside', 'carol')
    await talk(lina, bob)
    await lina.hold()
    await talk(lina, carol)
    t.same(await network.heard(lina, carol), [carol.hz, lina.hz], 'second call')
    t.same(await network.arriving(bob), [lina.hz], 'the first is held, with music: its own tone, from the file')
    t.same(
      network.sip
        ?.calls()
        .map(({ held }) => held)
        .sort(),
      [false, true],
    )
    await lina.hold()
    await lina.resume(1)
    await lina.established()
    t.same(await network.heard(lina), [bob.hz], 'first call again')
    t.same(await network.arriving(bob, carol), [lina.hz, lina.hz], 'the second is held, with music')
    t.same(
      network.sip
        ?.calls()
        .map(({ held }) => held)
        .sort(),
      [false, true],
    )
    await Promise.all([bob.hangup(), carol.hangup()])
    await Promise.all([bob.ended(), carol.ended()])
    t.same(await network.leftovers(), nothing)
  },
)

t.test('inside to inside through the proxy outside', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const erin = await network.baresip('inside', 'erin')
  for (const [caller, called] of [
    [alice, erin],
    [erin, alice],
  ] as const) {
    await talk(caller, called)
    t.same(await network.heard(caller, called), [called.hz, caller.hz], `${caller.user} calls`)
    t.same(network.wire(alice).sources(), [erin.address], 'media does not leave the house')
    await called.hangup()
    await Promise.all([caller.ended(), called.ended()])
    t.same(await network.leftovers(), nothing)
  }
})

t.test('baresip: video and audio, both ways', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice', { video: true })
  const bob = await network.baresip('outside', 'bob', { video: true })
  await talk(alice, bob)
  t.same(await network.heard(alice, bob), [bob.hz, alice.hz])
  for (const phone of [alice, bob]) {
    const shown = /vidisp: [^\n]*frames=(\d+)/.exec(await phone.command('video_debug'))
    t.ok(Number(shown?.[1]) >= 3, `${phone.user} shows ${shown?.[1]} decoded frames`)
  }
  t.match(network.sip?.calls()[0]?.streams, [{ type: 'audio' }, { type: 'video' }])
  await alice.hangup()
  await Promise.all([alice.ended(), bob.ended()])
  t.same(await network.leftovers(), nothing)
})

t.test('Linphone outside calls baresip inside, and is called', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const mona = await network.linphone('outside', 'mona')
  for (const [caller, called] of [
    [mona, alice],
    [alice, mona],
  ] as const) {
    await talk(caller, called)
    t.same(await network.heard(alice, mona), [mona.hz, alice.hz], `${caller.user} calls`)
    await caller.hangup()
    await Promise.all([alice.ended(), mona.ended()])
    t.same(await network.leftovers(), nothing)
  }
})
