/** IP version. */
export type Family = 4 | 6

/**
 * A transport address. `address` is canonical text: dotted quad, or RFC 5952 without brackets or zone.
 * `port` is 0..65535 in host order.
 */
export interface Endpoint {
  readonly address: string
  readonly port: number
}
