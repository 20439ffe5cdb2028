import type { Endpoint } from '../../types/endpoint.js'
import type { Transport, Way } from '../../types/flow.js'
import type { Edit, Range } from '../../types/range.js'
import type { Sdp, SdpAddress, SdpMedia, SdpTransportAddress } from '../../types/sdp.js'
import type { BodyPart, SipMessage } from '../../types/sip.js'
import { isUnspecified } from './address-policy.js'
import { connectionOf, transportOf } from './described.js'
import { LocalStream } from './media.js'
import { findLocal, type SessionContext } from './session.js'

/**
 * Appends the edits of a description: outwards, each stream of `locals` gets its outside address and ports, and inside addresses
 * in o= and c= their outside one; inwards, outside endpoints of ours become inside ones again. Only those places change.
 */
export function rewriteSdp(
  sdp: Sdp,
  way: Way,
  locals: readonly LocalStream[],
  context: SessionContext,
  edits: Edit[],
): void {
  const { inside, outside } = context.flow.binding
  if (inside.address === outside.address) return
  mapAddress(sdp, sdp.origin, way, context, edits)
  mapAddress(sdp, sdp.connection, way, context, edits)
  for (const media of sdp.media) {
    mapAddress(sdp, media.connection, way, context, edits)
    if (media.rtcp?.address) mapAddress(sdp, media.rtcp.address, way, context, edits)
    const local = way === 'out' ? announced(sdp, media, locals, context) : ours(sdp, media, context)
    if (local) mapPorts(media, local, way, edits)
    if (hasEnds(media)) mapEnds(media, way, locals, context, edits)
  }
}

function mapPorts({ port, portNumber, rtcp }: SdpMedia, local: LocalStream, way: Way, edits: Edit[]): void {
  const isOut = way === 'out'
  const rtp = isOut ? local.outsidePort : local.inside.port
  if (rtp !== portNumber) edits.push({ start: port.start, end: port.end, text: String(rtp) })
  if (!rtcp) return
  const own = isOut ? local.outsideRtcpPort : local.insideRtcpPort
  const to = rtcp.portNumber === portNumber ? rtp : own
  if (to === 0 || to === rtcp.portNumber) return
  edits.push({ start: rtcp.port.start, end: rtcp.port.end, text: String(to) })
}

function mapAddress(sdp: Sdp, at: SdpAddress | undefined, way: Way, context: SessionContext, edits: Edit[]): void {
  if (!at || at.family !== context.flow.family) return
  const { inside, outside } = context.flow.binding
  const { address, range } = at
  if (way === 'out') {
    if (address === inside.address || context.mediaHosts.has(address))
      edits.push({ start: range.start, end: range.end, text: outside.address })
  } else if (address === outside.address)
    edits.push({ start: range.start, end: range.end, text: insideAddressOf(sdp, at, context) })
}

const hasEnds = ({ candidates, remoteCandidates, alternatives, path }: SdpMedia): boolean =>
  candidates.length + remoteCandidates.length + alternatives.length + path.length > 0

/** What names address and port itself: candidates, what they derive from, alternatives, MSRP URIs. */
function mapEnds(
  { candidates, remoteCandidates, alternatives, path, msrpCema }: SdpMedia,
  way: Way,
  locals: readonly LocalStream[],
  context: SessionContext,
  edits: Edit[],
): void {
  const find = (at: SdpTransportAddress, transport: Transport) =>
    way === 'out' ? outsideEnd(at, transport, locals) : insideEnd(at, context)
  const map = (at: SdpTransportAddress, transport: Transport, isUri = false) =>
    replaceEnd(at, find(at, transport), isUri, edits)
  for (const candidate of candidates) {
    const { transport, related } = candidate
    if (transport !== 'udp' && transport !== 'tcp') continue
    map(candidate, transport)
    if (related) map(related, transport)
  }
  for (const candidate of remoteCandidates) map(candidate, 'udp')
  for (const alternative of alternatives) {
    map(alternative, 'udp')
    const { rtcp } = alternative
    const end = rtcp && find({ ...alternative, portNumber: rtcp.portNumber }, 'udp')
    if (end && end.port !== rtcp.portNumber) push(rtcp.port, String(end.port), edits)
  }
  // With CEMA (RFC 6714 4) connections go where c= and m= say, and the URIs are names.
  if (!msrpCema) for (const uri of path) map(uri, 'tcp', true)
}

