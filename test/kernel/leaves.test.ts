import t from 'tap'
import { SipHelper } from '../../lib/index.js'
import { openQueue } from '../../lib/nfqueue/index.js'
import { expectations, gatewayLab, type Namespace, SipPeer, UdpEndpoint, whyNoLab } from '../../lib/testing/index.js'
import type { SipHelperOptions } from '../../types/options.js'
import { call } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

/** Everything that the helper may have touched, as the box's own tools show it. */
async function look(namespace: Namespace): Promise<Record<string, unknown>> {
  const settings = ['/proc/sys/net/ipv4', '/proc/sys/net/ipv6', '/proc/sys/net/netfilter']
  const sysctls = namespace.runSync(['sh', '-c', `grep -rs . ${settings.join(' ')} || true`])
  // What counts, and what runs down by itself.
  const steady = sysctls.split('\n').filter((line) => !/nf_conntrack_count|stable_secret|idgen|route\/flush/.test(line))
  return {
    sysctls: steady.sort(),
    rules: namespace.runSync(['nft', 'list', 'ruleset']),
    routing: namespace.runSync([
      'sh',
      '-c',
      'ip rule; ip -6 rule; ip route show table all; ip -6 route show table all',
    ]),
    expectations: await expectations(namespace),
  }
}

const all: Record<string, Partial<SipHelperOptions>> = {
  gateway: {},
  'gateway, masquerade': { masquerade: true, media: { ports: [30000, 30010] } },
  'pbx, masquerade': { mode: 'pbx', masquerade: true, inside: ['lan0', 'lo'] },
  'gateway, translation by maps': { translation: 'maps' },
  firewall: { mode: 'firewall' },
}

for (const [name, options] of Object.entries(all)) {
  for (const forwarding of [0, 1]) {
    t.test(`${name}, forwarding was ${forwarding}: stop leaves the box as it was`, { skip }, async (t) => {
      const lab = gatewayLab({ family: 'both' })
      t.teardown(() => lab.close())
      const { gateway } = lab
      gateway.sysctl({ 'net.ipv4.ip_forward': forwarding, 'net.ipv6.conf.all.forwarding': forwarding })
      // An interface may differ from all, either way; and one gets its addresses from its provider.
      gateway.sysctl({
        'net.ipv6.conf.wan0.forwarding': 1 - forwarding,
        'net.ipv4.conf.lan0.forwarding': 1 - forwarding,
      })
      gateway.sysctl({ 'net.ipv6.conf.wan0.accept_ra': 1, 'net.ipv4.conf.all.accept_redirects': forwarding })
      const before = await look(gateway)
      const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], netns: gateway.path, ...options })
      t.teardown(() => sip.stop())
      await sip.start()
      if (options.masquerade) {
        const now = (key: string) => gateway.runSync(['cat', `/proc/sys/net/${key}`]).trim()
        t.equal(now('ipv4/ip_forward'), '1')
        t.equal(now('ipv6/conf/all/forwarding'), '1')
        t.equal(
          now('ipv6/conf/wan0/forwarding'),
          forwarding === 0 ? '1' : '0',
          'what says otherwise is left where all is on',
        )
        t.equal(now('ipv6/conf/wan0/accept_ra'), '2')
      }
      const phone = await UdpEndpoint.open(lab.phone, { address: lab.phones[0]!.v4, port: 5060 })
      const far = await UdpEndpoint.open(lab.provider, { address: lab.registrar.v4, port: 5060 })
      t.teardown(() => [phone, far].map((endpoint) => endpoint.close()))
      if (options.masquerade || (forwarding === 1 && name === 'gateway')) {
        gateway.sysctl({ 'net.ipv4.conf.lan0.forwarding': 1 })
        const media = { callerMedia: { ...phone.local, port: 4000 }, calleeMedia: { ...far.local, port: 6000 } }
        await call({ caller: new SipPeer(phone, 'a'), callee: new SipPeer(far, 'b'), to: far.local, ...media })
        t.ok(sip.pinholes().length > 0, 'a call is under way')
        gateway.sysctl({ 'net.ipv4.conf.lan0.forwarding': forwarding === 0 ? 1 : 0 })
      }
      await sip.stop()
      t.same(await look(gateway), before)
    })
  }
}

t.test('a start that fails leaves the box as it was', { skip }, async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const { gateway } = lab
  gateway.sysctl({ 'net.ipv4.ip_forward': 0, 'net.ipv6.conf.all.forwarding': 0 })
  const before = await look(gateway)
  const taken = await openQueue({ number: 5060, netns: gateway.path, onBatch: () => undefined })
  t.teardown(() => taken.close())
  for (const options of Object.values(all)) {
    const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], netns: gateway.path, ...options })
    await t.rejects(sip.start(), { code: 'ERR_IN_USE' })
    t.same(await look(gateway), before)
  }
})
