import { spawnSync } from 'node:child_process'
import t, { type Test } from 'tap'
import { SipHelper } from '../../lib/index.js'
import {
  conntrackEntries,
  type GatewayLab,
  gatewayLab,
  type Namespace,
  pause,
  SipPeer,
  scaled,
  UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { SipHelperOptions } from '../../types/options.js'
import { call, hears, Scene, target, translation } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

async function endpoint(t: Test, namespace: Namespace, address: string, port: number): Promise<UdpEndpoint> {
  const opened = await UdpEndpoint.open(namespace, { address, port })
  t.teardown(() => opened.close())
  return opened
}

/** Starts a helper on the lab's gateway; what it refuses or fails at fails the test. */
async function start(t: Test, lab: GatewayLab, options: Partial<SipHelperOptions>): Promise<SipHelper> {
  const sip = new SipHelper({
    inside: ['lan0'],
    outside: ['wan0'],
    netns: lab.gateway.path,
    ...translation(options),
    ...options,
  })
  sip.on('error', (error) => t.fail(error.message))
  sip.on('refused', ({ detail }) => t.fail(detail))
  await sip.start()
  t.teardown(() => sip.stop())
  return sip
}

interface Ends {
  readonly inside: Namespace
  readonly phone: string
  readonly outside: Namespace
  readonly far: string
  /** What the far side shall see. */
  readonly seen: string
  readonly port?: number
}

/** A call out, with audio both ways; what the far side was told to send to. */
async function talk(t: Test, { inside, phone, outside, far, seen, port = 5060 }: Ends): Promise<Endpoint> {
  const alice = new SipPeer(await endpoint(t, inside, phone, 5060), 'alice')
  const bob = new SipPeer(await endpoint(t, outside, far, port), 'bob')
  const [audio, distant] = [await endpoint(t, inside, phone, 4000), await endpoint(t, outside, far, 6000)]
  const to = bob.endpoint.local
  const setup = { caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: distant.local }
  const { arrived } = await call(setup)
  const way = target(arrived)
  t.equal(way.address, seen)
  t.match(await hears(distant, way, audio), { packets: 5 }, `audio from ${far}`)
  t.match(await hears(audio, distant.local, distant), { packets: 5, from: way }, `audio from ${phone}`)
  return way
}

/** Why this kernel has no interfaces of that type. */
function whyNo(type: string, ...rest: string[]): string | false {
  spawnSync('modprobe', [type === 'vlan' ? '8021q' : type])
  const namespace = `cthelper-${process.pid}-${type}`
  spawnSync('ip', ['netns', 'add', namespace])
  const ip = (...argv: string[]) => spawnSync('ip', ['-n', namespace, 'link', 'add', ...argv]).status
  ip('under', 'type', 'veth')
  const status = ip(...(type === 'vlan' ? ['link', 'under'] : []), 'name', 'tried', 'type', type, ...rest)
  spawnSync('ip', ['netns', 'delete', namespace])
  return status !== 0 && `needs interfaces of type ${type}`
}

for (const second of ['a cable', 'a VLAN'] as const) {
  const why = skip || (second === 'a VLAN' && whyNo('vlan', 'id', '5'))
  t.test(`several inside and outside interfaces, the second inside is ${second}`, { skip: why }, async (t) => {
    const lab = gatewayLab({ nat: 'none' })
    t.teardown(() => lab.close())
    const { phone, gateway, provider } = lab
    const [there, here] = second === 'a VLAN' ? ['eth0.5', 'lan0.5'] : ['eth5', 'lan5']
    if (second === 'a VLAN') {
      phone.ip(
        'link add link eth0 name eth0.5 type vlan id 5',
        'link set eth0.5 up',
        'addr add 192.168.5.10/24 dev eth0.5',
      )
      gateway.ip(
        'link add link lan0 name lan0.5 type vlan id 5',
        'link set lan0.5 up',
        'addr add 192.168.5.1/24 dev lan0.5',
      )
    } else lab.lab.link(phone, there, ['192.168.5.10/24'], gateway, here, ['192.168.5.1/24'])
    lab.lab.link(provider, 'eth1', ['198.18.0.10/24'], gateway, 'wan1', ['198.18.0.1/24'])
    phone.ip('rule add from 192.168.5.0/24 lookup 5', 'route add default via 192.168.5.1 table 5')
    gateway.nft(`insert rule inet lab forward iifname { "lan0", "${here}" } oifname { "wan0", "wan1" } udp dport 5060 accept
      add chain inet lab source { type nat hook postrouting priority 100; }
      add rule inet lab source oifname { "wan0", "wan1" } masquerade`)
    await start(t, lab, { inside: ['lan0', here], outside: ['wan0', 'wan1'] })
    const ways = [
      { phone: lab.phones[0]!.v4, far: lab.registrar.v4, seen: lab.gatewayOutside.v4 },
      { phone: '192.168.5.10', far: '198.18.0.10', seen: '198.18.0.1' },
    ]
    for (const way of ways)
      await t.test(`${way.phone} to ${way.far}`, async (t) => {
        await talk(t, { inside: phone, outside: provider, ...way })
      })
  })
}

t.test('only trusted peers are helped', { skip }, async (t) => {
  const peers = ['198.51.100.8/30', '203.0.113.0/24']
  const scene = await Scene.open({ helper: { signalling: { peers } } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const [bob, mallory] = [
    new SipPeer(await scene.outside(5060), 'bob'),
    new SipPeer(await scene.outside(5060, 'stranger'), 'mallory'),
  ]
  const audio = await scene.inside(4000)
  for (const [callee, who, seen] of [
    [bob, 'registrar', scene.address('gatewayOutside')],
    [mallory, 'stranger', scene.phoneAddress()],
  ] as const) {
    const far = await scene.outside(6000, who)
    const to = callee.endpoint.local
    const setup = { caller: alice, callee, to, callerMedia: audio.local, calleeMedia: far.local }
    const { arrived } = await call(setup)
    t.equal(target(arrived).address, seen, who)
  }
  t.equal(scene.sip.calls().length, 1)
  t.equal(scene.sip.status().counters['peer-untrusted'], 3, 'INVITE, 200 and ACK')
})

t.test('SIP ports are chosen by option, and by an nft set while it runs', { skip }, async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const { phone, gateway, provider } = lab
  const sip = await start(t, lab, { ports: [5060, 5070] })
  const repairs: string[] = []
  sip.on('repair', ({ what }) => repairs.push(what))
  const ends = { inside: phone, phone: lab.phones[0]!.v4, outside: provider, far: lab.registrar.v4 }
  const [outside, inside] = [lab.gatewayOutside.v4, lab.phones[0]!.v4]
  const told = async (port: number) => {
    let address = ''
    await t.test(`port ${port}`, async (t) => {
      const alice = new SipPeer(await endpoint(t, phone, inside, 5080), 'alice')
      const bob = new SipPeer(await endpoint(t, provider, ends.far, port), 'bob')
      const media = { callerMedia: { address: inside, port: 4000 }, calleeMedia: { address: ends.far, port: 6000 } }
      const { arrived } = await call({ caller: alice, callee: bob, to: bob.endpoint.local, ...media })
      address = target(arrived).address
    })
    return address
  }
  await t.test('by option', (t) => talk(t, { ...ends, seen: outside, port: 5070 }).then(() => undefined))
  t.equal(await told(5090), inside, 'not yet')
  gateway.runSync(['nft', 'add', 'element', 'inet', 'cthelper', 'sip_ports', '{ 5090 }'])
  t.equal(await told(5090), outside, 'added')
  gateway.runSync(['nft', 'delete', 'element', 'inet', 'cthelper', 'sip_ports', '{ 5090 }'])
  t.equal(await told(5090), inside, 'taken out again')
  gateway.runSync(['nft', 'add', 'element', 'inet', 'cthelper', 'sip_ports', '{ 5091 }'])
  gateway.runSync(['nft', 'delete', 'element', 'inet', 'cthelper', 'sip_ports', '{ 5070 }'])
  await pause(scaled(200))
  const listed = gateway.runSync(['nft', 'list', 'set', 'inet', 'cthelper', 'sip_ports'])
  t.match(listed, /5060, 5091/, 'what the administrator chose stays')
  t.same(repairs, [])
})

t.test('conntrack zones: two tenants with the same addresses', { skip }, async (t) => {
  const lab = gatewayLab({ nat: 'none' })
  t.teardown(() => lab.close())
  const { gateway, provider } = lab
  // The second tenant has the first one's addresses. Each zone masquerades to its own outside interface.
  const tenant = lab.lab.namespace('tenant')
  const inside = lab.phones[0]!.v4
  lab.lab.link(tenant, 'eth0', [`${inside}/24`], gateway, 'lan1', [])
  lab.lab.link(provider, 'eth1', ['198.18.0.10/24'], gateway, 'wan1', ['198.18.0.1/24'])
  tenant.ip(`route add default via ${lab.gatewayInside.v4}`)
  gateway.sysctl({ 'net.ipv4.conf.lan1.proxy_arp': 1 })
  gateway.ip(
    `route add ${inside}/32 dev lan1 table 8`,
    'route add default via 198.18.0.10 dev wan1 table 8',
    'rule add fwmark 8 lookup 8',
  )
  gateway.nft(`table ip zones {
      chain raw {
        type filter hook prerouting priority -300;
        iifname { "lan0", "wan0" } ct zone set 7
        iifname { "lan1", "wan1" } meta mark set 8 ct zone set 8
      }
      chain source { type nat hook postrouting priority 100; oifname { "wan0", "wan1" } masquerade; }
    }
    insert rule inet lab forward iifname "lan1" oifname "wan1" udp dport 5060 accept`)
  for (const zone of [7, 8])
    await start(t, lab, { zone, inside: [`lan${zone - 7}`], outside: [`wan${zone - 7}`], queue: 5000 + 10 * zone })
  const [first, second] = [
    { inside: lab.phone, phone: inside, outside: provider, far: lab.registrar.v4, seen: lab.gatewayOutside.v4 },
    { inside: tenant, phone: inside, outside: provider, far: '198.18.0.10', seen: '198.18.0.1' },
  ]
  await Promise.all([first, second].map((ends) => talk(t, ends)))
  const zones = (await conntrackEntries(gateway)).map(({ zone = 0 }) => zone)
  t.same([...new Set(zones)].sort(), [7, 8], 'anchors, signalling and media are in their zones')
  const tables = gateway.runSync(['nft', 'list', 'tables'])
  t.match(tables, /cthelper-zone-7/)
  t.match(tables, /cthelper-zone-8/)
})

t.test('an inside interface in a VRF', { skip: skip || whyNo('vrf', 'table', '4999') }, async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const { phone, gateway, provider } = lab
  gateway.ip(
    'link add blue type vrf table 10',
    'link set blue up',
    'link set lan0 master blue',
    'link set wan0 master blue',
  )
  // Enslaving has moved the connected routes into the VRF's table.
  gateway.nft('insert rule inet lab forward iifname "blue" oifname "wan0" udp dport 5060 accept')
  await start(t, lab, {})
  await talk(t, {
    inside: phone,
    phone: lab.phones[0]!.v4,
    outside: provider,
    far: lab.registrar.v4,
    seen: lab.gatewayOutside.v4,
  })
})
