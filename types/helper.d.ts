import type { CallInfo, PinholeInfo, Refusal, RegistrationInfo } from './call.js'
import type { QueueCounters } from './nfqueue.js'

/** Events of `SipHelper`, by name, with what the listener gets. */
export interface HelperEvents {
  /** A call began, or its state changed. */
  call: [call: CallInfo]
  /** A side put the other on hold, or took it back. */
  hold: [call: CallInfo]
  resume: [call: CallInfo]
  /** It is over; `call.endReason` says how. */
  end: [call: CallInfo]
  registration: [registration: RegistrationInfo]
  unregistration: [registration: RegistrationInfo]
  pinhole: [change: { readonly kind: 'open' | 'close'; readonly pinhole: PinholeInfo }]
  /** A message, or a part of it, that was not helped; it went on all the same, unless policy says drop. */
  refused: [refusal: Refusal]
  /** Somebody took down our table or our anchors, and they stand again. */
  repair: [repair: { readonly what: 'table' | 'pinholes'; readonly count: number }]
  /** A failure that is no packet's fault. Without a listener it becomes a process warning. */
  error: [error: Error]
}

/** What `SipHelper.status()` gives: a snapshot. */
export interface HelperStatus {
  readonly isRunning: boolean
  /** Counts by literal name: `requests`, `responses`, `rewritten`, `keep-alive`, `refused-port-reserved` ... */
  readonly counters: Readonly<Record<string, number>>
  /** How many of each thing are held: calls, registrations, ports, bindings, pinholes, flows ... */
  readonly sizes: Readonly<Record<string, number>>
  readonly queues: readonly ({ readonly number: number } & QueueCounters)[]
  /** Whose expectation policy is used: our own helper, or the kernel's `sip`. */
  readonly carrier: 'cthelper' | 'sip' | undefined
  /** Who translates what pinholes let in: the kernel's NAT `function` for expectations, `maps` of our table, or, in mode firewall, `none`. */
  readonly translation: 'function' | 'maps' | 'none' | undefined
  /** Whether the kernel sends conntracks along with queued packets (NFQA_CT). */
  readonly conntrackDelivered: boolean
  /**
   * SIP over TCP: whether connections are made anew by a proxy, or followed as they go by (mode firewall); and if neither, why they pass
   * as they are.
   */
  readonly tcp: { readonly isProxied: boolean; readonly isFollowed: boolean; readonly why: string }
}
