import type { Family } from '../../types/endpoint.js'
import type { Chain, Expression, NamedSet, Rule } from '../../types/nftables.js'

export interface ProxyRulesOptions {
  /** Interface names towards phones and PBXs. */
  readonly inside: readonly string[]
  /** Interface names towards registrars, providers and far phones. */
  readonly outside: readonly string[]
  /** Also what this machine itself connects to outside, and is connected to. Default false. */
  readonly machine?: boolean
  /** What packets for the proxy's sockets are marked with; a routing rule sends that mark to this machine. */
  readonly mark: number
  /** Name of the set of ports in the same table. Default `sip_ports`. */
  readonly portSet?: string
  /** Where the proxy listens. */
  readonly port: number
  /** NFQUEUE number of segments that ask for a connection. */
  readonly queue: number
  /**
   * Shows them before destination NAT, too, and gets those that were translated: for kernels that do not send conntracks along.
   * Default: no such chain.
   */
  readonly firstPacketQueue?: number
  /** Whether somebody can say where a connection was made to that destination NAT has changed; else it is left alone. Default true. */
  readonly translates?: boolean
}

/** After destination NAT (NF_IP_PRI_NAT_DST, -100): a packet's destination is final. */
const AFTER_DESTINATION_NAT = -90
/** NF_IP_PRI_MANGLE: behind conntrack (-200), before NF_IP_PRI_NAT_DST. */
const BEFORE_DESTINATION_NAT = -150
/** After everybody's filters: what they drop never gets here. */
const AFTER_FILTERS = 150

/** Where the proxy listens: at no address of a wire, so that nobody connects to it by himself. */
export const LISTENERS: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' }

/** Mark of packets that are sent to this machine by itself: a segment that was held, and what programs here say on a proxied connection. */
export const ownMark = (mark: number): number => (mark + 1) >>> 0

/** The set of inside TCP endpoints that connections from outside may be taken for, whatever their port. */
export const contactSet = (family: Family): string => `tcp_contacts${family}`

const FAMILIES: readonly Family[] = [4, 6]

/** Both of these sets, empty. */
export const contactSets: readonly NamedSet[] = FAMILIES.map((family) => ({
  name: contactSet(family),
  type: [family === 4 ? 'ipv4_addr' : 'ipv6_addr', 'inet_service'],
  elements: [],
}))

/**
 * The sets and chains that bring connections to the proxy, as data, for a table that has the set of ports, and the sets `inside`
 * and `outside`.
 *
 * * `tcp_forward`, and with `machine` `tcp_input` and `tcp_output` (filter, priority 150): segments that ask for a connection between
 *   inside and outside, to one of the ports, or as an expectation let them in to an endpoint in `tcp_contacts4` or `tcp_contacts6`, go to
 *   the queue. The filters have seen them: what they drop is not ours to take.
 * * `tcp` (filter, prerouting, priority -90): a held segment that was sent again, by way of `lo`, goes to the listener; packets of
 *   connections that the proxy has, and ICMP errors about them, to its sockets.
 * * `tcp_own` (route, output), with `machine`: what programs of this machine say on proxied connections goes to the proxy; their
 *   conntracks have a mark of the proxy's.
 * * `tcp_arrivals` (filter, prerouting, priority -150), with `firstPacketQueue`.
 *
 * Everything asks for a socket, or for somebody who listens to the queue. Without a process there is none, no rule holds, and the
 * packets go on as without these chains.
 */
export function proxyRules(options: ProxyRulesOptions): { sets: NamedSet[]; chains: Chain[] } {
  const { machine = false, firstPacketQueue, mark, queue, portSet = 'sip_ports' } = options
  const toPort: Expression = { kind: 'dport-set', protocol: 'tcp', set: portSet }
  const asks: Rule[] = [{ expressions: [...isNew, { kind: 'goto', chain: 'tcp_new' }] }]
  const foreign: Rule = { expressions: [...isNew, isNobodysProxy, { kind: 'goto', chain: 'tcp_new' }] }
  const chains: Chain[] = [
    base('tcp', 'prerouting', AFTER_DESTINATION_NAT, prerouting(options)),
    base('tcp_forward', 'forward', AFTER_FILTERS, asks),
    { name: 'tcp_new', rules: newConnections(machine, toPort) },
    { name: 'tcp_syn', rules: [...translated(options), { expressions: toQueue(queue) }] },
  ]
  if (machine) {
    chains.push(base('tcp_input', 'input', AFTER_FILTERS, asks))
    chains.push(base('tcp_output', 'output', AFTER_FILTERS, [foreign]))
    chains.push({ ...base('tcp_own', 'output', BEFORE_DESTINATION_NAT, [ownRule(mark)]), type: 'route' })
  }
  if (firstPacketQueue !== undefined)
    chains.push(base('tcp_arrivals', 'prerouting', BEFORE_DESTINATION_NAT, arrivals(firstPacketQueue, toPort)))
  return { sets: [...contactSets], chains }
}