/** Outwards: what stands for an inside end of ours; from now on the far side knows it. */
function outsideEnd(
  { address, portNumber }: SdpTransportAddress,
  transport: Transport,
  locals: readonly LocalStream[],
): Endpoint | undefined {
  for (const local of locals) {
    const port = local.inside.address === address && local.transport === transport ? local.outsidePortOf(portNumber) : 0
    if (port === 0) continue
    local.isAnnounced = true
    return { address: local.outsideAddress, port }
  }
  return undefined
}

function insideEnd({ address, portNumber }: SdpTransportAddress, { ports }: SessionContext): Endpoint | undefined {
  const local = ports.holder(address, portNumber)
  const port = local instanceof LocalStream ? local.insidePortOf(portNumber) : 0
  return local instanceof LocalStream && port !== 0 ? { address: local.inside.address, port } : undefined
}

/** A URI's IPv6 address stands in brackets, which are part of its range. */
function replaceEnd(
  { host, address, port, portNumber }: SdpTransportAddress,
  end: Endpoint | undefined,
  isUri: boolean,
  edits: Edit[],
): void {
  if (!end) return
  if (end.address !== address) push(host, isUri && end.address.includes(':') ? `[${end.address}]` : end.address, edits)
  if (end.port !== portNumber) push(port, String(end.port), edits)
}

const push = ({ start, end }: Range, text: string, edits: Edit[]): void => void edits.push({ start, end, text })

/** The stream of ours that a section from inside names; from now on the far side knows its ports. */
function announced(
  sdp: Sdp,
  media: SdpMedia,
  locals: readonly LocalStream[],
  { flow }: SessionContext,
): LocalStream | undefined {
  const connection = connectionOf(sdp, media)
  const transport = transportOf(media)
  if (!connection || !transport || media.portNumber === 0) return undefined
  const address = isUnspecified(connection.address) ? flow.binding.inside.address : connection.address
  const local = findLocal(locals, address, media.portNumber, transport)
  // Without a port outside the stream stays as it is: a 0 would say that it is refused.
  if (!local || local.outsidePort === 0) return undefined
  local.isAnnounced = true
  return local
}

/** The stream of ours whose outside end a section from outside names. */
function ours(sdp: Sdp, media: SdpMedia, { flow, ports }: SessionContext): LocalStream | undefined {
  const connection = connectionOf(sdp, media)
  if (!connection) return undefined
  const address = isUnspecified(connection.address) ? flow.binding.outside.address : connection.address
  const local = ports.holder(address, media.portNumber)
  return local instanceof LocalStream && local.outsidePort === media.portNumber ? local : undefined
}

/** Whose inside address stands behind an outside one in c=: that of the first stream under it which is ours, else the flow's. */
function insideAddressOf(sdp: Sdp, at: SdpAddress, { flow, ports }: SessionContext): string {
  for (const media of sdp.media) {
    if (connectionOf(sdp, media)?.address !== at.address) continue
    const local = ports.holder(at.address, media.portNumber)
    if (local instanceof LocalStream) return local.inside.address
  }
  return flow.binding.inside.address
}

/** Content-Length, and that of each body part, follow the edits from `first` on, which all lie in the body. */
export function fixLengths(message: SipMessage, parts: readonly BodyPart[], edits: Edit[], first: number): void {
  const last = edits.length
  let grown = growth(edits, first, last, message.body)
  for (const part of parts) {
    const partGrown = growth(edits, first, last, part)
    const at = part.contentLength
    if (partGrown === 0 || !at) continue
    const text = String(part.end - part.start + partGrown)
    grown += text.length - (at.end - at.start)
    edits.push({ start: at.start, end: at.end, text })
  }
  const whole = message.contentLength
  if (grown !== 0 && whole)
    edits.push({ start: whole.start, end: whole.end, text: String(message.body.end - message.body.start + grown) })
}

/** By how much the edits [first, last) make a part longer. */
function growth(edits: readonly Edit[], first: number, last: number, part: Range): number {
  let grown = 0
  for (let i = first; i < last; i++) {
    const { start, end, text } = edits[i]!
    if (start >= part.start && end <= part.end) grown += text.length - (end - start)
  }
  return grown
}
