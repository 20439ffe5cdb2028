import type { MalformedSip, NotSip, Scan, SipLimits, SipMessage } from '../../types/sip.js'
import { ASCII, isToken, skipSpace, skipSpaceBack } from '../base/ascii.js'
import { essentials, readEssentials } from './essentials.js'
import { headerRow, headerTable, ROW } from './header.table.js'
import { keep, makeRoom, room } from './line-pool.js'
import { type HeaderLines, ScannedMessage } from './message.js'
import { notSip } from './not-sip.js'
import { scanStartLine, startLine } from './start-line.js'

const { COLON, CR, LF, SP, TAB } = ASCII
const { CONTENT_LENGTH, STRIDE } = ROW

const MAX_HEADERS = 4096
const DEFAULT_HEADERS = 256
const DEFAULT_BYTES = 65535

const isOnce = Uint8Array.from(headerTable, ({ repeated }) => (repeated ? 0 : 1))

/** Where the next line of the message being scanned goes in `room.slab`. */
let next = 0
/** Where each row of the header table stood first, position in the slab plus one. */
const firsts = new Int32Array(headerTable.length)
/** First byte after the empty line. */
let bodyStart = 0

type Result = Scan<SipMessage, NotSip, MalformedSip>
const malformed = (reason: MalformedSip): Result => ({ state: 'malformed', reason })

/**
 * Scans one SIP message in bytes[start, end), a datagram's payload or one framed message of a stream (RFC 3261 7). Without
 * Content-Length the body ends at `end` (18.3). Copies nothing but identifiers; never throws, linear in the input. The message
 * borrows `bytes`: they must not change while it is in use.
 * @example
 * const scan = scanMessage(datagram, 0, datagram.length)
 * if (scan.state === 'found') console.log(scan.value.method, scan.value.callId)
 */
export function scanMessage(bytes: Uint8Array, start: number, end: number, limits?: SipLimits): Result {
  const other = notSip(bytes, start, end)
  if (other) return { state: 'absent', reason: other }
  // RFC 3261 7.5: empty lines before the start line are read over.
  while (bytes[start] === CR || bytes[start] === LF) start++
  return scanHead(bytes, start, end, limits) ?? frame(bytes, start, end, limits?.maxBytes ?? DEFAULT_BYTES)
}

/** A message of a stream whose body has not come yet: `end` is where it will end. */
export interface Incomplete {
  readonly state: 'incomplete'
  readonly end: number
}

/**
 * Scans the message of a stream that begins at `start`, with its header in bytes[start, headEnd) and as much as there is of its body
 * before `end`. Its Content-Length alone says where it ends (RFC 3261 18.3). Else as `scanMessage`.
 */
export function scanFramed(
  bytes: Uint8Array,
  start: number,
  headEnd: number,
  end: number,
  limits?: SipLimits,
): Result | Incomplete {
  const failed = scanHead(bytes, start, headEnd, limits)
  if (failed) return failed
  const { contentLength } = essentials
  const maxBytes = limits?.maxBytes ?? DEFAULT_BYTES
  if (contentLength < 0) return malformed('content-length-missing')
  const messageEnd = bodyStart + contentLength
  if (messageEnd - start > maxBytes) return malformed('content-length-too-large')
  return messageEnd > end ? { state: 'incomplete', end: messageEnd } : frame(bytes, start, messageEnd, maxBytes)
}

/** Reads start line, header lines and what every message needs; undefined when all is well. */
function scanHead(bytes: Uint8Array, start: number, end: number, limits: SipLimits | undefined): Result | undefined {
  const line = scanStartLine(bytes, start, end)
  if (line === 'not-sip') return { state: 'absent', reason: line }
  if (end - start > (limits?.maxBytes ?? DEFAULT_BYTES)) return malformed('message-too-large')
  if (line !== 'found') return malformed(line as MalformedSip)
  const headers = scanHeaders(bytes, startLine.next, end, Math.min(limits?.maxHeaders ?? DEFAULT_HEADERS, MAX_HEADERS))
  if (headers !== 'found') return malformed(headers)
  const reason = readEssentials(bytes, room.slab, firsts)
  return reason === 'found' ? undefined : malformed(reason)
}

/** Ends the message where its Content-Length says, and makes it. */
function frame(bytes: Uint8Array, start: number, end: number, maxBytes: number): Result {
  const length = essentials.contentLength
  if (length > maxBytes) return malformed('content-length-too-large')
  if (length > end - bodyStart) return malformed('content-length-mismatch')
  const { slab, start: first } = room
  const at = firsts[CONTENT_LENGTH]!
  const contentLength = at === 0 ? undefined : { start: slab[at + 2]!, end: slab[at + 3]! }
  const lines: HeaderLines = { slab, start: first, end: next }
  keep(next)
  const value = new ScannedMessage(bytes, lines, start, length < 0 ? end : bodyStart + length, bodyStart, contentLength)
  return { state: 'found', value }
}

