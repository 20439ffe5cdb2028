import type { Endpoint, Family } from './endpoint.js'

/** `struct nf_conntrack_tuple`: one direction of a flow, as the kernel keys it. */
export interface Tuple {
  readonly family: Family
  /** IP protocol number: 17 UDP, 6 TCP. */
  readonly protocol: number
  readonly source: Endpoint
  readonly destination: Endpoint
}

/** Both directions of a conntrack. `original` is how the first packet arrived; `reply` is how an answer arrives. */
export interface TuplePair {
  readonly original: Tuple
  readonly reply: Tuple
}
