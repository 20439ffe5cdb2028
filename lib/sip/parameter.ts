import { ASCII, equalsIgnoreCase, quotedEnd, skipSpace, skipSpaceBack } from '../base/ascii.js'

const { CLASS, EQUALS, GREATER, LESS, QUESTION, QUOTE, SEMICOLON, TOKEN, URI_NAME, VALUE_STOP } = ASCII

const found = { nameStart: 0, nameEnd: 0, valueStart: 0, valueEnd: 0, next: 0 }

/** What `nextParameter` found last; one object for all calls. An absent value has `valueStart === valueEnd`, at the name's end. */
export const parameter = found

/** Where parameters stand: after a header value (`,` ends them), or inside a URI (`?` does, and commas are text). */
export type ParameterPlace = 'header' | 'uri'

/**
 * Reads the parameter whose semicolon is the next thing at `at` (RFC 3261 25.1 generic-param, uri-parameter). False when there
 * is none, or its quotes never close; `parameter.next` is then where reading stopped: at `end`, at the ending character, or at
 * something that does not belong there. A quoted value's range includes its quotes. An empty parameter (`;;`) has an empty name.
 */
export function nextParameter(bytes: Uint8Array, at: number, end: number, place: ParameterPlace): boolean {
  at = skipSpace(bytes, at, end)
  found.next = at
  if (at >= end || bytes[at] !== SEMICOLON) return false
  at = skipSpace(bytes, at + 1, end)
  found.nameStart = at
  const nameClass = place === 'uri' ? URI_NAME : TOKEN
  while (at < end && (CLASS[bytes[at]!]! & nameClass) !== 0) at++
  found.nameEnd = found.valueStart = found.valueEnd = at
  const equals = skipSpace(bytes, at, end)
  if (equals >= end || bytes[equals] !== EQUALS) {
    found.next = equals
    return true
  }
  const start = skipSpace(bytes, equals + 1, end)
  const to = place === 'uri' ? uriValueEnd(bytes, start, end) : headerValueEnd(bytes, start, end)
  if (to < 0) return false
  found.valueStart = start
  found.valueEnd = skipSpaceBack(bytes, start, to)
  found.next = to
  return true
}

function uriValueEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== SEMICOLON && bytes[at] !== QUESTION) at++
  return at
}

function headerValueEnd(bytes: Uint8Array, at: number, end: number): number {
  for (;;) {
    while (at < end && (CLASS[bytes[at]!]! & VALUE_STOP) === 0) at++
    if (at >= end || bytes[at] !== QUOTE) return at
    at = quotedEnd(bytes, at, end)
    if (at < 0) return -1
  }
}

/** Is the parameter last read called `lower`? */
export function isParameter(bytes: Uint8Array, lower: string): boolean {
  return equalsIgnoreCase(bytes, found.nameStart, found.nameEnd, lower)
}

/** Looks for a header parameter by name from `at` on, in this value only. True leaves it in `parameter`. */
export function findParameter(bytes: Uint8Array, at: number, end: number, lower: string): boolean {
  while (nextParameter(bytes, at, end, 'header')) {
    if (isParameter(bytes, lower)) return true
    at = found.next
  }
  return false
}

/**
 * Where the header parameters of a name-addr or addr-spec begin: after its `>`, or at the first semicolon when it has no
 * brackets (RFC 3261 20: then the parameters are the header's). -1 when a quote or bracket never closes.
 */
export function parametersStart(bytes: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) {
    const byte = bytes[i]!
    if (byte === SEMICOLON) return i
    if (byte === QUOTE) {
      i = quotedEnd(bytes, i, end) - 1
      if (i < 0) return -1
    } else if (byte === LESS) {
      while (i < end && bytes[i] !== GREATER) i++
      return i < end ? i + 1 : -1
    }
  }
  return end
}
