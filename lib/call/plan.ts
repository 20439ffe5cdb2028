import type { CallInfo, Refusal, RegistrationInfo } from '../../types/call.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { Path } from './media.js'

/** A stream whose far end is on hold, as music for it is to be addressed. */
export interface HeldStream {
  readonly family: Family
  readonly outside: Endpoint
  readonly far: Endpoint
}

/** The streams that the inside holds in one call, from now on; none: it was resumed, or is over. */
export interface HeldCall {
  readonly call: object
  readonly streams: readonly HeldStream[]
}

/** Something the outside world may want to know. */
export type CallEvent =
  | { readonly kind: 'call' | 'hold' | 'resume' | 'end'; readonly call: CallInfo }
  | { readonly kind: 'registration' | 'unregistration'; readonly registration: RegistrationInfo }
  | { readonly kind: 'refused'; readonly refusal: Refusal }

/**
 * What a message, or the passing of time, asks for. Pure data, but for `edits`: it is called after the ways in `open` stand, as
 * their outside ports may move until then.
 */
export interface Plan {
  /** To be open before the message leaves. */
  readonly open: Path[]
  /** To be shut first, live flows included. */
  readonly close: Path[]
  /** Signalling flows whose conntracks shall live so long, seconds; 0: no longer than others. */
  readonly keepAlive: { readonly flow: Flow; readonly seconds: number }[]
  readonly events: CallEvent[]
  /** Calls on hold, and those that were. */
  readonly held: HeldCall[]
  /** Replacements in the message, in ascending order. */
  edits(): Edit[]
}
