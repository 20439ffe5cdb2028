import type { SdpTransportAddress } from '../../types/sdp.js'
import { ASCII, decimal, equalsIgnoreCase, text } from '../base/ascii.js'
import { host, readHost } from '../base/host.js'
import { readSdpHost, scanAddress, scanTransportAddress } from './address.js'
import type { AttributeTarget } from './attribute-target.js'
import { nextWord, word } from './line.js'

const { AT, COLON, SEMICOLON, SLASH } = ASCII

/** a=rtcp (RFC 3605): `port [IN IP4 address]`. */
export function readRtcp({ bytes, media }: AttributeTarget, start: number, end: number): boolean {
  if (!nextWord(bytes, start, end)) return false
  const port = { start: word.start, end: word.end }
  const portNumber = decimal(bytes, port.start, port.end)
  if (portNumber < 0 || portNumber > 65535) return false
  const hasAddress = nextWord(bytes, port.end, end)
  const address = hasAddress ? scanAddress(bytes, port.end, end) : undefined
  if (hasAddress && address === undefined) return false
  if (media) media.rtcp = { port, portNumber, address }
  return true
}

/** a=candidate (RFC 8839 5.1): `foundation component transport priority address port typ type [raddr address rport port] ...`. */
export function readCandidate(target: AttributeTarget, start: number, end: number): boolean {
  const { bytes, media, lineStart, lineEnd } = target
  if (!nextWord(bytes, start, end) || !nextWord(bytes, word.end, end)) return false
  const component = decimal(bytes, word.start, word.end)
  if (component < 0 || !nextWord(bytes, word.end, end)) return false
  const transport = known(transports, bytes, word.start, word.end)
  if (!nextWord(bytes, word.end, end)) return false
  const at = scanTransportAddress(bytes, word.end, end)
  if (!at || !nextWord(bytes, word.end, end) || !equalsIgnoreCase(bytes, word.start, word.end, 'typ')) return false
  if (!nextWord(bytes, word.end, end)) return false
  const type = known(candidateTypes, bytes, word.start, word.end)
  const related = readRelated(bytes, word.end, end)
  if (related === false) return false
  if (!media) return true
  const { host, address, family, port, portNumber } = at
  const line = { start: lineStart, end: lineEnd }
  // Written out: spreading `at` costs more than reading the line.
  media.candidates.push({ host, address, family, port, portNumber, component, transport, type, related, line })
  return true
}

const transports = ['udp', 'tcp'] as const
const candidateTypes = ['host', 'srflx', 'prflx', 'relay'] as const

/** A word in lower case; those in `words` share one string. */
function known(words: readonly string[], bytes: Uint8Array, start: number, end: number): string {
  for (const one of words) if (equalsIgnoreCase(bytes, start, end, one)) return one
  return text(bytes, start, end).toLowerCase()
}

/** `raddr address rport port`, if it stands at `at`; false when it begins and does not end so. */
function readRelated(bytes: Uint8Array, at: number, end: number): SdpTransportAddress | undefined | false {
  if (!nextWord(bytes, at, end) || !equalsIgnoreCase(bytes, word.start, word.end, 'raddr')) return undefined
  if (!nextWord(bytes, word.end, end) || !readSdpHost(bytes, word.start, word.end)) return false
  const range = { start: word.start, end: word.end }
  const { address, family } = host
  if (!nextWord(bytes, word.end, end) || !equalsIgnoreCase(bytes, word.start, word.end, 'rport')) return false
  if (!nextWord(bytes, word.end, end)) return false
  const portNumber = decimal(bytes, word.start, word.end)
  if (portNumber < 0 || portNumber > 65535) return false
  return { host: range, address, family, port: { start: word.start, end: word.end }, portNumber }
}

/** a=remote-candidates (RFC 8839 5.2): `component address port`, repeated. */
export function readRemoteCandidates({ bytes, media }: AttributeTarget, start: number, end: number): boolean {
  let at = start
  const found: SdpTransportAddress[] = []
  while (nextWord(bytes, at, end)) {
    const candidate = scanTransportAddress(bytes, word.end, end)
    if (!candidate) return false
    found.push(candidate)
    at = candidate.port.end
  }
  if (media) media.remoteCandidates = found
  return found.length > 0
}

/** a=altc (RFC 6947 3.2): `number IP4|IP6 address port[/rtcp-port]`. */
export function readAlternative({ bytes, media }: AttributeTarget, start: number, end: number): boolean {
  if (!nextWord(bytes, start, end) || decimal(bytes, word.start, word.end) < 0) return false
  if (!nextWord(bytes, word.end, end)) return false
  const isV4 = equalsIgnoreCase(bytes, word.start, word.end, 'ip4')
  if (!isV4 && !equalsIgnoreCase(bytes, word.start, word.end, 'ip6')) return false
  let slash = end
  for (let i = word.end; i < end; i++) if (bytes[i] === SLASH) slash = i
  const at = scanTransportAddress(bytes, word.end, slash)
  if (!at || (at.family !== 0 && at.family !== (isV4 ? 4 : 6))) return false
  const { host, address, family, port, portNumber } = at
  const rtcpPort = { start: slash + 1, end }
  const rtcpNumber = slash === end ? 0 : decimal(bytes, rtcpPort.start, rtcpPort.end)
  if (rtcpNumber < 0 || rtcpNumber > 65535) return false
  const rtcp = slash === end ? undefined : { port: rtcpPort, portNumber: rtcpNumber }
  media?.alternatives.push({ host, address, family, port, portNumber, rtcp })
  return true
}

/** a=path (RFC 4975 8.1, 9): `msrp[s]://[user@]host[:port][/session];transport`, one or more. Other schemes are read over. */
export function readPath({ bytes, media }: AttributeTarget, start: number, end: number): boolean {
  let at = start
  while (nextWord(bytes, at, end)) {
    at = word.end
    const scheme = word.start + (bytes[word.start + 4] === COLON ? 7 : 8)
    const isMsrp =
      equalsIgnoreCase(bytes, word.start, Math.min(scheme, at), 'msrp://') ||
      equalsIgnoreCase(bytes, word.start, Math.min(scheme, at), 'msrps://')
    if (!isMsrp) continue
    const uri = readMsrpUri(bytes, scheme, at)
    if (!uri) return false
    media?.path.push(uri)
  }
  return true
}

function readMsrpUri(bytes: Uint8Array, at: number, end: number): SdpTransportAddress | undefined {
  for (let i = at; i < end && bytes[i] !== SLASH; i++) if (bytes[i] === AT) at = i + 1
  if (!readHost(bytes, at, end)) return undefined
  const hostRange = { start: at, end: host.end }
  const { address, family } = host
  let portStart = host.end
  let portEnd = host.end
  if (portEnd < end && bytes[portEnd] === COLON) {
    portStart = ++portEnd
    while (portEnd < end && bytes[portEnd] !== SLASH && bytes[portEnd] !== SEMICOLON) portEnd++
  }
  const portNumber = portEnd === host.end ? 0 : decimal(bytes, portStart, portEnd)
  if (portNumber < 0 || portNumber > 65535) return undefined
  if (portEnd < end && bytes[portEnd] !== SLASH && bytes[portEnd] !== SEMICOLON) return undefined
  return { host: hostRange, address, family, port: { start: portStart, end: portEnd }, portNumber }
}
