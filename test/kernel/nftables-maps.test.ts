import t, { type Test } from 'tap'
import { type Nftables, openNftables } from '../../lib/nftables/index.js'
import type { GatewayLab } from '../../lib/testing/index.js'
import { conntrackEntries, gatewayLab, UdpEndpoint, whyNoLab } from '../../lib/testing/index.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Chain, Expression, NamedSet, PacketField } from '../../types/nftables.js'

const skip = whyNoLab('nft', 'conntrack')
const addressType = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const
const version = { 4: 'v4', 6: 'v6' } as const

async function open(t: Test, family: Family): Promise<{ lab: GatewayLab; nftables: Nftables }> {
  const lab = gatewayLab({ family, nat: 'none', forwardPolicy: 'accept' })
  t.teardown(() => lab.close())
  const nftables = openNftables({ netns: lab.gateway.path })
  t.teardown(() => nftables.close())
  return { lab, nftables }
}

async function endpoint(t: Test, lab: GatewayLab, where: 'phone' | 'provider', local: Endpoint): Promise<UdpEndpoint> {
  const made = await UdpEndpoint.open(lab[where], local)
  t.teardown(() => made.close())
  return made
}

const keyOf = (family: Family, side: 's' | 'd'): PacketField[] =>
  family === 4 ? [`ip ${side}addr`, `udp ${side}port`] : [`ip6 ${side}addr`, `udp ${side}port`]
const chain = (name: string, base: Pick<Chain, 'type' | 'hook' | 'priority'>, expressions: Expression[]): Chain => ({
  name,
  ...base,
  rules: [{ expressions }],
})

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: a stream's source rewritten without a conntrack`, { skip }, async (t) => {
    const { lab, nftables } = await open(t, family)
    const music = { address: lab.mediaServer[version[family]], port: 6000 }
    const call = { address: lab.registrar[version[family]], port: 7000 }
    const key = [addressType[family], 'inet_service'] as const
    const sets: NamedSet[] = [
      { name: 'streams', type: key, elements: [[music.address, music.port]] },
      {
        name: 'address',
        type: key,
        value: addressType[family],
        elements: [{ key: [music.address, music.port], value: call.address }],
      },
      // After the first rule the packet has the call's address already.
      {
        name: 'port',
        type: key,
        value: 'inet_service',
        elements: [{ key: [call.address, music.port], value: call.port }],
      },
    ]
    const fields = keyOf(family, 's')
    const rules: Expression[][] = [
      [{ kind: 'key-set', key: fields, set: 'streams' }, { kind: 'counter' }, { kind: 'notrack' }],
      [{ kind: 'rewrite', field: fields[0]!, key: fields, map: 'address' }],
      [{ kind: 'rewrite', field: fields[1]!, key: fields, map: 'port' }],
    ]
    const raw = { type: 'filter', hook: 'prerouting', priority: -300 } as const
    const chains = [{ name: 'raw', ...raw, rules: rules.map((expressions) => ({ expressions })) }]
    await nftables.install({ family: 'inet', name: 'moh', sets, chains })
    const phone = await endpoint(t, lab, 'phone', { address: lab.phones[0]![version[family]], port: 4000 })
    const source = await endpoint(t, lab, 'provider', music)
    await source.send('la la la', phone.local)
    const { from, bytes } = await phone.receive()
    t.same(from, call)
    t.equal(bytes.toString(), 'la la la')
    t.match(await nftables.readCounters('inet', 'moh'), [{ packets: 1 }])
    const other = await endpoint(t, lab, 'provider', { ...music, port: 6001 })
    await other.send('tracked', phone.local)
    t.same((await phone.receive()).from, other.local)
    const entries = await conntrackEntries(lab.gateway)
    const sources = entries.map(({ original }) => original.source.port).filter((port) => port >= 6000)
    t.same(sources, [6001], 'the other stream has an entry, this one none')
  })

  t.test(`IPv${family}: destination and source NAT by maps with timeouts`, { skip }, async (t) => {
    const { lab, nftables } = await open(t, family)
    const outside = { address: lab.gatewayOutside[version[family]], port: 30000 }
    const inside = { address: lab.phones[0]![version[family]], port: 4000 }
    const pair = [addressType[family], 'inet_service'] as const
    const map = (name: string): NamedSet => ({ name, type: pair, value: pair, timeouts: true, elements: [] })
    const chains = [
      chain('in', { type: 'nat', hook: 'prerouting', priority: -100 }, [
        { kind: 'dnat-map', family, key: keyOf(family, 'd'), map: 'inward' },
      ]),
      chain('out', { type: 'nat', hook: 'postrouting', priority: 99 }, [
        { kind: 'snat-map', family, key: keyOf(family, 's'), map: 'outward' },
      ]),
    ]
    await nftables.install({ family: 'inet', name: 'media', sets: [map('inward'), map('outward')], chains })
    const entry = (from: Endpoint, to: Endpoint, timeoutSec: number) => [
      { key: [from.address, from.port], value: [to.address, to.port], timeoutSec },
    ]
    await nftables.addElements('inet', 'media', 'inward', entry(outside, inside, 60))
    await nftables.addElements('inet', 'media', 'outward', entry(inside, outside, 60))
    const phone = await endpoint(t, lab, 'phone', inside)
    const [first, second] = [
      await endpoint(t, lab, 'provider', { address: lab.mediaServer[version[family]], port: 6000 }),
      await endpoint(t, lab, 'provider', { address: lab.stranger[version[family]], port: 6001 }),
    ]
    await first.send('inward first', outside)
    t.same((await phone.receive()).from, first.local)
    await phone.send('outward first', second.local)
    t.same((await second.receive()).from, outside)
    await nftables.replaceElements('inet', 'media', 'inward', entry(outside, inside, 0.05))
    await new Promise((resolve) => setTimeout(resolve, 200))
    t.same(await nftables.listElements('inet', 'media', 'inward'), [])
    t.equal((await nftables.listElements('inet', 'media', 'outward')).length, 1)
  })
}

