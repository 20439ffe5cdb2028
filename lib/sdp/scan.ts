import type { MalformedSdp, Sdp, SdpAddress, SdpLimits } from '../../types/sdp.js'
import type { Scan } from '../../types/sip.js'
import { ASCII, equalsIgnoreCase, text } from '../base/ascii.js'
import { scanAddress } from './address.js'
import { readAttribute } from './attribute.table.js'
import type { AttributeTarget } from './attribute-target.js'
import { contentEnd, lineFeed, nextWord, word } from './line.js'
import { type OpenMedia, openMedia } from './media.js'

const { CR, EQUALS, LF } = ASCII

const DEFAULT_MEDIA = 32
const DEFAULT_BYTES = 65535

type Result = Scan<Sdp, 'not-sdp', MalformedSdp>
const malformed = (reason: MalformedSdp): Result => ({ state: 'malformed', reason })

/** A description while it is being read. */
interface OpenSdp {
  readonly bytes: Uint8Array
  readonly target: AttributeTarget
  readonly media: OpenMedia[]
  readonly maxMedia: number
  origin: SdpAddress | undefined
  sessionId: string
  sessionVersion: string
  connection: SdpAddress | undefined
}

/**
 * Scans the session description bytes[start, end) (RFC 8866): addresses and ports of o=, c=, m= and of the attributes that say
 * where media goes. Lines end in CRLF or LF; empty lines and NUL bytes at the end are read over. Never throws, linear in the
 * input, borrows nothing: the result holds numbers and short texts.
 * @example
 * const scan = scanSdp(message.bytes, body.start, body.end)
 * if (scan.state === 'found') for (const media of scan.value.media) console.log(media.type, media.portNumber)
 */
export function scanSdp(bytes: Uint8Array, start: number, end: number, limits?: SdpLimits): Result {
  return bytes[start] === V ? scan(bytes, start, end, limits, false) : { state: 'absent', reason: 'not-sdp' }
}

/**
 * Scans a fragment of a description, as trickle ICE sends it in the body of INFO, application/trickle-ice-sdpfrag (RFC 8840 9): the
 * candidates of one or more sections, which `mid` tells apart. It begins with any line, and need not say where media goes. Else as
 * `scanSdp`.
 */
export function scanSdpFragment(bytes: Uint8Array, start: number, end: number, limits?: SdpLimits): Result {
  return scan(bytes, start, end, limits, true)
}

function scan(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: SdpLimits | undefined,
  isFragment: boolean,
): Result {
  if (end - start < 2 || bytes[start + 1] !== EQUALS) return { state: 'absent', reason: 'not-sdp' }
  if (end - start > (limits?.maxBytes ?? DEFAULT_BYTES)) return malformed('description-too-large')
  let last = end
  while (last > start && (bytes[last - 1] === 0 || bytes[last - 1] === LF || bytes[last - 1] === CR)) last--
  const open: OpenSdp = {
    bytes,
    target: {
      bytes,
      media: undefined,
      direction: 'sendrecv',
      setup: '',
      iceUfrag: '',
      bundles: [],
      lineStart: 0,
      lineEnd: 0,
    },
    media: [],
    maxMedia: limits?.maxMedia ?? DEFAULT_MEDIA,
    origin: undefined,
    sessionId: '',
    sessionVersion: '',
    connection: undefined,
  }
  for (let at = start; at < last; ) {
    const feed = lineFeed(bytes, at, end)
    const reason = scanLine(open, at, contentEnd(bytes, at, Math.min(feed, last)), Math.min(feed + 1, end))
    if (reason !== '') return malformed(reason)
    at = feed + 1
  }
  return close(open, start, end, isFragment)
}

const A = 97
const C = 99
const M = 109
const O = 111
const V = 118

/** Reads the line bytes[at, end); `next` is where the line behind it begins. */
function scanLine(open: OpenSdp, at: number, end: number, next: number): MalformedSdp | '' {
  const { bytes, target } = open
  if (end - at < 2 || bytes[at + 1] !== EQUALS) return 'line-syntax'
  const value = at + 2
  switch (bytes[at]) {
    case A:
      target.lineStart = at
      target.lineEnd = next
      return scanAttribute(open, value, end)
    case C:
      return scanConnection(open, value, end)
    case M:
      return scanMedia(open, at, value, end)
    case O:
      return scanOrigin(open, value, end)
    case V:
      return end === value + 1 && bytes[value] === 48 ? '' : 'version'
    default:
      return ''
  }
}

/** A malformed a=rtcp moves RTCP somewhere unknown, so it spoils the description; others only themselves. */
function scanAttribute({ bytes, target }: OpenSdp, start: number, end: number): MalformedSdp | '' {
  if (readAttribute(target, start, end)) return ''
  if (equalsIgnoreCase(bytes, start, Math.min(start + 5, end), 'rtcp:')) return 'rtcp-syntax'
  if (target.media) target.media.problems++
  return ''
}

/** Several c= lines in one section are for multicast layers (RFC 8866 5.7); two that disagree leave open where media goes. */
function scanConnection(open: OpenSdp, start: number, end: number): MalformedSdp | '' {
  const connection = scanAddress(open.bytes, start, end)
  if (!connection) return 'connection-syntax'
  const section = open.target.media ?? open
  if (section.connection && section.connection.address !== connection.address) return 'connection-syntax'
  section.connection ??= connection
  return ''
}

function scanMedia(open: OpenSdp, at: number, start: number, end: number): MalformedSdp | '' {
  if (open.media.length >= open.maxMedia) return 'media-too-many'
  const media = openMedia(open.bytes, start, end)
  if (typeof media === 'string') return media
  const previous = open.target.media
  if (previous) previous.range.end = at
  media.range.start = at
  open.target.media = media
  open.media.push(media)
  return ''
}

/** `username sess-id sess-version nettype addrtype address` (RFC 8866 5.2). */
function scanOrigin(open: OpenSdp, start: number, end: number): MalformedSdp | '' {
  const { bytes } = open
  if (open.origin) return 'origin-syntax'
  if (!nextWord(bytes, start, end) || !nextWord(bytes, word.end, end)) return 'origin-syntax'
  open.sessionId = text(bytes, word.start, word.end)
  if (!nextWord(bytes, word.end, end)) return 'origin-syntax'
  open.sessionVersion = text(bytes, word.start, word.end)
  open.origin = scanAddress(bytes, word.end, end)
  return open.origin ? '' : 'origin-syntax'
}

function close(open: OpenSdp, start: number, end: number, isFragment: boolean): Result {
  const { target, media, origin, sessionId, sessionVersion, connection } = open
  for (const section of media) {
    const isPlaced = section.connection !== undefined || connection !== undefined || section.portNumber === 0
    if (!isPlaced && !isFragment) return malformed('connection-missing')
    if (!section.hasDirection) section.direction = target.direction
    if (section.setup === '') section.setup = target.setup
    if (section.iceUfrag === '') section.iceUfrag = target.iceUfrag
  }
  if (target.media) target.media.range.end = end
  const range = { start, end }
  return {
    state: 'found',
    value: { range, origin, sessionId, sessionVersion, connection, media, bundles: target.bundles },
  }
}
