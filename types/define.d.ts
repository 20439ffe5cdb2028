import type { PinholeInfo } from './call.js'
import type { Endpoint } from './endpoint.js'
import type { Way } from './flow.js'
import type { QueueCounters } from './nfqueue.js'
import type { Range } from './range.js'

/** What `defineHelper` takes: a connection-tracking helper for a UDP protocol of one's own. */
export interface DefineHelperOptions {
  /** Lower case letters, digits and hyphens, at most 20. The table is called `inet cthelper-NAME`. */
  readonly name: string
  /** Ports of the protocol's servers. Packets to them and from them are shown, both ways. */
  readonly ports: readonly number[]
  /** The only one there is. */
  readonly protocol: 'udp'
  /** Interface names towards the hosts that are helped; not `lo`. */
  readonly inside: readonly string[]
  /** Interface names towards everybody else. */
  readonly outside: readonly string[]
  /** Network namespace path. Default: the process's own. */
  readonly netns?: string
  /** First NFQUEUE number; the next one serves kernels without NFQA_CT. Each helper needs its own. Default 5080. */
  readonly queue?: number
  /** How long a way outlives this process, if it is killed, seconds. Default 120. */
  readonly leaseSec?: number
  readonly budgets?: {
    /** Ways in all. Default 10,000. */
    readonly pinholes?: number
    /** Ways to one inside host. Default 1000. */
    readonly pinholesPerHost?: number
  }
  readonly onPacket: OnPacket
}

/**
 * Called with every datagram of the protocol that crosses, in the form in which it came: outwards with inside addresses, inwards with
 * outside ones. It must decide at once. What it throws is reported (`error`), whatever it asked for is forgotten, and the datagram passes
 * as it is.
 */
export type OnPacket = (packet: HelperPacket, context: PacketContext) => void

/** A datagram. */
export interface HelperPacket {
  /** The payload alone, borrowed until `onPacket` returns. */
  readonly bytes: Uint8Array
  readonly way: Way
}

/** What is known of a datagram's flow, and what may be done. Good until `onPacket` returns: its methods throw ERR_ARGUMENT from then on. */
export interface PacketContext {
  readonly way: Way
  /** The inside end, what the outside sees in its place (equal without translation), and the far end. */
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  /**
   * Replaces a range of the payload (text as UTF-8), `start === end` inserts; lengths and checksums follow. Throws ERR_ARGUMENT for a range
   * outside the payload, or one that meets an earlier one.
   */
  replace(range: Range, text: string | Uint8Array): void
  /** The datagram ends here, and nothing opens for it. */
  drop(): void
  /**
   * Asks for a way in, with its translation, that stands before the datagram goes on, for as many flows as come through it. Returns the
   * outside endpoint at which it lets in: what a protocol that announces ports puts into its payload. Undefined when there is none to be
   * had (event `refused`); the datagram goes on. Asked for again, or when one stands that lets in as much, its lifetime is
   * prolonged. Throws ERR_ARGUMENT for values that are none.
   */
  expect(expected: ExpectedFlow): Endpoint | undefined
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
  /** Seconds, 1 to 86,400. The way is shut after it, to the second; flows that came through it live on as conntracks. */
  readonly lifetimeSec: number
}

/** Why a datagram was not helped in full. It went on all the same. */
export type HelperRefusal =
  | 'pinholes-exhausted'
  | 'host-pinholes-exhausted'
  /** Another inside host has a way at this outside endpoint from there. */
  | 'outside-taken'
  /** The kernel would not open the way. */
  | 'kernel-refused'
  /** With its edits it would not fit an IP packet. */
  | 'packet-too-large'

/** Events of a helper that `defineHelper` made. */
export interface DefinedHelperEvents {
  pinhole: [change: { readonly kind: 'open' | 'close'; readonly pinhole: PinholeInfo }]
  refused: [refusal: { readonly reason: HelperRefusal; readonly detail: string }]
  /** What `onPacket` threw, or a failure that is no packet's fault. Without a listener it becomes a process warning. */
  error: [error: Error]
}

/** What `status()` of such a helper gives: a snapshot. */
export interface DefinedHelperStatus {
  readonly isRunning: boolean
  /** Counts by literal name: `packets`, `rewritten`, `dropped`, `failed`, `flow-unknown`, refusals by their reason. */
  readonly counters: Readonly<Record<string, number>>
  readonly sizes: { readonly pinholes: number; readonly flows: number }
  readonly queues: readonly ({ readonly number: number } & QueueCounters)[]
  /** Whose expectation policy is used: our own helper, or the kernel's `sip`. */
  readonly carrier: 'cthelper' | 'sip' | undefined
}