t.test('several sets are changed in one transaction', { skip }, async (t) => {
  const { lab, nftables } = await open(t, 4)
  const map = (name: string): NamedSet => ({
    name,
    type: ['ipv4_addr', 'inet_service'],
    value: 'inet_service',
    timeouts: true,
    elements: [],
  })
  const [a, b] = [map('a'), map('b')]
  await nftables.install({ family: 'inet', name: 'several', sets: [a, b], chains: [] })
  const key = ['192.0.2.1', 1000]
  const shown = (set: string) => lab.gateway.runSync(['nft', 'list', 'map', 'inet', 'several', set])
  const change = (...changes: Parameters<typeof nftables.changeElements>[2]) =>
    nftables.changeElements('inet', 'several', changes)
  await change(
    { set: a, remove: [], add: [{ key, value: 1, timeoutSec: 500 }] },
    { set: b, remove: [], add: [{ key, value: 2, timeoutSec: 500 }] },
  )
  t.match(shown('a'), /192\.0\.2\.1 \. 1000 timeout 8m20s expires .* : 1/)
  t.match(shown('b'), /192\.0\.2\.1 \. 1000 timeout 8m20s expires .* : 2/)
  await change(
    { set: a, remove: [key], add: [{ key, value: 3, timeoutSec: 1000 }] },
    { set: b, remove: [key, ['192.0.2.2', 1]], add: [] },
  )
  t.match(shown('a'), /timeout 16m40s expires .* : 3/, 'replaced, with a time of its own')
  t.notMatch(shown('b'), /192/, 'deleted; what was not there is passed over')
  const refused = change(
    { set: b, remove: [], add: [{ key, value: 2 }] },
    { set: a, remove: [], add: [{ key, value: 4 }] },
  )
  await t.rejects(refused, { code: 'ERR_KERNEL', errnoName: 'EEXIST' })
  t.notMatch(shown('b'), /192/, 'all or none')
  await t.rejects(change({ set: map('c'), remove: [], add: [{ key, value: 2 }] }), {
    code: 'ERR_KERNEL',
    errnoName: 'ENOENT',
  })
})