/**
 * Reads the header lines at `at` into `room`, up to and including the empty line. What the loop touches at every line is held in
 * locals: as module variables it costs twice the time.
 */
function scanHeaders(bytes: Uint8Array, at: number, end: number, maxHeaders: number): 'found' | MalformedSip {
  makeRoom(maxHeaders)
  if (bytes.buffer !== viewed) view(bytes.buffer)
  const base = bytes.byteOffset
  const { slab } = room
  const seen = firsts.fill(0)
  const full = room.start + maxHeaders * STRIDE
  for (let line = room.start; ; line += STRIDE) {
    if (at >= end) return 'headers-unterminated'
    const first = bytes[at]!
    if (first === LF || (first === CR && at + 1 < end && bytes[at + 1] === LF)) {
      bodyStart = at + (first === LF ? 1 : 2)
      next = line
      return 'found'
    }
    if (line >= full) return 'headers-too-many'
    const nameStart = at
    while (at < end && bytes[at]! > SP && bytes[at] !== COLON) at++
    const nameEnd = at
    while (at < end && (bytes[at] === SP || bytes[at] === TAB)) at++
    if (at >= end) return 'headers-unterminated'
    const row = headerRow(bytes, nameStart, nameEnd)
    if (bytes[at] !== COLON || (row === 0 && !isName(bytes, nameStart, nameEnd))) return 'header-line'
    if (seen[row] === 0) seen[row] = line + 1
    else if (isOnce[row] === 1) return 'header-repeated'
    slab[line] = row
    slab[line + 1] = nameStart
    slab[line + 2] = nameEnd
    const valueStart = at + 1
    at = lineEnd(bytes, valueStart, end, base)
    if (at < 0) return at === LONE_CR ? 'header-line' : 'headers-unterminated'
    // Nearly always one space in front and CRLF behind; an empty value is an empty range behind the colon.
    const isPlain = at - valueStart > 3 && bytes[valueStart] === SP && bytes[at - 2] === CR
    if (isPlain && bytes[valueStart + 1]! > SP && bytes[at - 3]! > SP) {
      slab[line + 3] = valueStart + 1
      slab[line + 4] = at - 2
    } else trim(bytes, slab, line, valueStart, at)
  }
}

/** Writes the value's range without the white space and folds around it. */
function trim(bytes: Uint8Array, slab: Int32Array, line: number, start: number, end: number): void {
  const first = skipSpace(bytes, start, end)
  slab[line + 3] = first === end ? start : first
  slab[line + 4] = first === end ? start : skipSpaceBack(bytes, first, end)
}

/** A token, not empty (RFC 3261 25.1 header-name); names in the table are. */
function isName(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (!isToken(bytes[i]!)) return false
  return end > start
}

const UNTERMINATED = -1
const LONE_CR = -2

/** The buffer scanned last, as 32-bit words: long values are read over four bytes at a time. */
let viewed: ArrayBufferLike | undefined
let words = new Int32Array(0)

function view(buffer: ArrayBufferLike): void {
  viewed = buffer
  words = new Int32Array(buffer as ArrayBuffer, 0, buffer.byteLength >> 2)
}

/** From `at`, the first byte of a word, over the words that hold no byte below 16: every line end is one. */
function skipText(at: number, end: number, base: number): number {
  const last = (base + end) >> 2
  const local = words
  let i = (base + at) >> 2
  for (; i < last; i++) {
    // The high halves of four bytes; one that is zero borrows from its own top bit.
    const halves = local[i]! & 0xf0f0f0f0
    if (((halves - 0x01010101) & ~halves & 0x80808080) !== 0) break
  }
  return (i << 2) - base
}

/**
 * Position after the line end of a header line, folded lines included (RFC 3261 7.3.1); negative when there is none. `base` is
 * where `bytes` begin in their buffer.
 */
function lineEnd(bytes: Uint8Array, at: number, end: number, base: number): number {
  for (; at < end; at++) {
    if (((at + base) & 3) === 0) {
      at = skipText(at, end, base)
      if (at >= end) break
    }
    const byte = bytes[at]!
    if (byte > CR) continue
    if (byte === LF) {
      const next = at + 1 < end ? bytes[at + 1] : 0
      if (next !== SP && next !== TAB) return at + 1
    } else if (byte === CR && at + 1 < end && bytes[at + 1] !== LF) {
      // Some stacks end a line here and some do not: who reads what is not ours to guess.
      return LONE_CR
    }
  }
  return UNTERMINATED
}
