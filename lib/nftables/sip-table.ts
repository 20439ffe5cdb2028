import type { Chain, Expression, NamedSet, Rule, Table, TableHelper } from '../../types/nftables.js'
import { type MusicTableOptions, musicTable } from './music-table.js'

export interface SipTableOptions {
  /** Default `cthelper`. */
  readonly name?: string
  /**
   * Whether addresses are translated on the way: packets are then seen after source NAT, at postrouting. Without translation they
   * are seen in forward, where a bridge's packets pass as well (br_netfilter). Default true.
   */
  readonly translates?: boolean
  /** Also what this machine itself sends to, and receives from, the outside. Default false. */
  readonly machine?: boolean
  /** Interface names towards phones and PBXs. */
  readonly inside: readonly string[]
  /** Interface names towards registrars, providers and far phones. */
  readonly outside: readonly string[]
  /** NFQUEUE number of SIP packets in their final form. */
  readonly queue: number
  /** Queues queue .. queue + queueCount - 1, by flow (both directions of one in the same). Default 1. */
  readonly queueCount?: number
  /** SIP ports, UDP. Default [5060]. */
  readonly ports?: readonly number[]
  /** Name of their set. Default `sip_ports`. */
  readonly portSet?: string
  /**
   * NFQUEUE number that shows packets of flows which are not in the conntrack table yet, before source NAT: for kernels that do
   * not deliver conntracks with queued packets (NFQA_CT). Default: no such chain.
   */
  readonly firstPacketQueue?: number
  /** With `firstPacketQueue`: shows it those from outside before destination NAT, too. Default false. */
  readonly forwardsPorts?: boolean
  /**
   * First and last outside media port. Media that comes to them without an expectation (too early, too late, from nobody of the
   * call) is for nobody on the gateway, and is dropped before it becomes a conntrack, which would shadow the expectation to come.
   */
  readonly mediaPorts?: readonly [number, number]
  /** Mark of packets that this machine sends in others' names, and conntrack is not to see: chain `untracked` (output, priority -450). */
  readonly untrackedMark?: number
  /** A chain that masquerades what leaves by the outside interfaces. Default false. */
  readonly masquerade?: boolean
  /**
   * A conntrack helper that does nothing, registered for UDP and where nothing is translated for TCP: SIP flows get it (chain `slow_path`,
   * prerouting, priority -150), since a flowtable takes no flow that has one, and past the queue with it. Default: none.
   */
  readonly idleHelper?: string
  /** Chains and maps for music on hold (`musicTable`). Default: none. */
  readonly music?: Omit<MusicTableOptions, 'machine'>
}

/** The family and name of the project's own table. */
export const SIP_TABLE = { family: 'inet', name: 'cthelper' } as const
const PORT_SET = 'sip_ports'

/** After source NAT (NF_IP_PRI_NAT_SRC, 100): packets have their final addresses. */
const AFTER_SOURCE_NAT = 150
/**
 * In forward, after everybody's filters, whose usual priorities are 0 (nft, iptables, docker) and 10 (firewalld): what they drop,
 * by rule or by policy, never gets here.
 */
const AFTER_FILTERS = 150
/** NF_IP_PRI_RAW_BEFORE_DEFRAG: fragments are not to be put together (NF_IP_PRI_CONNTRACK_DEFRAG, -400). */
const BEFORE_DEFRAGMENTATION = -450
/** NF_IP_PRI_MANGLE, behind conntrack (-200) and before NF_IP_PRI_NAT_DST (-100). */
const BEFORE_DESTINATION_NAT = -150
/** NF_IP_PRI_NAT_SRC. */
const SOURCE_NAT = 100
/** Addresses that nobody outside can answer (RFC 4193). */
const UNIQUE_LOCAL = 'fc00::/7'

