import type { Family } from '../../types/endpoint.js'
import type { Chain, Expression, PacketField, Rule } from '../../types/nftables.js'

export interface FollowTableOptions {
  /** Also what this machine itself sends and receives. Default false. */
  readonly machine?: boolean
  /** Name of the set of ports in the same table. Default `sip_ports`. */
  readonly portSet?: string
  /** Name of a family's set of inside endpoints whose connections are followed, whatever the other port. */
  readonly contactSet: (family: Family) => string
  /** The chain of the same table that queues what crosses between the sides. Default `sip`. */
  readonly queues?: string
}

/** After everybody's filters: what they drop never gets here. */
const AFTER_FILTERS = 150

/**
 * Chains that show the segments of TCP connections as they go by, both ways, as data, for a table that has the sets and the chain
 * `queues`: `tcp_forward`, and with `machine` `tcp_input` and `tcp_output` (filter, priority 150). With bypass, so that connections go
 * on untouched while nobody listens. Throws nothing.
 *
 * @example
 * const { chains, ...table } = sipTable({ translates: false, inside: ['lan0'], outside: ['wan0'], queue: 5060 })
 * const followed = { ...table, chains: [...chains, ...followTable({ contactSet: (family) => `tcp_contacts${family}` })] }
 */
export function followTable({
  machine = false,
  portSet = 'sip_ports',
  contactSet,
  queues = 'sip',
}: FollowTableOptions): Chain[] {
  const goto: Expression = { kind: 'goto', chain: queues }
  const ports = (['sport-set', 'dport-set'] as const).map(
    (kind): Rule => ({ expressions: [{ kind, protocol: 'tcp', set: portSet }, goto] }),
  )
  const contacts = CONTACTS.map(
    ([family, ...key]): Rule => ({
      expressions: [{ kind: 'key-set', key, set: contactSet(family) }, goto],
      comment: 'contact',
    }),
  )
  const hooks = machine ? (['forward', 'input', 'output'] as const) : (['forward'] as const)
  return hooks.map((hook) => ({
    name: `tcp_${hook}`,
    type: 'filter',
    hook,
    priority: AFTER_FILTERS,
    policy: 'accept',
    rules: [...ports, ...contacts],
  }))
}

const CONTACTS: readonly (readonly [Family, ...PacketField[]])[] = [
  [4, 'ip saddr', 'tcp sport'],
  [4, 'ip daddr', 'tcp dport'],
  [6, 'ip6 saddr', 'tcp sport'],
  [6, 'ip6 daddr', 'tcp dport'],
]
