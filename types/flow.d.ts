import type { Endpoint, Family } from './endpoint.js'

/** Which way a packet crosses the gateway. */
export type Way = 'out' | 'in'

/** Who said something: a host inside, or the far side. */
export type Side = 'inside' | 'outside'

/** An inside endpoint and what the outside sees in its place. Equal ends: no address translation. */
export interface Binding {
  readonly inside: Endpoint
  readonly outside: Endpoint
  /** Header values (bits of lib/call/rewrite.ts) in which the inside leaves out a default port, so that the way back does, too. */
  impliedPort: number
}

/** One signalling flow, as conntrack knows it. */
export interface Flow {
  readonly family: Family
  readonly binding: Binding
  /** The far end of the signalling: registrar, proxy or phone. */
  readonly peer: Endpoint
}
