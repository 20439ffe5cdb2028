import type { AddressField, BodyPart, SipMessage } from '../../types/sip.js'
import { ASCII, equalsIgnoreCase } from '../base/ascii.js'
import type { AddressSink } from './address-sink.js'
import { bodyParts } from './body.js'
import { scanUri } from './uri.js'

const { CLASS, COLON, EQUALS, GREATER, LESS, QUOTE, SPACE } = ASCII
const APOSTROPHE = 39

/**
 * Bodies whose text names SIP URIs that the receiver goes on to use: to pick up a ringing call (RFC 4235), to call a contact (RFC 3863), to
 * fetch voice mail (RFC 3842), to follow a transfer (RFC 3420).
 */
const TYPES: ReadonlySet<string> = new Set([
  'application/conference-info+xml',
  'application/cpim-pidf+xml',
  'application/dialog-info+xml',
  'application/pidf+xml',
  'application/reginfo+xml',
  'application/resource-lists+xml',
  'application/rlmi+xml',
  'application/simple-message-summary',
  'application/xpidf+xml',
  'message/sipfrag',
])

/** XML names around a URI that is somebody's name, not a place to send to (RFC 4235 4.1.6, RFC 3680 5.2). */
const IDENTITIES = ['identity', 'entity', 'aor']
/** A tag's attributes may stand between its name and its text. */
const LONGEST_TAG = 256

/** A body part with SIP URIs in it, and their addresses in ascending order: header `body`, or `body-identity` for a name. */
export interface UriBody {
  readonly part: BodyPart
  readonly fields: readonly AddressField[]
}

/**
 * The parts of a message's body that hold SIP URIs for the receiver to use, and the addresses in them. A URI that cannot be read is
 * left out. Linear; never throws. No session descriptions: those are `sdpBodies`.
 */
export function uriBodies(message: SipMessage): UriBody[] {
  const parts = bodyParts(message, (type) => TYPES.has(type))
  return parts.map((part) => ({ part, fields: scanBodyUris(message.bytes, part.start, part.end) }))
}

function scanBodyUris(bytes: Uint8Array, start: number, end: number): AddressField[] {
  const sink: AddressSink = { bytes, fields: [], problems: [], header: '', index: 0 }
  for (let at = start; at < end; ) {
    const colon = bytes.indexOf(COLON, at)
    if (colon < 0 || colon >= end) break
    const from = schemeStart(bytes, Math.max(start, at), colon)
    at = colon + 1
    if (from < 0) continue
    const to = uriEnd(bytes, at, end)
    const known = sink.fields.length
    sink.header = isIdentity(bytes, start, from) ? 'body-identity' : 'body'
    if (scanUri(sink, from, to)) sink.index++
    else sink.fields.length = known
    at = to
  }
  return sink.fields
}

/** Where `sip` or `sips` begins that ends before the colon, with nothing in front that could be part of a word; -1: neither. */
function schemeStart(bytes: Uint8Array, start: number, colon: number): number {
  for (const scheme of ['sip', 'sips']) {
    const from = colon - scheme.length
    if (from < start || !equalsIgnoreCase(bytes, from, colon, scheme)) continue
    if (from === start || isDelimiter(bytes[from - 1]!)) return from
  }
  return -1
}

function uriEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && !isDelimiter(bytes[at]!)) at++
  return at
}

const isDelimiter = (byte: number): boolean =>
  byte === LESS || byte === GREATER || byte === QUOTE || byte === APOSTROPHE || (CLASS[byte]! & SPACE) !== 0

/** Whether the element whose text begins at `at`, or the attribute whose value does, is called an identity. */
function isIdentity(bytes: Uint8Array, start: number, at: number): boolean {
  let to = at - 1
  while (to > start && (CLASS[bytes[to]!]! & SPACE) !== 0) to--
  const isAttribute = bytes[to] === QUOTE || bytes[to] === APOSTROPHE
  if (!isAttribute && bytes[to] !== GREATER) return false
  const first = Math.max(start, to - LONGEST_TAG)
  let from = isAttribute ? to - 1 : to
  const isOpening = (byte: number) => (isAttribute ? (CLASS[byte]! & SPACE) !== 0 : byte === LESS)
  while (from > first && !isOpening(bytes[from - 1]!)) from--
  const name = nameEnd(bytes, from, to)
  return IDENTITIES.some((identity) => endsWithName(bytes, from, name, identity))
}

function nameEnd(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== EQUALS && (CLASS[bytes[at]!]! & SPACE) === 0) at++
  return at
}

/** A name with or without a namespace prefix. */
function endsWithName(bytes: Uint8Array, start: number, end: number, name: string): boolean {
  const from = end - name.length
  return from >= start && equalsIgnoreCase(bytes, from, end, name) && (from === start || bytes[from - 1] === COLON)
}
