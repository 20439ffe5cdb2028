import type { Family } from '../../types/endpoint.js'
import type { Chain, Expression, NamedSet, PacketField, Rule, SetElement } from '../../types/nftables.js'

/** A stream whose far end is on hold: where it listens, and where it expects to hear from. */
export interface MusicStream {
  readonly family: Family
  readonly far: { readonly address: string; readonly port: number }
  readonly outside: { readonly address: string; readonly port: number }
}

export interface MusicTableOptions {
  /** Addresses, or prefixes such as 10.0.9.0/24, that music on hold comes from. */
  readonly sources: readonly string[]
  /** What those on hold send meanwhile is dropped. */
  readonly dropsHeld: boolean
  /** Music may come from this machine itself. */
  readonly machine: boolean
  readonly streams: readonly MusicStream[]
}

const addressType = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const
/** NF_IP_PRI_RAW, before conntrack looks at the packet. */
const BEFORE_CONNTRACK = -300
/** After everything that translates: what is not tracked is not translated. */
const LAST = 160

const to = (family: Family): [PacketField, PacketField] =>
  family === 4 ? ['ip daddr', 'udp dport'] : ['ip6 daddr', 'udp dport']
const sourceAddress = (family: Family): PacketField => (family === 4 ? 'ip saddr' : 'ip6 saddr')

/** Names of the sets that hold what belongs to the streams of a family. */
export const musicSets = (family: Family) => ({
  far: `music_far${family}`,
  address: `music_address${family}`,
  port: `music_port${family}`,
  held: `music_held${family}`,
})

/** A stream's elements, in the order in which they are to be added: what gates comes last. To be deleted in the other order. */
export function musicElements(
  { family, far, outside }: MusicStream,
  dropsHeld: boolean,
): { readonly set: string; readonly element: SetElement & { readonly key: readonly (string | number)[] } }[] {
  const names = musicSets(family)
  const key = [far.address, far.port]
  const held = { set: names.held, element: { key: [outside.address, outside.port] } }
  return [
    { set: names.address, element: { key, value: outside.address } },
    { set: names.port, element: { key, value: outside.port } },
    { set: names.far, element: { key } },
    ...(dropsHeld ? [held] : []),
  ]
}

/**
 * Music on hold, without a conntrack and without a packet in user space: what comes from `sources` for the far end of a stream on hold
 * leaves with the call's own outside address and port, by maps that are filled and emptied call by call (`musicElements`).
 *
 * * `music_in` (filter, prerouting, priority -300), with `machine` also `music_out` (output): `notrack` for that music; with
 *   `dropsHeld`, what comes from outside to a stream on hold is dropped.
 * * `music_source` (filter, postrouting, priority 160): writes source port, then source address. After routing, as a packet that comes in
 *   with an address of this machine's would be dropped as a martian.
 */
export function musicTable(options: MusicTableOptions): { sets: NamedSet[]; chains: Chain[] } {
  const families = ([4, 6] as const).filter((family) => options.sources.some((source) => familyOf(source) === family))
  const each = (make: (family: Family, sources: readonly Expression[]) => Rule[]): Rule[] =>
    families.flatMap((family) => make(family, sourceMatches(options.sources, family)))
  const untrack = each((family, sources) => sources.map((source) => untracked(family, source)))
  const dropped = options.dropsHeld ? families.map((family) => heldRule(family)) : []
  const rewritten = each((family, sources) => sources.flatMap((source) => rewriteRules(family, source)))
  const chains: Chain[] = [
    filter('music_in', 'prerouting', BEFORE_CONNTRACK, [...dropped, ...untrack]),
    filter('music_source', 'postrouting', LAST, rewritten),
  ]
  if (options.machine) chains.push(filter('music_out', 'output', BEFORE_CONNTRACK, untrack))
  return { sets: families.flatMap((family) => setsOf(family, options)), chains }
}

const familyOf = (source: string): Family => (source.includes(':') ? 6 : 4)

function sourceMatches(sources: readonly string[], family: Family): Expression[] {
  const own = sources.filter((source) => familyOf(source) === family)
  const prefixes = own.filter((source) => source.includes('/'))
  const addresses = own.filter((source) => !source.includes('/'))
  const lists = [...(addresses.length > 0 ? [addresses] : []), ...prefixes.map((prefix) => [prefix])]
  return lists.map((list) => ({ kind: 'saddr', in: list }))
}

function setsOf(family: Family, { streams, dropsHeld }: MusicTableOptions): NamedSet[] {
  const names = musicSets(family)
  const type = [addressType[family], 'inet_service'] as const
  const all = streams.filter((stream) => stream.family === family).flatMap((it) => musicElements(it, dropsHeld))
  const elements = (name: string) => all.filter(({ set }) => set === name).map(({ element }) => element)
  return [
    { name: names.far, type, elements: elements(names.far) },
    { name: names.address, type, value: addressType[family], elements: elements(names.address) },
    { name: names.port, type, value: 'inet_service', elements: elements(names.port) },
    { name: names.held, type, elements: elements(names.held) },
  ]
}

const untracked = (family: Family, source: Expression): Rule => ({
  expressions: [
    source,
    { kind: 'key-set', key: to(family), set: musicSets(family).far },
    { kind: 'counter' },
    { kind: 'notrack' },
  ],
  comment: 'music on hold',
})

const heldRule = (family: Family): Rule => ({
  expressions: [
    { kind: 'key-set', key: to(family), set: musicSets(family).held },
    { kind: 'iifname-set', set: 'outside' },
    { kind: 'counter' },
    { kind: 'verdict', verdict: 'drop' },
  ],
  comment: 'said while on hold',
})

function rewriteRules(family: Family, source: Expression): Rule[] {
  const { address, port } = musicSets(family)
  const key = to(family)
  const rule = (field: PacketField, map: string): Rule => ({
    expressions: [source, { kind: 'rewrite', field, key, map }],
  })
  return [rule('udp sport', port), rule(sourceAddress(family), address)]
}

const filter = (name: string, hook: NonNullable<Chain['hook']>, priority: number, rules: readonly Rule[]): Chain => ({
  name,
  type: 'filter',
  hook,
  priority,
  policy: 'accept',
  rules,
})
