import type { Endpoint } from './endpoint.js'
import type { Tuple, TuplePair } from './tuple.js'

/** A conntrack entry as ctnetlink shows it. */
export interface ConntrackEntry extends TuplePair {
  /** CTA_ID, 32 bit. */
  readonly id?: number
  /** CTA_STATUS: enum ip_conntrack_status bits. */
  readonly status?: number
  /** CTA_TIMEOUT, seconds. */
  readonly timeoutSec?: number
  /** CTA_MARK. */
  readonly mark?: number
  /** CTA_ZONE. */
  readonly zone?: number
  /** CTA_HELP name. */
  readonly helper?: string
  /** CTA_TUPLE_MASTER: the master's original tuple, on expected (RELATED) flows. */
  readonly master?: Tuple
  /** CTA_COUNTERS_ORIG and _REPLY, where accounting is on. */
  readonly counters?: { readonly original: Counter; readonly reply: Counter }
  /** CTA_PROTOINFO_TCP_STATE: enum tcp_conntrack, on TCP flows. */
  readonly tcpState?: number
  /** CTA_TIMESTAMP_START and _STOP, milliseconds since the epoch, where net.netfilter.nf_conntrack_timestamp is on. */
  readonly startedMs?: number
  readonly stoppedMs?: number
  /** CTA_LABELS, 16 bytes. */
  readonly labels?: Uint8Array
  /** Attributes this library has no name for. */
  readonly unknown?: readonly { readonly type: number; readonly bytes: Uint8Array }[]
}

export interface Counter {
  readonly packets: number
  readonly bytes: number
}

/** What IPCTNL_MSG_CT_NEW may set. */
export interface NewConntrack extends TuplePair {
  /** enum ip_conntrack_status bits. */
  readonly status?: number
  readonly timeoutSec: number
  readonly mark?: number
  readonly zone?: number
  /** Helper name, up to 15 characters. */
  readonly helper?: string
  /** CTA_NAT_DST: where the original direction's packets are sent instead. `reply` is then given as without it. */
  readonly destinationNat?: Endpoint
}

/** NF_CT_EXPECT_* flags. */
export interface ExpectationFlags {
  /** NF_CT_EXPECT_PERMANENT: not consumed by the first match. */
  readonly permanent?: boolean
}

/** An expectation as written to and read from the kernel (CTA_EXPECT_*). */
export interface Expectation {
  /** The master's original tuple (CTA_EXPECT_MASTER). */
  readonly master: Tuple
  readonly tuple: Tuple
  /** Same shape as `tuple`: addresses and ports as masks; source port 0 matches any. */
  readonly mask: Tuple
  /** CTA_EXPECT_CLASS, index into the helper's policies. */
  readonly class: number
  readonly flags?: ExpectationFlags
  /** CTA_EXPECT_NAT: where the destination is mapped to, and for which direction of the master. */
  readonly nat?: { readonly direction: 0 | 1; readonly to: Endpoint }
  /** CTA_EXPECT_FN: `sip`, `nat-follow-master`. */
  readonly function?: string
  /** CTA_EXPECT_ID, when read. */
  readonly id?: number
  /** CTA_EXPECT_TIMEOUT, seconds, when read. */
  readonly timeoutSec?: number
  readonly helper?: string
  readonly zone?: number
}

/** What IPCTNL_MSG_CT_NEW may change of a standing entry. */
export interface ConntrackChanges {
  /** Seconds from now. EPERM on an entry with IPS_FIXED_TIMEOUT. */
  readonly timeoutSec?: number
  readonly mark?: number
  /** CTA_MARK_MASK: the bits `mark` replaces; default all. */
  readonly markMask?: number
  /** The whole word: bits that cannot be unset (EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED) must be repeated, else EBUSY. */
  readonly status?: number
}

/** One step of a batch; the kernel executes the steps in order. */
export type ConntrackOperation =
  | { readonly kind: 'create-conntrack'; readonly conntrack: NewConntrack }
  | ({ readonly kind: 'update-conntrack'; readonly tuple: Tuple; readonly zone?: number } & ConntrackChanges)
  /** The result has the entry. `tuple` may be that of either direction, here and below. */
  | { readonly kind: 'get-conntrack'; readonly tuple: Tuple; readonly zone?: number }
  /** `id` guards against deleting a successor with the same tuple. */
  | { readonly kind: 'delete-conntrack'; readonly tuple: Tuple; readonly id?: number; readonly zone?: number }
  | { readonly kind: 'create-expectation'; readonly expectation: Expectation }
  /** The timeout is all the kernel changes of a standing expectation; the rest of `expectation` finds it. */
  | { readonly kind: 'update-expectation'; readonly expectation: Expectation; readonly timeoutSec: number }
  /** Finds as the packet would: the first standing expectation that covers `tuple`; with `id`, ENOENT unless it is that one. */
  | { readonly kind: 'delete-expectation'; readonly tuple: Tuple; readonly id?: number; readonly zone?: number }

/** `errno` 0: done. Otherwise positive, with its name (`EBUSY`) and the kernel's sentence if any. */
export interface OperationResult {
  readonly errno: number
  readonly errnoName?: string
  readonly kernelMessage?: string
  /** What `get-conntrack` found. */
  readonly entry?: ConntrackEntry
}

/** ctnetlink multicast events. */
export type ConntrackEvent =
  | { readonly kind: 'conntrack-new' | 'conntrack-update' | 'conntrack-destroy'; readonly entry: ConntrackEntry }
  | { readonly kind: 'expectation-new' | 'expectation-destroy'; readonly expectation: Expectation }
  /** ENOBUFS: the kernel dropped events; state must be read again. */
  | { readonly kind: 'overrun' }

/** What is cheap to know of a conntrack event before it is decoded. One object is reused for all events: do not keep it. */
export interface RawConntrackEvent {
  readonly kind: 'conntrack-new' | 'conntrack-update' | 'conntrack-destroy'
  /** CTA_ID. */
  readonly id: number
  /** CTA_STATUS. */
  readonly status: number
  /** CTA_MARK, 0 when there is none. */
  readonly mark: number
  /** It is an expected (RELATED) flow: it names its master, or its status has IPS_EXPECTED. */
  readonly isExpected: boolean
}

/** A user-space helper as nfnetlink_cthelper registers it (NFNL_MSG_CTHELPER_NEW). */
export interface HelperRegistration {
  readonly name: string
  /** L3 protocol number: 2 AF_INET, 10 AF_INET6. */
  readonly family: 2 | 10
  readonly protocol: number
  readonly enabled: boolean
  /** Up to 4; `maxExpected` 0 is unlimited. */
  readonly policies: readonly { readonly name: string; readonly maxExpected: number; readonly timeoutSec: number }[]
}

/** Which source ports of an announced address may send: the announced one, the first that speaks and then no other, or all. */
export type SourcePolicy = 'exact' | 'latch' | 'address'
