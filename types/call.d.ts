import type { Endpoint, Family } from './endpoint.js'
import type { Side, Transport } from './flow.js'

/** `calling`: asked, not answered; `early`: answered provisionally; `answered`: 2xx seen; `ending`: BYE or CANCEL under way; `ended`. */
export type CallState = 'calling' | 'early' | 'answered' | 'ending' | 'ended'

/** Why a call ended. */
export type EndReason =
  | 'bye'
  | 'refused'
  | 'challenged'
  | 'redirected'
  | 'cancelled'
  | 'bye-unanswered'
  | 'no-answer'
  | 'idle'
  | 'session-expired'
  | 'shutdown'
  | 'budget'

/** Why a pinhole was not opened, or a message was not helped. Literal, counted, reported with the `refused` event. */
export type RefusalReason =
  /** A script's edits met ours, or each other. */
  | 'edits-overlap'
  /** A script's edits of a message over TCP, where connections are followed and nothing is changed. */
  | 'edits-impossible'
  | 'port-reserved'
  | 'address-foreign'
  | 'address-gateway'
  | 'address-family'
  | 'address-group'
  | 'host-name'
  | 'port-count'
  | 'candidates-exhausted'
  | 'transport-unsupported'
  | 'ports-exhausted'
  | 'expectation-table-full'
  | 'kernel-refused'
  | 'sdp-malformed'
  | 'body-encrypted'
  | 'body-signed'
  | 'body-encoded'
  | 'identity-broken'
  /** Refuses nothing: the far side sees another address than the gateway's (RFC 3261 18.2.1), so another NAT is on the way. Once a pair. */
  | 'nat-beyond'
  | 'calls-exhausted'
  | 'forks-exhausted'
  | 'registrations-exhausted'
  | 'host-calls-exhausted'
  | 'host-registrations-exhausted'
  | 'host-ports-exhausted'
  | 'call-rate-exceeded'
  | 'pinholes-exhausted'
  | 'message-too-large'
  | 'headers-too-many'

/** A live call, as `calls()` and the `call` event show it. A snapshot: it does not change under the reader. */
export interface CallInfo {
  readonly callId: string
  readonly state: CallState
  /** Who sent the INVITE. */
  readonly caller: Side
  /** What carried the first request; later ones may come by the other. */
  readonly transport: Transport
  readonly inside: Endpoint
  readonly peer: Endpoint
  /** Milliseconds since the epoch. */
  readonly since: number
  readonly held: boolean
  readonly streams: readonly StreamInfo[]
  readonly endReason?: EndReason
}

/** One media stream of a call. */
export interface StreamInfo {
  readonly type: string
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly far: Endpoint | undefined
}

/** An open way through the firewall, as `pinholes()` shows it. */
export interface PinholeInfo {
  readonly kind: 'media' | 'signalling'
  readonly transport: Transport
  readonly family: Family
  readonly inside: Endpoint
  readonly outside: Endpoint
  /** Port 0: any. */
  readonly far: Endpoint
  /** Expectations in the kernel; 0 once both directions have settled. */
  readonly expectations: number
  /** Flows that conntrack has admitted through it. */
  readonly flows: number
  readonly callId?: string
  /** The first direction not yet answered. */
  readonly early: boolean
}

/** A registration that the registrar has granted. */
export interface RegistrationInfo {
  readonly aor: string
  /** Of the contact. */
  readonly transport: Transport
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly registrar: Endpoint
  /** Milliseconds since the epoch. */
  readonly expiresAt: number
}

/** A refusal, as the `refused` event shows it. */
export interface Refusal {
  readonly reason: RefusalReason
  readonly callId: string
  /** One sentence for a person. */
  readonly detail: string
}
