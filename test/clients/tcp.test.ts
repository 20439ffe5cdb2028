import t from 'tap'
import { callsBothWays } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('baresip', 'kamailio')

for (const family of [4, 6] as const) {
  for (const far of ['tcp', 'udp'] as const) {
    t.test(`baresip over TCP, IPv${family}, to one over ${far}: registers, calls, is called`, { skip }, async (t) => {
      const network = await ClientNetwork.open({ family })
      t.teardown(() => network.close(t.passing()))
      const alice = await network.baresip('inside', 'alice', { transport: 'tcp' })
      const bob = await network.baresip('outside', 'bob', { transport: far })
      const [registration] = network.sip?.registrations() ?? []
      t.match(registration, { transport: 'tcp', inside: { address: alice.address } })
      t.equal(network.sip?.status().sizes.connections, 1)
      await callsBothWays(t, network, alice, bob)
      await alice.stop('goodbye')
      t.same(network.sip?.registrations(), [])
    })
  }
}
