import type { PinholeInfo } from './call.js'
import type { Endpoint } from './endpoint.js'
import type { Transport, Way } from './flow.js'
import type { QueueCounters } from './nfqueue.js'
import type { Range } from './range.js'

/** What `defineHelper` takes: a connection-tracking helper for a protocol of one's own, over UDP or TCP. */
export type DefineHelperOptions = PacketHelperOptions | StreamHelperOptions

interface AnyHelperOptions {
  /** Lower case letters, digits and hyphens, at most 20. The table is called `inet cthelper-NAME`. */
  readonly name: string
  /** Ports of the protocol's servers. What goes to them and comes from them is shown, both ways. */
  readonly ports: readonly number[]
  /** Interface names towards the hosts that are helped; not `lo`. */
  readonly inside: readonly string[]
  /** Interface names towards everybody else. */
  readonly outside: readonly string[]
  /** Network namespace path. Default: the process's own. */
  readonly netns?: string
  /** How long a way outlives this process, if it is killed, seconds. Default 120. */
  readonly leaseSec?: number
  /** Who translates what ways let in, as for `SipHelper`: the kernel's NAT `function`, `maps` of nft, or what is to be had (`auto`). Default `auto`. */
  readonly translation?: 'auto' | 'function' | 'maps'
  /** First NFQUEUE number; the next one serves kernels without NFQA_CT. Each helper needs its own. Default 5080. */
  readonly queue?: number
  readonly media?: {
    /**
     * Outside ports for `expectMedia`, first and last; stray media to them is dropped at the gateway. No other helper's. Default: the
     * inside port itself while it is free, else from 30000 to 39999.
     */
    readonly ports?: readonly [number, number]
  }
}

interface WayBudgets {
  /** Ways in all. Default 10,000. */
  readonly pinholes?: number
  /** Ways to one inside host. Default 1000. */
  readonly pinholesPerHost?: number
}

/** A helper for datagrams. */
export interface PacketHelperOptions extends AnyHelperOptions {
  readonly protocol: 'udp'
  readonly budgets?: WayBudgets
  readonly onPacket: OnPacket
}

/**
 * A helper for connections. Those between inside and outside to `ports`, as they are behind destination NAT, end in this process and are made
 * anew, with the client's own address.
 */
export interface StreamHelperOptions extends AnyHelperOptions {
  readonly protocol: 'tcp'
  readonly frame: Frame
  readonly onMessage: OnStreamMessage
  readonly budgets?: WayBudgets & {
    /** Bytes of one message; a connection with a larger one passes as it is from there on. Default 65,535. */
    readonly messageBytes?: number
    /** Connections in all; each takes two descriptors. Default 10,000. */
    readonly connections?: number
    /** Connections of one host. Default 4096. */
    readonly connectionsPerHost?: number
    /** Bytes held in memory for the connections of one host. Default 33,554,432. */
    readonly connectionBytesPerHost?: number
  }
  /** What the transparent proxy needs of the machine. Each helper needs its own. */
  readonly tcp?: {
    /** TCP port of the loopback addresses to listen at. Default 15080. */
    readonly port?: number
    /** Mark of packets that are for the proxy, all 32 bits; what this machine sends it has the next one. Default 0xc8005080. */
    readonly mark?: number
    /** Routing table for that mark. Default 5080. */
    readonly table?: number
  }
}

/**
 * Says what comes next in one direction of a connection. `bytes` is all that waits, at least one byte, borrowed until it returns; `from` is
 * what it said last time of the same bytes, with `incomplete`, and 0 at first: where to go on searching. Pure: how the bytes come in pieces
 * must not matter. When it throws, or says what cannot be, that is reported (`error`), and the connection passes as it is from there on.
 */
export type Frame = (bytes: Uint8Array, from: number, way: Way) => Framed

export type Framed =
  /** The first `end` bytes are a message: `onMessage` is asked. */
  | { readonly state: 'message'; readonly end: number }
  /** The first `end` bytes pass as they are, those of them that have not come yet, too. */
  | { readonly state: 'filler'; readonly end: number }
  /** It is asked again when more has come; with `size` not before so many bytes wait. */
  | { readonly state: 'incomplete'; readonly size?: number; readonly from?: number }
  /** Not the protocol: from here on the connection passes as it is, both ways, and is never looked at again. */
  | { readonly state: 'foreign' }

/**
 * Called with every datagram of the protocol that crosses, in the form in which it came: outwards with inside addresses, inwards with
 * outside ones. It must decide at once. What it throws is reported (`error`), whatever it asked for is forgotten, and the datagram passes
 * as it is.
 */
export type OnPacket = (packet: HelperPacket, context: PacketContext) => void

/** Called with every message of a connection, one after the other in each direction; otherwise as `OnPacket`. */
export type OnStreamMessage = (message: HelperPacket, context: StreamContext) => void

/** A datagram, or a message of a stream. */
export interface HelperPacket {
  /** The payload alone, borrowed until the handler returns. */
  readonly bytes: Uint8Array
  readonly way: Way
}

