import type { Way } from '../../types/flow.js'
import type { Edit, Range } from '../../types/range.js'
import type { Sdp, SdpAddress, SdpMedia } from '../../types/sdp.js'
import type { BodyPart, SipMessage } from '../../types/sip.js'
import { isUnspecified } from './address-policy.js'
import { LocalStream } from './media.js'
import { connectionOf, findLocal, type SessionContext } from './session.js'

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
    const { connection, rtcp, port, portNumber } = media
    mapAddress(sdp, connection, way, context, edits)
    if (rtcp?.address) mapAddress(sdp, rtcp.address, way, context, edits)
    const local = way === 'out' ? announced(sdp, media, locals, context) : ours(sdp, media, context)
    if (!local) continue
    const isOut = way === 'out'
    const rtp = isOut ? local.outsidePort : local.inside.port
    if (rtp !== portNumber) edits.push({ start: port.start, end: port.end, text: String(rtp) })
    if (!rtcp) continue
    const own = isOut ? local.outsideRtcpPort : local.insideRtcpPort
    const to = rtcp.portNumber === portNumber ? rtp : own
    if (to === 0 || to === rtcp.portNumber) continue
    edits.push({ start: rtcp.port.start, end: rtcp.port.end, text: String(to) })
  }
}

function mapAddress(sdp: Sdp, at: SdpAddress | undefined, way: Way, context: SessionContext, edits: Edit[]): void {
  if (!at) return
  const { inside, outside } = context.flow.binding
  const { address, range } = at
  if (way === 'out') {
    if (address === inside.address || context.mediaHosts.has(address))
      edits.push({ start: range.start, end: range.end, text: outside.address })
  } else if (address === outside.address)
    edits.push({ start: range.start, end: range.end, text: insideAddressOf(sdp, at, context) })
}

/** The stream of ours that a section from inside names; from now on the far side knows its ports. */
function announced(
  sdp: Sdp,
  media: SdpMedia,
  locals: readonly LocalStream[],
  { flow }: SessionContext,
): LocalStream | undefined {
  const connection = connectionOf(sdp, media)
  if (!connection || media.portNumber === 0) return undefined
  const address = isUnspecified(connection.address) ? flow.binding.inside.address : connection.address
  const local = findLocal(locals, address, media.portNumber)
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

/** Content-Length, and that of each body part, follow the edits from `first` on, which all lie in `parts`. */
export function fixLengths(message: SipMessage, parts: readonly BodyPart[], edits: Edit[], first: number): void {
  const last = edits.length
  let grown = 0
  for (const part of parts) {
    const partGrown = growth(edits, first, last, part)
    grown += partGrown
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
