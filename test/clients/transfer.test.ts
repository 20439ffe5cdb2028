import t from 'tap'
import { part, talk } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')
const skipAttended = whyNoClients('linphonec', 'kamailio')

// Who is where: the one who transfers, the one who is sent on, and where to.
const blind = [
  ['inside', 'outside', 'outside'],
  ['outside', 'inside', 'outside'],
  ['outside', 'inside', 'inside'],
  ['inside', 'outside', 'inside'],
] as const

for (const [from, sent, to] of blind) {
  t.test(`baresip: blind transfer by one ${from}, of one ${sent}, to one ${to}`, { skip }, async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip(from, 'alice')
    const bob = await network.baresip(sent, 'bob')
    const carol = await network.baresip(to, 'carol', { autoAnswer: true })
    await talk(alice, bob)
    t.same(await network.heard(alice, bob), [bob.hz, alice.hz], 'before')
    await alice.transfer(carol.uri)
    await Promise.all([carol.established(), bob.established(), alice.ended()])
    t.same(await network.heard(bob, carol), [carol.hz, bob.hz], 'after')
    await part(t, network, bob, carol)
  })
}

const attended = [
  ['inside', 'outside', 'outside'],
  ['outside', 'inside', 'outside'],
] as const

for (const [from, sent, to] of attended) {
  t.test(
    `Linphone: attended transfer by one ${from}, of one ${sent}, to one ${to}`,
    { skip: skipAttended },
    async (t) => {
      const network = await ClientNetwork.open()
      t.teardown(() => network.close(t.passing()))
      const lina = await network.linphone(from, 'lina')
      const mona = await network.linphone(sent, 'mona')
      const nora = await network.linphone(to, 'nora')
      await talk(lina, mona)
      t.same(await network.heard(lina, mona), [mona.hz, lina.hz], 'first call')
      await lina.hold()
      await talk(lina, nora)
      t.same(await network.heard(lina, nora), [nora.hz, lina.hz], 'second call')
      await lina.join(1, 2)
      await Promise.all([mona.established(), nora.established(), lina.ended()])
      t.same(await network.heard(mona, nora), [nora.hz, mona.hz], 'joined')
      await part(t, network, mona, nora)
    },
  )
}
