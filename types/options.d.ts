import type { RefusalReason } from './call.js'
import type { OnMessage } from './script.js'

/** What `new SipHelper(options)` takes. Everything but `inside` and `outside` has a default. */
export interface SipHelperOptions {
  /** Interface names towards phones and PBXs; `lo` is this machine itself, for a PBX that runs on it. */
  readonly inside: readonly string[]
  /** Interface names towards registrars, providers and far phones. */
  readonly outside: readonly string[]
  /**
   * `gateway`: phones inside, translated or routed on their way out. `pbx`: a PBX inside, to which SIP ports of the outside address
   * are forwarded, or on this machine. `firewall`: nothing is translated and no byte is changed; ways open for the media of answered
   * calls alone. Default `gateway`.
   */
  readonly mode?: 'gateway' | 'pbx' | 'firewall'
  /** Network namespace to work in: a path such as /run/netns/lab. Default: the process's own. */
  readonly netns?: string
  /** SIP ports, UDP and TCP. Default [5060]. */
  readonly ports?: readonly number[]
  /**
   * Conntrack zone that your rules put this traffic into. Default 0. In another one the table is called `cthelper-zone-N`, so that
   * helpers of several zones, whose addresses may be the same, stand side by side, each with queue numbers of its own.
   */
  readonly zone?: number
  /** First NFQUEUE number; the next one serves kernels without NFQA_CT. Default 5060. */
  readonly queue?: number
  readonly media?: MediaOptions
  /**
   * Who translates the media and signalling that is let in: the kernel's NAT `function` for expectations (nf_nat_sip), or `maps` of our own
   * nft table. `auto`: the function where the kernel has it, else maps. Not in mode firewall. Default `auto`.
   */
  readonly translation?: 'auto' | 'function' | 'maps'
  readonly signalling?: SignallingOptions
  readonly moh?: MusicOnHoldOptions
  readonly cone?: ConeOptions
  /** Installs masquerading on the outside interfaces and turns forwarding on; both are taken back on stop. Default false. */
  readonly masquerade?: boolean
  /** How long a pinhole outlives this process, seconds. Default 120. */
  readonly leaseSec?: number
  readonly policy?: PolicyOptions
  readonly budgets?: BudgetOptions
  readonly tcp?: TcpOptions
  /** A script of your own: reads, edits, marks, rejects or drops every message. Default none. */
  readonly onMessage?: OnMessage
}

export interface MediaOptions {
  /** Outside ports, first and last. Default: the inside port itself while it is free, else from 30000 to 39999. */
  readonly ports?: readonly [number, number]
  /**
   * Which source ports of the announced far address may send: `exact` the announced one; `latch` the first that speaks and then
   * no other; `address` all. Default `latch`.
   */
  readonly source?: 'exact' | 'latch' | 'address'
  /** Who may send before the answer: the signalling `peer`, `none`, or `any`. Default `peer`; in mode firewall `none`. */
  readonly early?: 'peer' | 'none' | 'any'
  /** Inside addresses and prefixes of them (`192.0.2.0/24`), besides the sender's own, that SDP from inside may name. Default none. */
  readonly hosts?: readonly string[]
  /** A call without signalling and without a live media flow for so long is over, seconds. Default 3600. */
  readonly idleSec?: number
}

export interface SignallingOptions {
  /** Who may send requests to a registered contact: the `registrar` it registered with, `any`, or these addresses and networks (`203.0.113.0/24`). Default `registrar`. */
  readonly callers?: 'registrar' | 'any' | readonly string[]
  /**
   * Outside addresses and prefixes of them (`198.51.100.0/24`) whose signalling is helped: trusted servers. That of others passes as
   * it is, and opens nothing. Default: everybody's.
   */
  readonly peers?: readonly string[]
  /**
   * Who opens ways in for signalling. `live`: also calls and requests under way, so that the asked host may answer from any port, and
   * that the far phone and the proxies it names may speak in the call, as long as it lasts. `registered`: registrations alone.
   * Default `live`; in mode firewall `registered`.
   */
  readonly ways?: 'live' | 'registered'
}