/** What is known of a datagram's flow, and what may be done. Good until the handler returns: its methods throw ERR_ARGUMENT from then on. */
export interface PacketContext {
  readonly way: Way
  /** The inside end, what the outside sees in its place (equal without translation), and the far end. */
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  /**
   * Replaces a range of the payload (text as UTF-8), `start === end` inserts; lengths and checksums follow. A function is called when the
   * ways that were asked for stand, and reads their ports, which may move until then. Throws ERR_ARGUMENT for a range outside the
   * payload, or one that meets an earlier one.
   */
  replace(range: Range, text: string | Uint8Array | (() => string)): void
  /** The datagram ends here, and nothing opens for it. */
  drop(): void
  /**
   * Asks for a way in, with its translation, that stands before the datagram goes on, for as many flows as come through it. Undefined
   * when there is none to be had (event `refused`); the datagram goes on. Asked for again, or when one stands that lets in as much, its
   * lifetime is prolonged. Throws ERR_ARGUMENT for values that are none.
   */
  expect(expected: ExpectedFlow): HelperWay | undefined
  /**
   * Asks for the two-way path of a media stream (UDP): RTP, and RTCP where it has a port of its own. Both ends may begin, as soon as the
   * far port is known, and the far end sees the outside ports whoever does. The first far port that speaks is let in, and no other of that
   * address. Asked for again for the same inside port, by the same connection or with the same far address, it takes the place of what was
   * asked before; outside ports and live flows stay. When it is shut, its live flows end. Otherwise as `expect`.
   */
  expectMedia(expected: ExpectedMedia): MediaWay | undefined
}

/** The same for a message of a stream. */
export interface StreamContext extends PacketContext {
  /** One object for each connection, the same both ways: a key for what the protocol remembers of it. */
  readonly connection: object
  /** The connection ends here, with a reset of both its ends; the message does not go on, and nothing opens for it. */
  close(): void
}

/** Who may come in, where to, and for how long. */
export interface ExpectedFlow {
  /** Address undefined: anybody, with port 0. Port 0: any. */
  readonly from: { readonly address: string | undefined; readonly port: number }
  /**
   * Port of the inside end. Its own one is reached at its outside endpoint; another one, from 1024, at the outside address and, where
   * addresses are translated, the first port from there on whose way is nobody else's.
   */
  readonly to: number
  /** Default: the helper's own. */
  readonly transport?: Transport
  /**
   * Seconds, 1 to 86,400. The way is shut after it, to the second; flows that came through it live on as conntracks. A stream's may be
   * left out: it is then shut with the connection that asked for it last.
   */
  readonly lifetimeSec?: number
}

/** A media stream between the inside host and a far address. */
export interface ExpectedMedia {
  /** Port 0: not known yet, so any of the address may begin. The same for RTCP; default: `port` + 1, or 0 with it. */
  readonly from: { readonly address: string; readonly port: number; readonly rtcpPort?: number }
  /** Port of the inside host, from 1024. */
  readonly to: number
  /** Its port for RTCP. Default: none of its own. */
  readonly rtcpPort?: number
  /** As that of `ExpectedFlow`. */
  readonly lifetimeSec?: number
}

/** A way in: the outside endpoint at which it lets in, which a protocol that announces ports puts into its payload. */
export interface HelperWay extends Endpoint {
  /** Shuts it now, whoever else has asked for it. Nothing, where it is shut, or another has taken its place. */
  close(): void
}

export interface MediaWay extends HelperWay {
  /** Outside port of RTCP, the one behind `port` where addresses are translated; 0: none of its own. */
  readonly rtcpPort: number
}

/** Why a datagram or message was not helped in full. It went on all the same. */
export type HelperRefusal =
  | 'pinholes-exhausted'
  | 'host-pinholes-exhausted'
  /** Another inside host has a way at this outside endpoint from there. */
  | 'outside-taken'
  /** No outside port is left for media. */
  | 'ports-exhausted'
  /** The kernel would not open the way. */
  | 'kernel-refused'
  /** With its edits it would not fit an IP packet. */
  | 'packet-too-large'

/** Events of a helper that `defineHelper` made. */
export interface DefinedHelperEvents {
  pinhole: [change: { readonly kind: 'open' | 'close'; readonly pinhole: PinholeInfo }]
  refused: [refusal: { readonly reason: HelperRefusal; readonly detail: string }]
  /** What the handler or `frame` threw, or a failure that is no packet's fault. Without a listener it becomes a process warning. */
  error: [error: Error]
}

/** What `status()` of such a helper gives: a snapshot. */
export interface DefinedHelperStatus {
  readonly isRunning: boolean
  /**
   * Counts by literal name: `packets` or `messages`, `rewritten`, `dropped`, `failed`, `flow-unknown`, refusals by their reason; of streams also
   * `tcp-connections`, `foreign`, `frame-failed`, `message-too-large`, `message-unfinished` (connections that pass as they are from there
   * on), `tcp-unreachable` and what of the budgets was exhausted.
   */
  readonly counters: Readonly<Record<string, number>>
  /** Of streams also `connections`, `connecting`, `heldBytes`. */
  readonly sizes: Readonly<Record<string, number>> & { readonly pinholes: number; readonly flows: number }
  readonly queues: readonly ({ readonly number: number } & QueueCounters)[]
  /** Whose expectation policy is used: our own helper, or the kernel's `sip`. */
  readonly carrier: 'cthelper' | 'sip' | undefined
  /** Who translates what ways let in. */
  readonly translation: 'function' | 'maps' | undefined
}
