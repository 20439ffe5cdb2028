import t from 'tap'
import { Capture } from '../../lib/testing/index.js'
import { callsBothWays } from './calls.js'
import { ClientNetwork } from './network.js'
import { whyNoClients } from './requirements.js'

const skipLinphone = whyNoClients('baresip', 'linphonec', 'kamailio')

/** What was said over the outside wire in SIP. */
async function listening(network: ClientNetwork): Promise<() => Promise<string[]>> {
  const capture = await Capture.start(network.lab.gateway, { device: 'wan0', filter: 'udp port 5060' })
  return async () => (await capture.stop()).map(({ payload }) => Buffer.from(payload).toString('latin1'))
}

t.test('Linphone: ICE at both ends', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const mona = await network.linphone('outside', 'mona', { ice: true })
  const said = await listening(network)
  await callsBothWays(t, network, lina, mona)
  const messages = await said()
  t.notOk(
    messages.some((it) => it.includes('a=ice-mismatch')),
    'nobody misses the default destination among the candidates',
  )
  const answers = messages.filter((it) => it.startsWith('SIP/2.0 200') && it.includes('m=audio'))
  t.ok(answers.length >= 2 && answers.every((it) => it.includes('a=candidate:')), 'both sides do ICE')
  t.notOk(
    messages.some((it) => /^a=candidate:.* 192\.168\.7\.\d+ \d+ typ/m.test(it)),
    'no inside address among the candidates',
  )
  t.ok(
    messages.some((it) => it.includes('a=remote-candidates:')),
    'checks have succeeded: the chosen pair is named',
  )
})

t.test('ICE inside, none outside', { skip: skipLinphone }, async (t) => {
  const network = await ClientNetwork.open()
  t.teardown(() => network.close(t.passing()))
  const lina = await network.linphone('inside', 'lina', { ice: true })
  const bob = await network.baresip('outside', 'bob')
  await callsBothWays(t, network, lina, bob)
})
