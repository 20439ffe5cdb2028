import t from 'tap'
import { callsBothWays } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skipLinphone = whyNoClients('baresip', 'linphonec', 'kamailio')

t.test('Linphone: ICE at both ends', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const mona = await network.linphone('outside', 'mona', { ice: true })
  await callsBothWays(t, network, lina, mona)
})

t.test('ICE inside, none outside', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const bob = await network.baresip('outside', 'bob')
  await callsBothWays(t, network, lina, bob)
})