/** Cone filtering for other outbound flows, by the same means; `ConeNat` is the same by itself. */
export interface ConeOptions {
  /** Destination ports of the flows, UDP: 3478 for STUN. Default none. No port of `ports`. */
  readonly ports?: readonly number[]
  /** `restricted`: the host that was asked may answer from any of its ports; `full`: anybody may. Default `restricted`. */
  readonly filtering?: 'restricted' | 'full'
}

/** Music on hold from another host or port than the call's. */
export interface MusicOnHoldOptions {
  /**
   * Inside addresses, or prefixes such as 10.0.9.0/24, that music comes from. While a call is held, what they send to its far end leaves
   * with the call's own outside address and port, in the kernel and without a conntrack. Default none: no music is touched.
   */
  readonly sources?: readonly string[]
  /** What becomes of what the held party sends meanwhile. Without `sources` it passes. Default `drop`. */
  readonly heldMedia?: 'drop' | 'pass'
}

/** What happens to a packet that is not helped. Default `accept`: we do not filter what the firewall let through. */
export interface PolicyOptions {
  /** Not SIP at all: keep-alives, STUN, other traffic on the port. */
  readonly notSip?: 'accept' | 'drop'
  /** Begins as SIP and breaks its grammar. */
  readonly malformed?: 'accept' | 'drop'
  /** The kernel refused the pinhole that the message asks for. */
  readonly failure?: 'accept' | 'drop'
  /**
   * A session description under a signature (multipart/signed), where addresses are translated: `leave` it, and its media gets no
   * pinhole, or `edit` it, and its signature breaks. Reported either way (`body-signed`). Default `leave`.
   */
  readonly signed?: 'leave' | 'edit'
}

/** How much there may be. What goes beyond is refused, message by message, counted and reported under a literal reason. */
export interface BudgetOptions {
  /** Live calls in all. Default 100,000. */
  readonly calls?: number
  /** Live calls of one inside host. Default 10,000. */
  readonly callsPerHost?: number
  /** New calls a second from one host, inside or outside. Default 1000. */
  readonly callsPerSecond?: number
  /** Registrations in all. Default 100,000. */
  readonly registrations?: number
  /** Registrations of one inside host. Default 10,000. */
  readonly registrationsPerHost?: number
  /** Media streams a message. Default 32. */
  readonly streams?: number
  /** Pinholes of one call: one a stream and far end. Default 64. */
  readonly pinholesPerCall?: number
  /** Outside media ports of one inside host. Default three quarters of `media.ports`, and no less than 64. */
  readonly portsPerHost?: number
  /** Bytes of one message. Default 65,535. */
  readonly messageBytes?: number
  /** Header lines of one message. Default 256. */
  readonly headers?: number
  /** TCP connections in all; each takes two descriptors when proxied. Default 10,000. */
  readonly connections?: number
  /** TCP connections of one host. Default 4096. */
  readonly connectionsPerHost?: number
  /** Bytes held in memory for the TCP connections of one host, which are reset beyond that. Default 33,554,432. */
  readonly connectionBytesPerHost?: number
}

/**
 * SIP over TCP: connections to a SIP port are made anew by a transparent proxy, and their messages helped as packets are. In mode
 * `firewall`, without `onMessage`, they are followed as they go by, and there is no proxy.
 */
export interface TcpOptions {
  /** `auto`: where the machine has what it takes, see `status().tcp`; `on`: it must; `off`: connections pass as they are. Default `auto`. */
  readonly proxy?: 'auto' | 'on' | 'off'
  /** TCP port of the loopback addresses to listen at. Default 15060. */
  readonly port?: number
  /** Mark of packets that are for the proxy, all 32 bits; what this machine sends it has the next one. Default 0xc8005060. */
  readonly mark?: number
  /** Routing table for that mark. Default 5060. */
  readonly table?: number
}

/** Messages judged without help, by literal reason. */
export type CountedReason = RefusalReason | string
