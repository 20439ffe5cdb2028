import t from 'tap'
import { callsBothWays } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

t.test('baresip over IPv6, masqueraded', { skip: whyNoClients('baresip', 'kamailio') }, async (t) => {
  const network = await ClientNetwork.open({ family: 6 })
  t.teardown(() => network.close(t.passing()))
  const alice = await network.baresip('inside', 'alice')
  const bob = await network.baresip('outside', 'bob')
  await callsBothWays(t, network, alice, bob)
})

t.test('Linphone over IPv6, masqueraded', { skip: whyNoClients('baresip', 'linphonec', 'kamailio') }, async (t) => {
  const network = await ClientNetwork.open({ family: 6 })
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina')
  const bob = await network.baresip('outside', 'bob')
  await callsBothWays(t, network, lina, bob)
})
