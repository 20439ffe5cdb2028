import type { Family } from '../../types/endpoint.js'
import type { Chain, Expression, NamedSet, Rule } from '../../types/nftables.js'

export interface ProxyRulesOptions {
  /** Interface names towards phones and PBXs. */
  readonly inside: readonly string[]
  /** Interface names towards registrars, providers and far phones. */
  readonly outside: readonly string[]
  /** What packets for the proxy's sockets are marked with; a routing rule sends that mark to this machine. */
  readonly mark: number
  /** Name of the set of ports in the same table. Default `sip_ports`. */
  readonly portSet?: string
  /** Where the proxy listens for connections from inside; for those from outside it is the next port. */
  readonly port: number
}

/** After destination NAT (NF_IP_PRI_NAT_DST, -100): a packet's destination is final. */
const AFTER_DESTINATION_NAT = -90

/** Where the proxy listens: at no address of a wire, so that nobody connects to it by himself. */
export const LISTENERS: Readonly<Record<Family, string>> = { 4: '127.0.0.1', 6: '::1' }

/** The set of inside TCP endpoints that connections from outside may be taken for. */
export const contactSet = (family: Family): string => `tcp_contacts${family}`

/**
 * The sets and chains that bring connections to the proxy, as data, for a table that has a set of ports.
 *
 * * Taken from inside: new connections to one of the ports that would leave by an outside interface. From outside: new connections that
 *   an expectation let in, to an endpoint in `tcp_contacts4` or `tcp_contacts6`. What comes otherwise is not ours to let in: it
 *   would no longer pass the forward chain.
 * * Packets of connections that the proxy has, and ICMP errors about them: to its sockets.
 *
 * Both ask for a socket. Without a process there is none, no rule holds, and the packets go on as without these chains.
 */
export function proxyRules(options: ProxyRulesOptions): { sets: NamedSet[]; chains: Chain[] } {
  const sets = ([4, 6] as const).map(
    (family): NamedSet => ({
      name: contactSet(family),
      type: [family === 4 ? 'ipv4_addr' : 'ipv6_addr', 'inet_service'],
      elements: [],
    }),
  )
  return { sets, chains: [prerouting(options), fromInside(options), fromOutside(options)] }
}

const [ICMP, ICMPV6] = [1, 58]
const isTcp: Expression = { kind: 'l4proto', is: 6 }
const isNew: Expression = { kind: 'ct-state', any: ['new'] }

function prerouting({ inside, outside, mark }: ProxyRulesOptions): Chain {
  const errors = [ICMP, ICMPV6].map(
    (is): Rule => ({
      expressions: [
        { kind: 'l4proto', is },
        { kind: 'iifname', in: [...inside, ...outside] },
        { kind: 'socket-transparent' },
        ...toUs(mark),
      ],
    }),
  )
  const rules: Rule[] = [
    { expressions: [isTcp, { kind: 'iifname', in: inside }, { kind: 'goto', chain: 'tcp_inside' }] },
    { expressions: [isTcp, { kind: 'iifname', in: outside }, { kind: 'goto', chain: 'tcp_outside' }] },
    ...errors,
  ]
  return {
    name: 'tcp',
    type: 'filter',
    hook: 'prerouting',
    priority: AFTER_DESTINATION_NAT,
    policy: 'accept',
    rules,
  }
}

function fromInside({ outside, mark, port, portSet = 'sip_ports' }: ProxyRulesOptions): Chain {
  const condition: Expression[] = [
    isNew,
    { kind: 'dport-set', protocol: 'tcp', set: portSet },
    { kind: 'route-oifname', in: outside },
  ]
  const rules = ([4, 6] as const).map((family) => listenerRule(family, condition, port, mark))
  return { name: 'tcp_inside', rules: [...rules, socketRule(mark)] }
}

function fromOutside({ mark, port }: ProxyRulesOptions): Chain {
  const rules = ([4, 6] as const).map((family) => {
    const key = [family === 4 ? 'ip daddr' : 'ip6 daddr', 'tcp dport'] as const
    // A new connection that an expectation let in is "related" until it is answered.
    const condition: Expression[] = [
      { kind: 'ct-state', any: ['related'] },
      { kind: 'key-set', key, set: contactSet(family) },
    ]
    return listenerRule(family, condition, port + 1, mark)
  })
  return { name: 'tcp_outside', rules: [...rules, socketRule(mark)] }
}

const toUs = (mark: number): Expression[] => [
  { kind: 'set-mark', to: mark },
  { kind: 'verdict', verdict: 'accept' },
]

function listenerRule(family: Family, condition: readonly Expression[], port: number, mark: number): Rule {
  const tproxy: Expression = { kind: 'tproxy', address: LISTENERS[family], port }
  const counter: Expression = { kind: 'counter' }
  return { expressions: [...condition, tproxy, counter, ...toUs(mark)] }
}

/** Behind those for new connections: a phone may use its port again while the last connection's end is still remembered. */
function socketRule(mark: number): Rule {
  return { expressions: [isTcp, { kind: 'socket-transparent' }, ...toUs(mark)] }
}
