import type { NotSip } from '../../types/sip.js'
import { ASCII } from '../base/ascii.js'

const { CR, LF } = ASCII

/** RFC 8489 5. */
const STUN_HEADER = 20

/** Longest keep-alive of NUL bytes or blanks that phones are seen to send. */
const LONGEST_FILLER = 16

/** What a payload is that lives on a SIP port without being SIP; undefined when only reading on can tell. */
export function notSip(bytes: Uint8Array, start: number, end: number): NotSip | undefined {
  if (start >= end) return 'empty'
  const first = bytes[start]!
  if (first > 32) return undefined
  if (first <= 3 && isStun(bytes, start, end)) return 'stun'
  // RFC 5626 4.4.1: CRLFCRLF and CRLF. The others are habits of the field.
  let at = start
  while (at < end && (bytes[at] === CR || bytes[at] === LF)) at++
  if (at === end) return 'keep-alive'
  if (at > start) return undefined
  while (at < end && (bytes[at] === 0 || bytes[at] === 32)) at++
  return at === end && end - start <= LONGEST_FILLER ? 'keep-alive' : 'not-sip'
}

/** Two zero bits, a length that is the datagram's and a multiple of four (RFC 8489 5; also without RFC 3489's missing cookie). */
function isStun(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < STUN_HEADER) return false
  const length = (bytes[start + 2]! << 8) | bytes[start + 3]!
  return (length & 3) === 0 && length + STUN_HEADER === end - start
}
