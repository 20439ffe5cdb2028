import type { Range } from '../../types/range.js'
import type { BodyPart, SdpBody, SipMessage } from '../../types/sip.js'
import { ASCII, equalsIgnoreCase, skipSpace, skipSpaceBack, text } from '../base/ascii.js'
import { ROW } from './header.table.js'
import { linesOf } from './message.js'
import { findParameter, parameter } from './parameter.js'

const { COLON, CR, LF, SEMICOLON, SP, TAB } = ASCII
const { CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TRANSFER_ENCODING, CONTENT_TYPE, STRIDE } = ROW

/** Multipart in multipart, and parts in all: more is nobody's call. */
const MAX_DEPTH = 4
const MAX_PARTS = 64

/** RFC 2046 5.1.1. */
const LONGEST_BOUNDARY = 70

/** The MIME headers that decide about a body or part (RFC 2045). */
interface Mime {
  readonly type: string
  readonly boundary: string
  readonly isPlain: boolean
  readonly disposition: string
  readonly contentLength: Range | undefined
}

/**
 * The session descriptions in a message's body: the body itself, or the application/sdp parts of a multipart body (RFC 2046 5.1,
 * 5621 3). None where the bytes are not what the endpoints see or may change: Content-Encoding, base64, S/MIME, multipart/signed
 * unless `seals.isOpened` says so; `seals` hears of them. A message without Content-Type has none. Ranges count like the message's;
 * a part's line end before the boundary is not in it.
 */
export function sdpBodies(message: SipMessage, seals?: Seals): SdpBody[] {
  const { body } = message
  if (body.end === body.start) return []
  if (isPlainSdp(message))
    return [{ start: body.start, end: body.end, contentLength: undefined, disposition: 'session', type: SDP }]
  return bodyParts(message, (type) => type === SDP, seals)
}

/** As `sdpBodies`, of whatever types are wanted; `isWanted` gets a media type in lower case, without parameters. */
export function bodyParts(message: SipMessage, isWanted: (type: string) => boolean, seals?: Seals): BodyPart[] {
  const { body } = message
  if (body.end === body.start) return []
  const encoding = message.get('content-encoding') ?? ''
  const transfer = message.get('content-transfer-encoding') ?? ''
  const mime = mimeOf(message.get('content-type') ?? '', encoding, transfer, message.get('content-disposition') ?? '')
  const found: BodyPart[] = []
  collect(message.bytes, body.start, body.end, mime, 0, { found, partsLeft: MAX_PARTS, isWanted, seals })
  return found
}

/** Why a body part is not read: enveloped, so that it cannot be; signed, or encoded for the way. */
export type Seal = 'encrypted' | 'signed' | 'encoded'

export interface Seals {
  /** Wanted parts of multipart/signed are among the results: for who does not change them, or breaks the signature knowingly. */
  readonly isOpened: boolean
  /** A part that is sealed, and would be wanted, or may hold what is. */
  onSeal(seal: Seal): void
}

const SDP = 'application/sdp'

/** The message nearly all are: `Content-Type: application/sdp`, and no other header that says something about the body. */
function isPlainSdp(message: SipMessage): boolean {
  const { slab, start, end } = linesOf(message)
  let isSdp = false
  for (let line = start; line < end; line += STRIDE) {
    const row = slab[line]!
    if (row === CONTENT_TYPE) isSdp = equalsIgnoreCase(message.bytes, slab[line + 3]!, slab[line + 4]!, SDP)
    else if (row === CONTENT_ENCODING || row === CONTENT_TRANSFER_ENCODING || row === CONTENT_DISPOSITION) return false
  }
  return isSdp
}

interface Collection {
  readonly found: BodyPart[]
  readonly isWanted: (type: string) => boolean
  readonly seals: Seals | undefined
  partsLeft: number
}

function collect(bytes: Uint8Array, start: number, end: number, mime: Mime, depth: number, into: Collection): void {
  if (end <= start) return
  const { type, boundary, disposition, contentLength, isPlain } = mime
  const { seals, isWanted, found } = into
  if (isEncrypted(type)) seals?.onSeal('encrypted')
  else if (isWanted(type)) {
    if (isPlain) found.push({ start, end, contentLength, disposition: disposition || 'session', type })
    else seals?.onSeal('encoded')
  } else if (isPlain && type.startsWith('multipart/') && boundary && depth < MAX_DEPTH) {
    const collectParts = (part: Collection) =>
      eachPart(bytes, start, end, boundary, (partStart, partEnd) => {
        if (into.partsLeft-- <= 0) return
        const inner = partMime(bytes, partStart, partEnd)
        if (inner) collect(bytes, inner.bodyStart, partEnd, inner.mime, depth + 1, part)
      })
    if (type === 'multipart/signed') collectSigned(into, collectParts)
    else collectParts(into)
  }
}

