import { ASCII, isSpace, isToken, quotedEnd, skipSpace } from '../base/ascii.js'
import { type AddressSink, hostPort, pushHostPort, readHostPort } from './address-sink.js'

const { COMMA, QUOTE } = ASCII

/**
 * Adds the addresses of a Warning value (RFC 3261 20.43): the warn-agent of each `code agent "text"`. An agent may be a pseudonym,
 * which reads as a host name. False when malformed.
 */
export function scanWarning(sink: AddressSink, start: number, end: number): boolean {
  const { bytes } = sink
  let at = start
  for (;;) {
    at = skipSpace(bytes, at, end)
    const code = at
    while (at < end && isToken(bytes[at]!)) at++
    if (at === code || at >= end || !isSpace(bytes[at]!)) return false
    if (!readHostPort(bytes, skipSpace(bytes, at, end), end, false)) return false
    at = skipSpace(bytes, hostPort.end, end)
    if (at >= end || bytes[at] !== QUOTE) return false
    pushHostPort(sink, 'warn-agent', '')
    at = quotedEnd(bytes, at, end)
    if (at < 0) return false
    sink.index++
    at = skipSpace(bytes, at, end)
    if (at === end) return true
    if (bytes[at] !== COMMA) return false
    at++
  }
}
