import type {
  Direction,
  SdpAddress,
  SdpAlternative,
  SdpCandidate,
  SdpMedia,
  SdpTransportAddress,
} from '../../types/sdp.js'
import { ASCII, decimal, equalsIgnoreCase, text } from '../base/ascii.js'
import { nextWord, word } from './line.js'

const { SLASH } = ASCII

/** An m= section while it is being read. `direction` and `setup` are empty until an attribute says them. */
export interface OpenMedia {
  type: string
  port: { start: number; end: number }
  portNumber: number
  portCount: number
  protocol: string
  connection: SdpAddress | undefined
  rtcp: SdpMedia['rtcp']
  rtcpMux: boolean
  candidates: SdpCandidate[]
  remoteCandidates: SdpTransportAddress[]
  alternatives: SdpAlternative[]
  msrpCema: boolean
  path: SdpTransportAddress[]
  mid: string
  iceUfrag: string
  bundleOnly: boolean
  setup: string
  problems: number
  direction: Direction
  /** Whether a media level attribute set `direction`. */
  hasDirection: boolean
  range: { start: number; end: number }
}

const types = ['audio', 'video', 'image', 'application', 'text', 'message'] as const
const protocols = [
  'RTP/AVP',
  'RTP/SAVP',
  'UDP/TLS/RTP/SAVPF',
  'RTP/SAVPF',
  'RTP/AVPF',
  'UDP/TLS/RTP/SAVP',
  'udptl',
] as const
const protocolNames = protocols.map((name) => ({ lower: name.toLowerCase(), upper: name.toUpperCase() }))

/**
 * Opens the section of an m= line whose value is bytes[at, end) (RFC 8866 5.14): `type port[/n] proto fmt ...`. The result is the
 * section, or what is wrong with it.
 */
export function openMedia(bytes: Uint8Array, at: number, end: number): OpenMedia | 'media-syntax' | 'media-port' {
  if (!nextWord(bytes, at, end)) return 'media-syntax'
  const type = typeText(bytes, word.start, word.end)
  if (!nextWord(bytes, word.end, end)) return 'media-syntax'
  const { start, end: stop } = word
  let slash = start
  while (slash < stop && bytes[slash] !== SLASH) slash++
  const portNumber = decimal(bytes, start, slash)
  const portCount = slash === stop ? 1 : decimal(bytes, slash + 1, stop)
  if (portNumber < 0 || portNumber > 65535 || portCount < 1 || portNumber + portCount > 65536) return 'media-port'
  if (!nextWord(bytes, stop, end)) return 'media-syntax'
  const protocol = protocolText(bytes, word.start, word.end)
  if (!nextWord(bytes, word.end, end)) return 'media-syntax'
  return {
    type,
    port: { start, end: slash },
    portNumber,
    portCount,
    protocol,
    connection: undefined,
    rtcp: undefined,
    rtcpMux: false,
    candidates: [],
    remoteCandidates: [],
    alternatives: [],
    msrpCema: false,
    path: [],
    mid: '',
    iceUfrag: '',
    bundleOnly: false,
    setup: '',
    problems: 0,
    direction: 'sendrecv',
    hasDirection: false,
    range: { start: at, end },
  }
}

function typeText(bytes: Uint8Array, start: number, end: number): string {
  for (const type of types) if (equalsIgnoreCase(bytes, start, end, type)) return type
  return text(bytes, start, end).toLowerCase()
}

function protocolText(bytes: Uint8Array, start: number, end: number): string {
  for (const { lower, upper } of protocolNames) if (equalsIgnoreCase(bytes, start, end, lower)) return upper
  return text(bytes, start, end).toUpperCase()
}
