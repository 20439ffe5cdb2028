import type { MalformedSip, NotSip } from '../../types/sip.js'
import { ASCII, equalsIgnoreCase, isAlpha, isDigit } from '../base/ascii.js'

const { CLASS, COLON, CR, GREATER, LESS, LF, QUOTE, SP, TOKEN } = ASCII

/** What `scanStartLine` found last; one object for all calls. Positions count like the scanned bytes. */
export const startLine = {
  isRequest: false,
  methodStart: 0,
  methodEnd: 0,
  uriStart: 0,
  uriEnd: 0,
  statusCode: 0,
  /** First byte of the next line. */
  next: 0,
}

const VERSION = 'sip/2.0'

/** Reads the request line or status line at `start` (RFC 3261 7.1, 7.2). LF alone ends it too. */
export function scanStartLine(bytes: Uint8Array, start: number, end: number): 'found' | NotSip | MalformedSip {
  let to = start
  while (to < end && bytes[to] !== LF) to++
  startLine.next = to < end ? to + 1 : end
  if (to > start && bytes[to - 1] === CR) to--
  if (equalsIgnoreCase(bytes, start, Math.min(start + 4, to), 'sip/')) return statusLine(bytes, start, to)
  return requestLine(bytes, start, to)
}

function statusLine(bytes: Uint8Array, start: number, end: number): 'found' | MalformedSip {
  const afterVersion = start + VERSION.length
  if (afterVersion >= end || !equalsIgnoreCase(bytes, start, afterVersion, VERSION)) return 'sip-version'
  if (bytes[afterVersion] !== SP) return isDigit(bytes[afterVersion]!) ? 'sip-version' : 'start-line'
  const code = afterVersion + 1
  if (code + 3 > end) return 'status-code'
  let value = 0
  for (let i = code; i < code + 3; i++) {
    if (!isDigit(bytes[i]!)) return 'status-code'
    value = value * 10 + bytes[i]! - 48
  }
  if (code + 3 < end && bytes[code + 3] !== SP) return 'status-code'
  if (value < 100 || value > 699) return 'status-code'
  startLine.isRequest = false
  startLine.statusCode = value
  startLine.uriStart = startLine.uriEnd = startLine.methodStart = startLine.methodEnd = start
  return 'found'
}

function requestLine(bytes: Uint8Array, start: number, end: number): 'found' | 'not-sip' | MalformedSip {
  let methodEnd = start
  while (methodEnd < end && (CLASS[bytes[methodEnd]!]! & TOKEN) !== 0) methodEnd++
  const uriEnd = end - VERSION.length - 1
  const isShaped =
    methodEnd > start &&
    bytes[methodEnd] === SP &&
    uriEnd > methodEnd &&
    bytes[uriEnd] === SP &&
    equalsIgnoreCase(bytes, uriEnd + 1, end, VERSION)
  if (!isShaped) return explain(bytes, start, end)
  if (!isUri(bytes, methodEnd + 1, uriEnd)) return 'start-line'
  startLine.isRequest = true
  startLine.statusCode = 0
  startLine.methodStart = start
  startLine.methodEnd = methodEnd
  startLine.uriStart = methodEnd + 1
  startLine.uriEnd = uriEnd
  return 'found'
}

/** A scheme, a colon, something; no white space, quotes or angle brackets (RFC 4475 3.1.2.7 to 3.1.2.9). */
function isUri(bytes: Uint8Array, start: number, end: number): boolean {
  if (start >= end || !isAlpha(bytes[start]!)) return false
  let colon = -1
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte <= SP || byte === LESS || byte === GREATER || byte === QUOTE) return false
    if (byte === COLON && colon < 0) colon = i
  }
  return colon > start && colon < end - 1
}

/** Why a line is no request line: it says another version, it says SIP and is garbled, or it is another protocol's. */
function explain(bytes: Uint8Array, start: number, end: number): 'not-sip' | MalformedSip {
  for (let i = start + 1; i + 4 <= end; i++) {
    if (bytes[i - 1] !== SP || !equalsIgnoreCase(bytes, i, i + 4, 'sip/')) continue
    return equalsIgnoreCase(bytes, i, Math.min(i + VERSION.length, end), VERSION) ? 'start-line' : 'sip-version'
  }
  return 'not-sip'
}
