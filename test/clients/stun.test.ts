import t, { type Test } from 'tap'
import { ConeNat, SipHelper } from '../../lib/index.js'
import { type GatewayLab, gatewayLab, pause } from '../../lib/testing/index.js'
import { whyNoClients } from './requirements.js'

const skip = whyNoClients('turnserver')
const PORTS = [3478, 3479]

/** coturn on two addresses, as RFC 5780 wants a STUN server. */
function serve(t: Test, { provider, registrar, mediaServer }: GatewayLab): void {
  const quiet = ['--no-cli', '--no-tls', '--no-dtls', '--no-tcp', '--log-file', 'stdout', '--pidfile', '/dev/null']
  const listens = ['--listening-ip', registrar.v4, '--listening-ip', mediaServer.v4]
  const server = provider.spawn(['turnserver', '-n', '--stun-only', ...quiet, ...listens], { stdio: 'ignore' })
  t.teardown(() => server.kill())
}

/** What the probe finds out about filtering, in its own words. */
async function probe({ phone, registrar }: GatewayLab): Promise<string | undefined> {
  // The server may not listen yet: then the probe hears nothing.
  for (let tries = 0; tries < 10; tries++) {
    const { stdout } = await phone.exec(['turnutils_natdiscovery', '-f', registrar.v4], { timeoutMs: 60_000 })
    const found = /NAT with (.*) Filtering/.exec(stdout)
    if (found) return found[1]
    await pause(500)
  }
  return undefined
}

for (const [filtering, expected] of [
  [undefined, 'Address and Port Dependent'],
  ['restricted', 'Address Dependent'],
  ['full', 'Endpoint Independent'],
] as const) {
  t.test(`coturn's probe (RFC 5780): ${filtering ?? 'plain NAT'} is ${expected}`, { skip }, async (t) => {
    const lab = gatewayLab()
    t.teardown(() => lab.close())
    const interfaces = { inside: ['lan0'], outside: ['wan0'], netns: lab.gateway.path }
    if (filtering) {
      const cone = new ConeNat({ ...interfaces, ports: PORTS, filtering })
      t.teardown(() => cone.stop())
      await cone.start()
    }
    serve(t, lab)
    t.equal(await probe(lab), expected)
  })
}

t.test('beside a SIP helper', { skip }, async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const cone = { ports: PORTS, filtering: 'full' } as const
  const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], netns: lab.gateway.path, cone })
  t.teardown(() => sip.stop())
  await sip.start()
  serve(t, lab)
  t.equal(await probe(lab), 'Endpoint Independent')
  t.ok(sip.pinholes().length > 0)
})
