import type { Endpoint, Family } from './endpoint.js'

/** Which way a packet crosses the gateway. */
export type Way = 'out' | 'in'

/** Who said something: a host inside, or the far side. */
export type Side = 'inside' | 'outside'

/** What carries the signalling. TLS over either is not read, and so is neither. */
export type Transport = 'udp' | 'tcp'

/** An inside endpoint and what the outside sees in its place. Equal ends: no address translation. */
export interface Binding {
  /** Ports of the two transports are two things. */
  readonly transport: Transport
  readonly inside: Endpoint
  readonly outside: Endpoint
  /**
   * Where the inside leaves out a default port, so that the way back leaves it out too: bit n of a word is value n of a header
   * (lib/call/rewrite.ts). Undefined until it does.
   */
  implied: Uint32Array | undefined
}

/** One signalling flow, as conntrack knows it: a UDP flow, or one TCP connection. */
export interface Flow {
  readonly family: Family
  /** Its own ends; of a TCP connection from inside that is where it comes from, not where its phone listens. */
  readonly binding: Binding
  /** The far end of the signalling: registrar, proxy or phone. */
  readonly peer: Endpoint
}
