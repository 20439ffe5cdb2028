/**
 * A message that has begun, and of which nothing more has come for so long, is none: TCP itself gives up then (RFC 9293 3.9.1.1, user
 * timeout). However slow it comes, it is waited for: senders say again what was lost up to two minutes later (Linux, TCP_RTO_MAX).
 */
export const STALLED_MS = 300_000

/** The stream is not of the protocol, or breaks it: nobody can say where the next message begins. */
export interface Over {
  readonly kind: 'foreign' | 'malformed'
  readonly reason: string
}

/** What comes next in a stream; `filler` passes as it is. */
export type Part<Message> =
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'filler'; readonly bytes: Uint8Array }
  | Over

/** Cuts one direction of a connection into messages, however it comes in pieces; `SipStream` is one. */
export interface Cutter<Message> {
  /** Bytes that wait for the rest of their message. */
  readonly size: number
  /** Takes the next piece, which is kept and must not change. */
  push(chunk: Uint8Array): void
  /** The next part, or undefined until more has come. Its bytes stay good. */
  next(): Part<Message> | undefined
  /** Takes out everything that has not been given out. */
  rest(): Uint8Array
}
