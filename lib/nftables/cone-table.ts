import type { Chain, Expression, Rule, Table } from '../../types/nftables.js'

export interface ConeTableOptions {
  /** Default `cthelper-cone`. */
  readonly name?: string
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  /** Destination ports of the flows, UDP. */
  readonly ports: readonly number[]
  /** NFQUEUE number of flows' first packets in their final form. */
  readonly queue: number
  /** NFQUEUE number that shows them before source NAT, for kernels without NFQA_CT. Default: no such chain. */
  readonly firstPacketQueue?: number
}

export const CONE_TABLE = { family: 'inet', name: 'cthelper-cone' } as const

/** As in `sipTable`: after source NAT, and after everybody's filters. */
const AFTER_SOURCE_NAT = 150
const AFTER_FILTERS = 150

/**
 * The table of `ConeNat`: the first packets of UDP flows from `inside` to `outside`, to a port in the set `cone_ports`, go to the queue, as
 * long as their flow has no confirmed conntrack; all others pass. With bypass: without a listener every packet passes.
 */
export function coneTable(options: ConeTableOptions): Table {
  const { name = CONE_TABLE.name, inside, outside, ports, queue, firstPacketQueue } = options
  const chains: Chain[] = [chain('postrouting', AFTER_SOURCE_NAT, queue)]
  if (firstPacketQueue !== undefined) chains.push(chain('forward', AFTER_FILTERS, firstPacketQueue))
  const sets = [
    { name: 'cone_ports', type: 'inet_service', elements: ports },
    { name: 'inside', type: 'ifname', elements: inside },
    { name: 'outside', type: 'ifname', elements: outside },
  ] as const
  return { family: CONE_TABLE.family, name, sets, chains }
}

function chain(hook: 'postrouting' | 'forward', priority: number, number: number): Chain {
  const expressions: Expression[] = [
    { kind: 'dport-set', protocol: 'udp', set: 'cone_ports' },
    { kind: 'ct-status', any: ['confirmed'], negate: true },
    { kind: 'iifname-set', set: 'inside' },
    { kind: 'oifname-set', set: 'outside' },
    { kind: 'counter' },
    { kind: 'queue', number, bypass: true },
  ]
  const rule: Rule = { expressions, comment: 'first packets' }
  return { name: hook, type: 'filter', hook, priority, policy: 'accept', rules: [rule] }
}