/**
 * The table `inet cthelper`, as data: `openNftables().install(sipTable(options))`.
 *
 * * `postrouting` (filter, priority 150): UDP from or to a port in the set `sip_ports`, forwarded between an interface in `inside`
 *   and one in `outside`, either way, goes to the queue; with bypass, so that it passes untouched while nobody listens. All else
 *   leaves the chain after two comparisons of ports. Where nothing is translated, `forward` takes its place.
 * * `input` (and without translation `output`), with `machine`: the same for what this machine receives and sends.
 * * `forward` and, with `machine`, `output` (filter, priority 150), with `firstPacketQueue`: the same packets, as long as their flow
 *   has no confirmed conntrack, also go there. The listener gives such a packet a token as its mark and keeps the mark it had; the
 *   listener at postrouting knows the packet by the token and puts the mark back. Between the two, rules that look at the packet's
 *   mark see the token. With `forwardsPorts`, `prerouting` (filter, priority -150) shows it those from outside, marks untouched.
 * * `input` (filter, priority 150), with `mediaPorts`: drops new UDP flows from `outside` to those ports of the gateway itself.
 * * `masquerade` (nat, priority 100), with `masquerade`: all IPv4, and IPv6 from unique local addresses, that leaves by `outside`.
 * * `slow_path` (filter, prerouting, priority -150), with `idleHelper`: keeps new SIP flows out of flowtables.
 * * `music_in`, `music_out`, `music_source`, with `music`: see `musicTable`.
 *
 * The sets are an administrator's to change while it runs: `nft add element inet cthelper sip_ports { 5080 }`.
 *
 * But for stray media, no chain drops, and none accepts on behalf of a filter: policies are accept, which ends one chain and not the hook, and a queued packet that is
 * accepted goes on to the next chain. What may be forwarded is the user's to say; an incoming request that a signalling
 * expectation let in has `ct state related`, so his forward chain needs `ct state established,related accept`.
 *
 * Throws nothing: interface names, ports and queue numbers are checked when the table is installed (ERR_ARGUMENT).
 *
 * @example
 * sipTable({ inside: ['lan0'], outside: ['wan0'], queue: 5060, firstPacketQueue: 5061, masquerade: true })
 */
export function sipTable(options: SipTableOptions): Table {
  const { firstPacketQueue, queue, queueCount = 1, mediaPorts, masquerade = false } = options
  const { name = SIP_TABLE.name, portSet = PORT_SET, machine = false, translates = true } = options
  const stray = mediaPorts ? [strayMedia(mediaPorts)] : []
  const chains = [
    filter(translates ? 'postrouting' : 'forward', AFTER_SOURCE_NAT, portRules(portSet, 'sip')),
    ...(machine && !translates ? [filter('output', AFTER_FILTERS, portRules(portSet, 'sip'))] : []),
    between('sip', queue, queueCount, machine),
  ]
  if (firstPacketQueue !== undefined) chains.push(...firstChains(options, firstPacketQueue))
  if (machine || mediaPorts)
    chains.push(filter('input', AFTER_FILTERS, [...(machine ? portRules(portSet, 'sip') : []), ...stray]))
  if (options.untrackedMark !== undefined) chains.push(untrackedChain(options.untrackedMark))
  if (masquerade) chains.push(masqueradeChain())
  const idle = idleHelpers(options)
  if (idle.length > 0) chains.push(slowPath(idle, portSet))
  const music = options.music ? musicTable({ ...options.music, machine }) : { sets: [], chains: [] }
  const sets = [...setsOf(options), ...music.sets]
  return { family: SIP_TABLE.family, name, sets, helpers: idle, chains: [...chains, ...music.chains] }
}

function setsOf({ inside, outside, ports = [5060], portSet = PORT_SET }: SipTableOptions): NamedSet[] {
  return [
    { name: portSet, type: 'inet_service', elements: ports },
    { name: 'inside', type: 'ifname', elements: inside },
    { name: 'outside', type: 'ifname', elements: outside },
  ]
}

/** Ports first: media, which is nearly everything, fails two comparisons and is gone. */
function portRules(set: string, chain: string, condition: readonly Expression[] = []): Rule[] {
  return (['sport-set', 'dport-set'] as const).map((kind) => ({
    expressions: [...condition, { kind, protocol: 'udp', set }, { kind: 'goto', chain }],
  }))
}

function filter(hook: NonNullable<Chain['hook']>, priority: number, rules: readonly Rule[]): Chain {
  return { name: hook, type: 'filter', hook, priority, policy: 'accept', rules }
}

/** Not `ct state new`, which lasts until the first answer: retransmissions are in the table and need no second queue. */
const UNCONFIRMED: Expression = { kind: 'ct-status', any: ['confirmed'], negate: true }