/** What is wanted of a signed part, if it may be had. */
function collectSigned(into: Collection, collectParts: (into: Collection) => void): void {
  const { seals } = into
  const found: BodyPart[] = []
  collectParts({ ...into, found })
  if (found.length === 0) return
  seals?.onSeal('signed')
  if (seals?.isOpened) into.found.push(...found)
}

/** S/MIME (RFC 8551 3.2), OpenPGP and other enveloped bodies (RFC 1847 2.2). */
const isEncrypted = (type: string): boolean =>
  type === 'application/pkcs7-mime' || type === 'application/x-pkcs7-mime' || type === 'multipart/encrypted'

function mimeOf(
  contentType: string,
  encoding: string,
  transfer: string,
  disposition: string,
  contentLength?: Range,
): Mime {
  return {
    type: firstWord(contentType),
    boundary: boundaryOf(contentType),
    isPlain: /^(identity)?$/i.test(encoding.trim()) && /^(7bit|8bit|binary)?$/i.test(transfer.trim()),
    disposition: firstWord(disposition),
    contentLength,
  }
}

/** What stands before the parameters, in lower case and without white space (`application / sdp`, RFC 3261 20.15). */
function firstWord(value: string): string {
  return value.split(';', 1)[0]!.replace(/\s+/g, '').toLowerCase()
}

function boundaryOf(contentType: string): string {
  const bytes = Uint8Array.from(contentType, (character) => character.charCodeAt(0))
  const at = bytes.indexOf(SEMICOLON)
  if (at < 0 || !findParameter(bytes, at, bytes.length, 'boundary')) return ''
  const value = text(bytes, parameter.valueStart, parameter.valueEnd)
  const boundary = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value
  return boundary.length > LONGEST_BOUNDARY ? '' : boundary
}

/** Calls `onPart` with the bytes between delimiter lines, in order; a part that no delimiter ends is cut short and left out. */
function eachPart(
  bytes: Uint8Array,
  start: number,
  end: number,
  boundary: string,
  onPart: (start: number, end: number) => void,
): void {
  let partStart = -1
  for (let at = start; at < end; ) {
    const lineEnd = nextLine(bytes, at, end)
    const kind = delimiter(bytes, at, lineEnd, boundary)
    if (kind !== 'none') {
      // The line end before a delimiter belongs to the delimiter (RFC 2046 5.1.1).
      if (partStart >= 0) onPart(partStart, Math.max(partStart, withoutLineEnd(bytes, partStart, at)))
      partStart = lineEnd
      if (kind === 'close') return
    }
    at = lineEnd
  }
}

function delimiter(bytes: Uint8Array, at: number, lineEnd: number, boundary: string): 'none' | 'open' | 'close' {
  if (bytes[at] !== 45 || bytes[at + 1] !== 45 || lineEnd - at < boundary.length + 2) return 'none'
  for (let i = 0; i < boundary.length; i++) if (bytes[at + 2 + i] !== boundary.charCodeAt(i)) return 'none'
  const after = at + 2 + boundary.length
  const to = skipSpaceBack(bytes, after, lineEnd)
  if (to === after) return 'open'
  return to - after === 2 && bytes[after] === 45 && bytes[after + 1] === 45 ? 'close' : 'none'
}

function nextLine(bytes: Uint8Array, at: number, end: number): number {
  while (at < end) if (bytes[at++] === LF) return at
  return end
}

function withoutLineEnd(bytes: Uint8Array, start: number, end: number): number {
  if (end > start && bytes[end - 1] === LF) end--
  if (end > start && bytes[end - 1] === CR) end--
  return end
}

/** Reads a part's own headers (RFC 2045 3); text/plain when it has none. Undefined when they do not end. */
function partMime(bytes: Uint8Array, start: number, end: number): { mime: Mime; bodyStart: number } | undefined {
  const values = new Map<string, Range>()
  let at = start
  while (at < end && bytes[at] !== LF && !(bytes[at] === CR && bytes[at + 1] === LF)) {
    let to = nextLine(bytes, at, end)
    while (to < end && (bytes[to] === SP || bytes[to] === TAB)) to = nextLine(bytes, to, end)
    const colon = bytes.subarray(at, to).indexOf(COLON)
    if (colon < 0) return undefined
    const name = text(bytes, at, skipSpaceBack(bytes, at, at + colon)).toLowerCase()
    const valueStart = skipSpace(bytes, at + colon + 1, to)
    if (!values.has(name)) values.set(name, { start: valueStart, end: skipSpaceBack(bytes, valueStart, to) })
    at = to
  }
  if (at >= end) return undefined
  const value = (name: string): string => {
    const range = values.get(name)
    return range ? text(bytes, range.start, range.end) : ''
  }
  const mime = mimeOf(
    value('content-type') || value('c'),
    value('content-encoding') || value('e'),
    value('content-transfer-encoding'),
    value('content-disposition'),
    values.get('content-length') ?? values.get('l'),
  )
  return { mime, bodyStart: nextLine(bytes, at, end) }
}
