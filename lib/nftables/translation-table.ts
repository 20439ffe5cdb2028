import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Chain, Expression, NamedSet, PacketField, Rule, SetElement, Table } from '../../types/nftables.js'

/** How the first packet of an expected flow is translated: what it says when it comes, and what is put in its place. */
export type FlowTranslation = {
  readonly family: Family
  readonly protocol: 'udp' | 'tcp'
} & (
  | {
      /** From outside: the destination becomes `becomes`. `from` is an address; undefined: any, where no other entry names it. */
      readonly way: 'in'
      readonly from: string | undefined
      readonly to: Endpoint
      readonly becomes: Endpoint
    }
  | {
      /** From inside: the source becomes `becomes`. */
      readonly way: 'out'
      readonly from: Endpoint
      readonly to: Endpoint
      readonly becomes: Endpoint
    }
)

/** An entry's place: which map, and the element. */
export interface TranslationElement {
  readonly set: NamedSet
  readonly element: Extract<SetElement, { readonly key: unknown }> & { readonly key: readonly (string | number)[] }
}

export interface TranslationTableOptions {
  /** Conntrack zone whose flows are translated. Default 0: those of every zone, as kernels without zones have no word for one. */
  readonly zone?: number
  /** What the maps hold from the beginning, by their names. Default nothing. */
  readonly elements?: ReadonlyMap<string, readonly SetElement[]>
}

/** Before everybody's destination NAT (NF_IP_PRI_NAT_DST, -100), as the kernel's NAT function for expectations is. */
const BEFORE_DESTINATION_NAT = -110
/** Before everybody's source NAT (NF_IP_PRI_NAT_SRC, 100), masquerading above all. */
const BEFORE_SOURCE_NAT = 90

const families = [4, 6] as const
const transports = ['udp', 'tcp'] as const
const addressTypes = { 4: 'ipv4_addr', 6: 'ipv6_addr' } as const

type Kind = 'in' | 'in-any' | 'out'
type Transport = FlowTranslation['protocol']

const setName = (kind: Kind, family: Family, protocol: Transport): string =>
  `${kind === 'out' ? 'source' : kind === 'in' ? 'destination' : 'destination_any'}_${protocol}${family}`

/** The packet fields that make the key, in order. */
function keyOf(kind: Kind, family: Family, protocol: Transport): PacketField[] {
  const [saddr, daddr]: [PacketField, PacketField] =
    family === 4 ? ['ip saddr', 'ip daddr'] : ['ip6 saddr', 'ip6 daddr']
  const [sport, dport]: [PacketField, PacketField] = [`${protocol} sport`, `${protocol} dport`]
  if (kind === 'out') return [saddr, sport, daddr, dport]
  return kind === 'in' ? [saddr, daddr, dport] : [daddr, dport]
}

function mapOf(kind: Kind, family: Family, protocol: Transport): NamedSet {
  const address = addressTypes[family]
  const type = keyOf(kind, family, protocol).map((field) => (field.endsWith('addr') ? address : 'inet_service'))
  return {
    name: setName(kind, family, protocol),
    type,
    value: [address, 'inet_service'],
    timeouts: true,
    elements: [],
  }
}

const combinations = <T>(make: (family: Family, protocol: Transport) => T[]): T[] =>
  families.flatMap((family) => transports.flatMap((protocol) => make(family, protocol)))
const kinds = ['in', 'in-any', 'out'] as const
const maps = new Map(
  combinations((family, protocol) => kinds.map((kind) => mapOf(kind, family, protocol))).map((map) => [map.name, map]),
)

/** The maps of `translationTable`, empty. */
export const translationMaps: readonly NamedSet[] = [...maps.values()]

/** Where an entry stands, for so long. */
export function translationElement(translation: FlowTranslation, timeoutSec: number): TranslationElement {
  const { way, family, protocol, from, to, becomes } = translation
  const kind = way === 'out' ? 'out' : from === undefined ? 'in-any' : 'in'
  const source = typeof from === 'object' ? [from.address, from.port] : from === undefined ? [] : [from]
  const key = [...source, to.address, to.port]
  const set = maps.get(setName(kind, family, protocol))!
  return { set, element: { key, value: [becomes.address, becomes.port], timeoutSec } }
}

/**
 * What translates expected flows where the kernel's NAT function for expectations (nf_nat_sip) is not to be had: only those, only as an
 * entry of a map says, and before anybody else's NAT. Without an entry all is as it was.
 *
 * * `translate_in` (nat, prerouting, priority -110): destinations, by source address and destination, then by destination alone.
 * * `translate_out` (nat, postrouting, priority 90): sources, by both ends.
 *
 * @example
 * const { sets, chains } = translationTable()
 * await nftables.install({ family: 'inet', name: 'example', sets, chains })
 */
export function translationTable({ zone = 0, elements }: TranslationTableOptions = {}): {
  readonly sets: NamedSet[]
  readonly chains: Chain[]
} {
  const flows: Expression[] = [
    { kind: 'ct-status', any: ['expected'] },
    ...(zone === 0 ? [] : [{ kind: 'ct-zone', is: zone } as const]),
  ]
  const rulesOf = (kind: Kind): Rule[] =>
    combinations((family, protocol) => [{ expressions: [...flows, translate(kind, family, protocol)] }])
  const sets = translationMaps.map((map) => ({ ...map, elements: elements?.get(map.name) ?? [] }))
  const chains: Chain[] = [
    natChain('translate_in', 'prerouting', BEFORE_DESTINATION_NAT, [...rulesOf('in'), ...rulesOf('in-any')]),
    natChain('translate_out', 'postrouting', BEFORE_SOURCE_NAT, rulesOf('out')),
  ]
  return { sets, chains }
}

/** The table with that. */
export function withTranslation(table: Table, options?: TranslationTableOptions): Table {
  const { sets, chains } = translationTable(options)
  return { ...table, sets: [...(table.sets ?? []), ...sets], chains: [...table.chains, ...chains] }
}

const translate = (kind: Kind, family: Family, protocol: Transport): Expression => ({
  kind: kind === 'out' ? 'snat-map' : 'dnat-map',
  family,
  key: keyOf(kind, family, protocol),
  map: setName(kind, family, protocol),
})

const natChain = (name: string, hook: 'prerouting' | 'postrouting', priority: number, rules: Rule[]): Chain => ({
  name,
  type: 'nat',
  hook,
  priority,
  policy: 'accept',
  rules,
})
