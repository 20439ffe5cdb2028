import { ASCII, equalsIgnoreCase, isAlpha, skipSpace, skipSpaceBack, text } from '../base/ascii.js'
import { readWholeHost } from '../base/host.js'
import { type AddressSink, hostPort, pushHost, pushHostPort, readHostPort } from './address-sink.js'
import { isParameter, nextParameter, parameter } from './parameter.js'

const { AT, CLASS, COLON, QUESTION, QUOTE, SEMICOLON, TOKEN } = ASCII

/**
 * Adds the addresses of the URI bytes[start, end) (RFC 3261 19.1.1): hostport, then the `maddr` and `received` parameters. A
 * scheme other than sip: and sips: has none. False when it is no URI, or a malformed SIP URI; fields may then have been added,
 * and the caller takes them back. URI headers (`?Replaces=...`) are identities, not addresses, and stay.
 */
export function scanUri(sink: AddressSink, start: number, end: number): boolean {
  const { bytes } = sink
  // RFC 4475 3.1.2.13: spaces inside the angle brackets, harmless to a reader.
  start = skipSpace(bytes, start, end)
  end = skipSpaceBack(bytes, start, end)
  const from = schemeEnd(bytes, start, end)
  if (from < 0) return false
  const isSips = from - start === 5
  if (!isSips && !equalsIgnoreCase(bytes, start, from, 'sip:')) return true
  if (isSips && !equalsIgnoreCase(bytes, start, from, 'sips:')) return true
  const after = scanHost(bytes, from, end)
  if (after < 0) return false
  const position = sink.fields.length
  pushHostPort(sink, 'uri', isSips ? 'sips' : 'sip')
  if (after < end && bytes[after] === SEMICOLON) return scanUriParameters(sink, after, end, position)
  return after === end || bytes[after] === QUESTION
}

/** Position after `scheme:`, or -1. */
function schemeEnd(bytes: Uint8Array, start: number, end: number): number {
  if (start >= end || !isAlpha(bytes[start]!)) return -1
  let at = start + 1
  while (at < end && (CLASS[bytes[at]!]! & TOKEN) !== 0) at++
  return at < end && bytes[at] === COLON ? at + 1 : -1
}

/** Reads the hostport after the user information, and returns the position after it, or -1. */
function scanHost(bytes: Uint8Array, from: number, end: number): number {
  let at = userEnd(bytes, from, end)
  for (;;) {
    if (!readHostPort(bytes, at, end, false)) return -1
    // An unescaped `@` in the user part: whatever stands before the last one is no host.
    if (hostPort.end < end && bytes[hostPort.end] === AT) at = hostPort.end + 1
    else return hostPort.end
  }
}

/** Position after the first `@`, or `from`. The user part may hold `;`, `?` and `/` (RFC 4475 3.1.1.9), a parameter no `@`. */
function userEnd(bytes: Uint8Array, from: number, end: number): number {
  for (let i = from; i < end; i++) if (bytes[i] === AT) return i + 1
  return from
}

function scanUriParameters(sink: AddressSink, at: number, end: number, position: number): boolean {
  const { bytes } = sink
  while (nextParameter(bytes, at, end, 'uri')) {
    at = parameter.next
    const { nameStart, nameEnd, valueStart, valueEnd } = parameter
    // `maddr` 5, `received` 8, `transport` 9: their lengths spare the other names a comparison.
    const length = nameEnd - nameStart
    if (valueEnd === valueStart || (length !== 5 && length !== 8 && length !== 9)) continue
    if (isParameter(bytes, 'transport')) {
      sink.fields[position]!.transport = transportText(bytes, valueStart, valueEnd)
    } else if (isParameter(bytes, 'maddr')) {
      if (!readWholeHost(bytes, valueStart, valueEnd)) return false
      pushHost(sink, 'maddr', valueStart, valueEnd)
    } else if (isParameter(bytes, 'received')) scanReceived(sink, valueStart, valueEnd)
  }
  return parameter.next === end || bytes[parameter.next] === QUESTION
}

const transports = ['udp', 'tcp', 'tls', 'ws', 'wss', 'sctp', 'tls-sctp'] as const

/** A transport's name in lower case; known ones share one string. */
export function transportText(bytes: Uint8Array, start: number, end: number): string {
  for (const transport of transports) if (equalsIgnoreCase(bytes, start, end, transport)) return transport
  return text(bytes, start, end).toLowerCase()
}

/**
 * `received` as registrars add it to a Contact or Path: a host, hostport or SIP URI, quoted or not. No RFC defines it, so one that
 * cannot be read is left alone and spoils nothing.
 */
export function scanReceived(sink: AddressSink, start: number, end: number): void {
  const { bytes } = sink
  if (end - start > 1 && bytes[start] === QUOTE) {
    start++
    end--
  }
  if (equalsIgnoreCase(bytes, start, Math.min(start + 4, end), 'sip:')) start += 4
  else if (readWholeHost(bytes, start, end)) {
    pushHost(sink, 'received', start, end)
    return
  }
  if (!readHostPort(bytes, start, end, false)) return
  if (hostPort.end === end || bytes[hostPort.end] === SEMICOLON) pushHostPort(sink, 'received', '')
}
