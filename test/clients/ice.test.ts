import t from 'tap'
import { ClientNetwork } from './network.js'
import type { Phone } from './phone.js'
import { whyNoClients } from './requirements.js'

const nothing = { calls: [], media: [], refusals: [], errors: [] }
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

t.test('Linphone: ICE at both ends', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const mona = await network.linphone('outside', 'mona', { ice: true })
  await bothWays(t, network, lina, mona)
})

t.test('ICE inside, none outside', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const bob = await network.baresip('outside', 'bob')
  await bothWays(t, network, lina, bob)
})
