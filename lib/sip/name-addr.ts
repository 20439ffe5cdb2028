import { ASCII, isSpace, quotedEnd, skipSpace } from '../base/ascii.js'
import type { AddressSink } from './address-sink.js'
import { isParameter, nextParameter, parameter } from './parameter.js'
import { scanReceived, scanUri } from './uri.js'

const { COLON, COMMA, GREATER, LESS, QUOTE, SEMICOLON } = ASCII

/** What `nextAddress` found last; one object for all calls. `uriStart === uriEnd` for `*`. */
export const nameAddr = { uriStart: 0, uriEnd: 0, parameters: 0, isWildcard: false }

const STAR = 42

/**
 * Reads the name-addr or addr-spec at `at` (RFC 3261 25.1): display name, URI, and where its parameters begin. In a list, an
 * unbracketed URI ends at a comma; elsewhere commas in a display name are read over (RFC 4475 3.1.2.15). False when it is
 * malformed: nothing there, quotes or brackets that never close.
 */
export function nextAddress(bytes: Uint8Array, at: number, end: number, isList: boolean): boolean {
  at = skipSpace(bytes, at, end)
  const start = at
  let isUri = false
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte === LESS && !isUri) return bracketed(bytes, at + 1, end)
    if (byte === QUOTE) {
      at = quotedEnd(bytes, at, end) - 1
      if (at < 0) return false
    } else if (byte === COLON) isUri = true
    else if (byte === SEMICOLON || (byte === COMMA && (isList || isUri)) || (isUri && isSpace(byte))) break
  }
  return bare(bytes, start, at, isUri)
}

function bracketed(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (bytes[i] !== GREATER) continue
    nameAddr.uriStart = start
    nameAddr.uriEnd = i
    nameAddr.parameters = i + 1
    nameAddr.isWildcard = false
    return true
  }
  return false
}

function bare(bytes: Uint8Array, start: number, end: number, isUri: boolean): boolean {
  nameAddr.isWildcard = !isUri && end > start && bytes[start] === STAR && skipSpace(bytes, start + 1, end) === end
  if (!isUri && !nameAddr.isWildcard) return false
  nameAddr.uriStart = start
  nameAddr.uriEnd = nameAddr.isWildcard ? start : end
  nameAddr.parameters = end
  return true
}

/**
 * Adds the addresses of a header value of one or more name-addrs. `sink.index` counts its values on. False when any of them is
 * malformed: where one value's end is in doubt, so is the next one's beginning.
 */
export function scanAddresses(sink: AddressSink, start: number, end: number, isList: boolean): boolean {
  const { bytes } = sink
  let at = start
  for (;;) {
    if (!nextAddress(bytes, at, end, isList)) return false
    const { uriStart, uriEnd, parameters, isWildcard } = nameAddr
    if (!isWildcard && !scanUri(sink, uriStart, uriEnd)) return false
    at = scanParameters(sink, parameters, end)
    sink.index++
    if (at === end) return true
    if (!isList || bytes[at] !== COMMA) return false
    at++
  }
}

/** Reads over the header parameters of one value; `received` may hold an address. Returns where it stopped. */
function scanParameters(sink: AddressSink, at: number, end: number): number {
  const { bytes } = sink
  parameter.next = at
  while (nextParameter(bytes, parameter.next, end, 'header')) {
    const { nameStart, nameEnd, valueStart, valueEnd, next } = parameter
    if (nameEnd - nameStart === 8 && valueEnd > valueStart && isParameter(bytes, 'received')) {
      scanReceived(sink, valueStart, valueEnd)
      parameter.next = next
    }
  }
  return parameter.next
}