const [ICMP, TCP, ICMPV6] = [1, 6, 58]
const isTcp: Expression = { kind: 'l4proto', is: TCP }
/** Not `ct state new`: a segment that is sent again has a conntrack, and is the kernel's to bring to its socket. */
const isNew: readonly Expression[] = [{ kind: 'tcp-syn' }, { kind: 'ct-status', any: ['confirmed'], negate: true }]
const isNobodysProxy: Expression = { kind: 'socket-transparent', negate: true }
const fromInside: Expression = { kind: 'iifname-set', set: 'inside' }
const toInside: Expression = { kind: 'oifname-set', set: 'inside' }
const fromOutside: Expression = { kind: 'iifname-set', set: 'outside' }
const toOutside: Expression = { kind: 'oifname-set', set: 'outside' }
const fromHere: Expression = { kind: 'iif', is: 0 }
const toHere: Expression = { kind: 'oif', is: 0 }
const isQueued: Expression = { kind: 'goto', chain: 'tcp_syn' }

const base = (name: string, hook: NonNullable<Chain['hook']>, priority: number, rules: readonly Rule[]): Chain => ({
  name,
  type: 'filter',
  hook,
  priority,
  policy: 'accept',
  rules,
})

const toQueue = (number: number): Expression[] => [{ kind: 'counter' }, { kind: 'queue', number, bypass: true }]

const toUs = (mark: number): Expression[] => [
  { kind: 'set-mark', to: mark },
  { kind: 'verdict', verdict: 'accept' },
]

function prerouting({ inside, outside, mark, port }: ProxyRulesOptions): Rule[] {
  const wires: Expression = { kind: 'iifname', in: [...inside, ...outside] }
  const fromLoopback: Expression[] = [isTcp, { kind: 'iifname', in: ['lo'] }, { kind: 'mark', is: ownMark(mark) }]
  const sent = FAMILIES.map((family): Rule => {
    const tproxy: Expression = { kind: 'tproxy', address: LISTENERS[family], port }
    return { expressions: [...fromLoopback, tproxy, { kind: 'counter' }, ...toUs(mark)] }
  })
  // A phone may use its port again while the last connection's end is still remembered.
  const asks: Rule = { expressions: [...isNew, { kind: 'verdict', verdict: 'accept' }] }
  const known = [TCP, ICMP, ICMPV6].map((is): Rule => {
    return { expressions: [{ kind: 'l4proto', is }, wires, { kind: 'socket-transparent' }, ...toUs(mark)] }
  })
  return [...sent, asks, ...known]
}

/** New connections between the two sides. */
function newConnections(machine: boolean, toPort: Expression): Rule[] {
  const rule = (comment: string, ...expressions: Expression[]): Rule => ({
    expressions: [...expressions, isQueued],
    comment,
  })
  // A new connection that an expectation let in is "related" until it is answered.
  const expected = FAMILIES.map((family) => {
    const key = [family === 4 ? 'ip daddr' : 'ip6 daddr', 'tcp dport'] as const
    const isRelated: Expression = { kind: 'ct-state', any: ['related'] }
    return rule('expected', fromOutside, isRelated, { kind: 'key-set', key, set: contactSet(family) })
  })
  const own = [rule('own, out', fromHere, toOutside, toPort), rule('own, in', fromOutside, toHere, toPort)]
  return [
    rule('out', fromInside, toOutside, toPort),
    rule('in', fromOutside, toInside, toPort),
    ...(machine ? own : []),
    ...expected,
  ]
}

/** What stays on this machine anyway is on its way to the program, not to the proxy. */
const ownRule = (mark: number): Rule => ({
  expressions: [
    isTcp,
    { kind: 'ct-mark', is: ownMark(mark) },
    { kind: 'oifname', in: ['lo'], negate: true },
    { kind: 'set-mark', to: ownMark(mark) },
  ],
})

/** Connections that were made to another destination. */
function translated({ translates = true, firstPacketQueue }: ProxyRulesOptions): Rule[] {
  const isTranslated: Expression = { kind: 'ct-status', any: ['dnat'] }
  if (!translates) return [{ expressions: [isTranslated, { kind: 'verdict', verdict: 'accept' }] }]
  return firstPacketQueue === undefined ? [] : [{ expressions: [isTranslated, ...toQueue(firstPacketQueue)] }]
}

function arrivals(queue: number, toPort: Expression): Rule[] {
  return [fromInside, fromOutside].map((from) => ({ expressions: [...isNew, toPort, from, ...toQueue(queue)] }))
}
