import type { Direction } from '../../types/sdp.js'
import { ASCII, text } from '../base/ascii.js'
import { NameIndex } from '../base/name-index.js'
import { readAlternative, readCandidate, readPath, readRemoteCandidates, readRtcp } from './attribute.js'
import type { AttributeTarget } from './attribute-target.js'
import { nextWord, word } from './line.js'

const { COLON } = ASCII

/**
 * Reads one attribute's value, bytes[start, end), into the target. False when it is malformed and carries addresses.
 * An attribute at a level where it means nothing is read over.
 */
type Reader = (target: AttributeTarget, start: number, end: number) => boolean

/** One row an attribute that decides where media goes. Others are left alone. */
const table: Readonly<Record<string, Reader>> = {
  // RFC 8866 6.7
  sendrecv: direction('sendrecv'),
  sendonly: direction('sendonly'),
  recvonly: direction('recvonly'),
  inactive: direction('inactive'),
  // RFC 3605
  rtcp: readRtcp,
  // RFC 5761
  'rtcp-mux': (target) => {
    if (target.media) target.media.rtcpMux = true
    return true
  },
  // RFC 8839 5.1, 5.2
  candidate: readCandidate,
  'remote-candidates': readRemoteCandidates,
  // RFC 8839 5.4
  'ice-ufrag': (target, start, end) => {
    const section = target.media ?? target
    section.iceUfrag = text(target.bytes, start, end)
    return true
  },
  // RFC 6947 3.2
  altc: readAlternative,
  // RFC 6714 4.1
  'msrp-cema': (target) => {
    if (target.media) target.media.msrpCema = true
    return true
  },
  // RFC 4975 8.1
  path: readPath,
  // RFC 5888, 9143
  mid: (target, start, end) => {
    if (target.media) target.media.mid = text(target.bytes, start, end)
    return true
  },
  group: readGroup,
  'bundle-only': (target) => {
    if (target.media) target.media.bundleOnly = true
    return true
  },
  // RFC 4145
  setup: (target, start, end) => {
    const setup = text(target.bytes, start, end).toLowerCase()
    if (target.media) target.media.setup = setup
    else target.setup = setup
    return true
  },
}

const readers = Object.values(table)
const index = new NameIndex(Object.keys(table))

/** Reads the a= line whose value is bytes[start, end) into the target; false when it carries addresses and is malformed. */
export function readAttribute(target: AttributeTarget, start: number, end: number): boolean {
  const { bytes } = target
  let colon = start
  while (colon < end && bytes[colon] !== COLON) colon++
  const row = index.find(bytes, start, colon)
  return row < 0 || readers[row]!(target, colon < end ? colon + 1 : end, end)
}

function direction(value: Direction): Reader {
  return (target) => {
    if (target.media) {
      target.media.direction = value
      target.media.hasDirection = true
    } else target.direction = value
    return true
  }
}

/** `BUNDLE mid mid ...`; other semantics (LS, FID) move no media. Returns true: it carries no address. */
function readGroup({ bytes, media, bundles }: AttributeTarget, start: number, end: number): boolean {
  if (media || !nextWord(bytes, start, end) || text(bytes, word.start, word.end) !== 'BUNDLE') return true
  const mids: string[] = []
  while (nextWord(bytes, word.end, end)) mids.push(text(bytes, word.start, word.end))
  bundles.push(mids)
  return true
}