function firstChains(
  { machine = false, forwardsPorts = false, portSet = PORT_SET }: SipTableOptions,
  number: number,
): Chain[] {
  const rules = portRules(portSet, 'first', [UNCONFIRMED])
  const queue: Expression[] = [{ kind: 'counter' }, { kind: 'queue', number, bypass: true }]
  const arrives: Expression[] = [
    { kind: 'dport-set', protocol: 'udp', set: portSet },
    UNCONFIRMED,
    { kind: 'iifname-set', set: 'outside' },
  ]
  const arrivals = { expressions: [...arrives, ...queue], comment: 'before destination NAT' }
  return [
    ...(forwardsPorts ? [filter('prerouting', BEFORE_DESTINATION_NAT, [arrivals])] : []),
    filter('forward', AFTER_FILTERS, rules),
    ...(machine ? [filter('output', AFTER_FILTERS, rules)] : []),
    between('first', number, 1, machine),
  ]
}

function between(name: string, number: number, total: number, machine: boolean): Chain {
  const queue: Expression[] = [{ kind: 'counter' }, { kind: 'queue', number, total, bypass: true }]
  const way = (from: Expression, to: Expression, comment: string): Rule => ({
    expressions: [from, to, ...queue],
    comment,
  })
  const [fromInside, toInside] = sides('inside')
  const [fromOutside, toOutside] = sides('outside')
  const own: Rule[] = [
    way({ kind: 'iif', is: 0 }, toOutside, 'own, out'),
    way(fromOutside, { kind: 'oif', is: 0 }, 'own, in'),
  ]
  const rules = [way(fromInside, toOutside, 'out'), way(fromOutside, toInside, 'in')]
  return { name, rules: machine ? [...rules, ...own] : rules }
}

const sides = (set: 'inside' | 'outside'): [from: Expression, to: Expression] => [
  { kind: 'iifname-set', set },
  { kind: 'oifname-set', set },
]

/** Media to outside ports that nothing is expected at, from an interface in the set `outside`. For a chain at hook input. */
export function strayMedia([first, last]: readonly [number, number]): Rule {
  const expressions: Expression[] = [
    { kind: 'dport-range', first, last, protocol: 'udp' },
    { kind: 'iifname-set', set: 'outside' },
    { kind: 'ct-state', any: ['new'] },
    { kind: 'counter' },
    { kind: 'verdict', verdict: 'drop' },
  ]
  return { expressions, comment: 'stray media' }
}

function untrackedChain(mark: number): Chain {
  const rules: Rule[] = [{ expressions: [{ kind: 'mark', is: mark }, { kind: 'notrack' }] }]
  return { ...filter('output', BEFORE_DEFRAGMENTATION, rules), name: 'untracked' }
}

function idleHelpers({ idleHelper: type, translates = true }: SipTableOptions): TableHelper[] {
  if (type === undefined) return []
  // Where addresses are translated, TCP ends at the proxy, and is not forwarded.
  const protocols = translates ? (['udp'] as const) : (['udp', 'tcp'] as const)
  return protocols.map((protocol) => ({ name: `idle_${protocol}`, type, protocol }))
}

function slowPath(helpers: readonly TableHelper[], set: string): Chain {
  const rules = helpers.flatMap(({ name: helper, protocol }) =>
    (['sport-set', 'dport-set'] as const).map(
      (kind): Rule => ({
        expressions: [
          { kind, protocol, set },
          { kind: 'set-helper', helper },
        ],
      }),
    ),
  )
  return { ...filter('prerouting', BEFORE_DESTINATION_NAT, rules), name: 'slow_path' }
}

function masqueradeChain(): Chain {
  const leaves: Expression[] = [{ kind: 'oifname-set', set: 'outside' }, { kind: 'masquerade' }]
  const rules: Rule[] = [
    { expressions: [{ kind: 'nfproto', is: 4 }, ...leaves] },
    { expressions: [{ kind: 'saddr', in: [UNIQUE_LOCAL] }, ...leaves] },
  ]
  return { name: 'masquerade', type: 'nat', hook: 'postrouting', priority: SOURCE_NAT, policy: 'accept', rules }
}
