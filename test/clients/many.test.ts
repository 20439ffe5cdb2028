import t from 'tap'
import { pause } from '../../lib/testing/index.js'
import type { Baresip } from './baresip.js'
import { callsBothWays, NOTHING, part, talk } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')
const skipLinphone = whyNoClients('baresip', 'linphonec', 'kamailio')

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
  await part(t, network, carol, erin)
})

t.test('Linphone inside: two calls on one phone, back and forth', { skip: skipLinphone }, async (t) => {
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
  t.same(await network.leftovers(), NOTHING)
})

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
    await part(t, network, called, caller)
  }
})

/** Whether the phone decodes and shows so many frames of video within five seconds; they come five a second. */
async function shows(phone: Baresip, frames: number): Promise<boolean> {
  for (let i = 0; i < 50; i++) {
    const shown = /vidisp: [^\n]*frames=(\d+)/.exec(await phone.command('video_debug'))
    if (Number(shown?.[1]) >= frames) return true
    await pause(100)
  }
  return false
}

t.test('baresip: video and audio, both ways', { skip }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice', { video: true })
  const bob = await network.baresip('outside', 'bob', { video: true })
  await talk(alice, bob)
  t.same(await network.heard(alice, bob), [bob.hz, alice.hz])
  for (const phone of [alice, bob]) t.ok(await shows(phone, 5), `${phone.user} shows decoded frames`)
  t.match(network.sip?.calls()[0]?.streams, [{ type: 'audio' }, { type: 'video' }])
  await part(t, network, alice, bob)
})

t.test('Linphone outside and baresip inside', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const mona = await network.linphone('outside', 'mona')
  await callsBothWays(t, network, alice, mona)
})

t.test('two Linphones inside with one and the same RTP port, at once', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina')
  const nora = await network.linphone('inside', 'nora')
  const bob = await network.baresip('outside', 'bob')
  const carol = await network.baresip('outside', 'carol')
  await talk(lina, bob)
  await talk(carol, nora)
  const ports = network.sip?.calls().map(({ streams }) => streams[0])
  t.same(
    ports?.map((stream) => stream?.inside.port),
    [7078, 7078],
  )
  t.not(ports?.[0]?.outside.port, ports?.[1]?.outside.port)
  const heard = await network.heard(lina, bob, nora, carol)
  t.same(heard, [bob.hz, lina.hz, carol.hz, nora.hz])
  await Promise.all([lina.hangup(), carol.hangup()])
  await Promise.all([lina, bob, nora, carol].map((phone) => phone.ended()))
  t.same(await network.leftovers(), NOTHING)
})
