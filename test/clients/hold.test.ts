import t from 'tap'
import { part, talk } from './calls.js'
import { ClientNetwork } from './network.js'
import type { Phone } from './phone.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')

/** A held call is silent or one-way by its phones' taste; what counts is that it is seen as held, and that resuming brings both back. */
async function holdAndResume(t: Tap, network: ClientNetwork, holder: Phone, both: readonly [Phone, Phone]) {
  const [inside, outside] = both
  await holder.hold()
  t.ok(await network.until(() => network.sip?.calls()[0]?.held === true), `${holder.user} holds`)
  t.same(await network.arriving(holder), [0], 'who holds hears nothing')
  await holder.resume()
  t.ok(await network.until(() => network.sip?.calls()[0]?.held === false), `${holder.user} resumes`)
  t.same(await network.arriving(inside, outside), [outside.hz, inside.hz], `both ways after ${holder.user}'s hold`)
}

type Tap = Pick<typeof t, 'ok' | 'same'>

for (const who of ['inside calls', 'outside calls']) {
  t.test(`baresip: hold and resume from both ends, ${who}`, { skip }, async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const alice = await network.baresip('inside', 'alice')
    const bob = await network.baresip('outside', 'bob')
    const [caller, called] = who === 'inside calls' ? [alice, bob] : [bob, alice]
    await talk(caller, called)
    t.same(await network.heard(alice, bob), [bob.hz, alice.hz], 'before')
    const ports = network.sip?.calls()[0]?.streams.map(({ outside }) => outside.port)
    for (const holder of [alice, bob]) await holdAndResume(t, network, holder, [alice, bob])
    t.same(
      network.sip?.calls()[0]?.streams.map(({ outside }) => outside.port),
      ports,
      'the ports are the same throughout',
    )
    await part(t, network, called, caller)
  })
}

t.test(
  'Linphone inside: hold and resume from both ends, as it hears it',
  { skip: whyNoClients('baresip', 'linphonec', 'kamailio') },
  async (t) => {
    const network = await ClientNetwork.open()
    t.teardown(() => network.close(t.passing()))
    const lina = await network.linphone('inside', 'lina')
    const bob = await network.baresip('outside', 'bob')
    await talk(bob, lina)
    t.same(await network.heard(lina, bob), [bob.hz, lina.hz], 'before')
    for (const holder of [lina, bob]) {
      await holdAndResume(t, network, holder, [lina, bob])
      t.same(await network.heard(lina), [bob.hz], 'by its own recorder')
    }
    await part(t, network, lina, bob)
  },
)
