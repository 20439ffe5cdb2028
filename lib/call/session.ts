import type { RefusalReason } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { Sdp, SdpAddress, SdpMedia } from '../../types/sdp.js'
import { isGroup, isPrivate, isUnspecified } from './address-policy.js'
import { type FarStream, type InsideSession, LocalStream, type OutsideSession } from './media.js'
import type { Ports } from './ports.js'

/** What judging a session description needs to know of the world. */
export interface SessionContext {
  readonly flow: Flow
  readonly ports: Ports
  readonly streams: Streams
  /** Whether the address is one of the gateway's own. */
  isGateway(address: string): boolean
  /** Inside addresses that SDP may name besides the sender's own. */
  readonly mediaHosts: ReadonlySet<string>
  refuse(reason: RefusalReason, detail: string): void
}

const LOWEST_PORT = 1024

/** The inside ends of all streams, whichever call they are of. */
export class Streams {
  readonly #byInside = new Map<string, LocalStream>()

  get size(): number {
    return this.#byInside.size
  }

  find(inside: Endpoint, outsideAddress: string): LocalStream | undefined {
    return this.#byInside.get(streamKey(inside, outsideAddress))
  }

  add(local: LocalStream): void {
    this.#byInside.set(streamKey(local.inside, local.outsideAddress), local)
  }

  remove(local: LocalStream): void {
    this.#byInside.delete(streamKey(local.inside, local.outsideAddress))
  }
}

const streamKey = ({ address, port }: Endpoint, outsideAddress: string): string =>
  `${address}|${port}|${outsideAddress}`

const isRtp = (media: SdpMedia): boolean => media.protocol.includes('RTP')
/** A transport that pinholes for UDP serve: RTP in all its profiles, T.38's udptl, DTLS over UDP. */
const isUdp = (media: SdpMedia): boolean =>
  !media.protocol.includes('TCP') &&
  (isRtp(media) || media.protocol.startsWith('UDP') || media.protocol.includes('DTLS'))

const connectionOf = (sdp: Sdp, media: SdpMedia): SdpAddress | undefined => media.connection ?? sdp.connection

function isHeld(sdp: Sdp): boolean {
  const active = sdp.media.filter((media) => media.portNumber !== 0)
  const holds = (media: SdpMedia) =>
    media.direction === 'sendonly' ||
    media.direction === 'inactive' ||
    isUnspecified(connectionOf(sdp, media)?.address ?? '')
  return active.length > 0 && active.every(holds)
}

/** The RTCP port of a stream; 0 when it has none of its own: not RTP, or on the RTP port (RFC 5761 5.1.3). */
function rtcpPortOf(media: SdpMedia): number {
  if (!isRtp(media)) return 0
  const port = media.rtcp?.portNumber ?? media.portNumber + 1
  return port === media.portNumber || port > 65_535 ? 0 : port
}

/**
 * Reads a description from inside: which of its streams get pinholes. `locals` are the call's streams so far; one that names the
 * same inside endpoint again is the same stream, ports included. New ones are appended, with their outside ports leased.
 */
export function insideSession(sdp: Sdp, locals: LocalStream[], context: SessionContext): InsideSession {
  const streams = sdp.media.map((media) => localStream(sdp, media, locals, context))
  return { by: 'inside', streams, mux: sdp.media.map((media) => media.rtcpMux), types: typesOf(sdp), held: isHeld(sdp) }
}

const typesOf = (sdp: Sdp): string[] => sdp.media.map((media) => media.type)

function localStream(
  sdp: Sdp,
  media: SdpMedia,
  locals: LocalStream[],
  context: SessionContext,
): LocalStream | undefined {
  const inside = insideEndpoint(sdp, media, context)
  if (!inside) return undefined
  const known = findLocal(locals, inside.address, inside.port)
  if (known) return known
  const { flow, ports, streams, refuse } = context
  const { address: outsideAddress } = flow.binding.outside
  const others = streams.find(inside, outsideAddress)
  if (others) {
    locals.push(others)
    others.holders++
    return others
  }
  const isTranslated = outsideAddress !== flow.binding.inside.address
  const rtcpPort = insideRtcpPort(media, inside, refuse)
  const local = new LocalStream(inside, rtcpPort, isTranslated ? outsideAddress : inside.address, flow.family)
  local.outsidePort = isTranslated ? ports.lease(outsideAddress, inside.port, local.portCount, local) : inside.port
  if (local.outsidePort === 0) {
    refuse('ports-exhausted', `no outside port is left on ${outsideAddress} for ${inside.address}:${inside.port}`)
    return undefined
  }
  locals.push(local)
  streams.add(local)
  local.holders++
  return local
}

/** The endpoint a media line from inside names, when a pinhole may lead there; otherwise undefined, refused where it is a fault. */
function insideEndpoint(sdp: Sdp, media: SdpMedia, context: SessionContext): Endpoint | undefined {
  const connection = connectionOf(sdp, media)
  if (media.portNumber === 0 || !connection || connection.family === 0) return undefined
  const own = context.flow.binding.inside.address
  const address = isUnspecified(connection.address) ? own : connection.address
  const what = `m=${media.type} ${media.portNumber} at ${connection.address}`
  const { refuse } = context
  if (!isUdp(media)) return void refuse('transport-unsupported', `${what}: ${media.protocol} is not carried over UDP`)
  if (connection.family !== context.flow.family)
    return void refuse('address-family', `${what}: another address family than the signalling`)
  if (context.isGateway(address)) return void refuse('address-gateway', `${what}: an address of the gateway`)
  if (address !== own && !context.mediaHosts.has(address))
    return void refuse('address-foreign', `${what}: neither the sender ${own} nor a configured media host`)
  if (media.portNumber < LOWEST_PORT) return void refuse('port-reserved', `${what}: port below ${LOWEST_PORT}`)
  return { address, port: media.portNumber }
}

/** a=rtcp may name any port and host (RFC 3605 2.1); a pinhole leads only to where one for RTP could. */
function insideRtcpPort(media: SdpMedia, inside: Endpoint, refuse: SessionContext['refuse']): number {
  const port = rtcpPortOf(media)
  const address = media.rtcp?.address?.address ?? inside.address
  const what = `a=rtcp:${port} of m=${media.type} ${media.portNumber}`
  if (port === 0) return 0
  if (port < LOWEST_PORT) refuse('port-reserved', `${what}: port below ${LOWEST_PORT}`)
  else if (address !== inside.address && !isUnspecified(address))
    refuse('address-foreign', `${what}: ${address} is not where the RTP is`)
  else return port
  return 0
}

/**
 * Reads a description from outside: where its streams are. `previous` holds what the far side said before, for a hold by
 * c=0.0.0.0, which keeps the ways as they are.
 */
export function outsideSession(
  sdp: Sdp,
  previous: OutsideSession | undefined,
  context: SessionContext,
): OutsideSession {
  const streams = sdp.media.map((media, index) => farStream(sdp, media, previous?.streams[index], context))
  return {
    by: 'outside',
    streams,
    mux: sdp.media.map((media) => media.rtcpMux),
    types: typesOf(sdp),
    held: isHeld(sdp),
  }
}

function farStream(
  sdp: Sdp,
  media: SdpMedia,
  previous: FarStream | undefined,
  context: SessionContext,
): FarStream | undefined {
  const connection = connectionOf(sdp, media)
  if (media.portNumber === 0 || !connection || connection.family === 0 || !isUdp(media)) return undefined
  const { address } = connection
  if (isUnspecified(address)) return previous
  const { flow, ports } = context
  if (connection.family !== flow.family || isGroup(address) || context.isGateway(address)) return undefined
  if (ports.holder(address, media.portNumber)) return undefined
  if (isPrivate(address) && !isPrivate(flow.peer.address)) {
    return { address: flow.peer.address, port: 0, rtcpAddress: flow.peer.address, rtcpPort: 0, isRtp: isRtp(media) }
  }
  const rtcpAddress = media.rtcp?.address?.family === flow.family ? media.rtcp.address.address : address
  return { address, port: media.portNumber, rtcpAddress, rtcpPort: rtcpPortOf(media), isRtp: isRtp(media) }
}

export function findLocal(locals: readonly LocalStream[], address: string, port: number): LocalStream | undefined {
  for (const local of locals) if (local.inside.port === port && local.inside.address === address) return local
  return undefined
}

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
  const isOut = way === 'out'
  const map = (at: SdpAddress | undefined) => {
    if (!at) return
    const isOurs = isOut
      ? at.address === inside.address || context.mediaHosts.has(at.address)
      : at.address === outside.address
    if (isOurs) edits.push({ ...at.range, text: isOut ? outside.address : insideAddressOf(sdp, at, context) })
  }
  map(sdp.origin)
  map(sdp.connection)
  for (const media of sdp.media) {
    map(media.connection)
    map(media.rtcp?.address)
    const ports = isOut ? outsidePorts(sdp, media, locals, context) : insidePorts(sdp, media, context)
    if (!ports) continue
    if (ports.rtp !== media.portNumber) edits.push({ ...media.port, text: String(ports.rtp) })
    const { rtcp } = media
    if (!rtcp) continue
    const port = rtcp.portNumber === media.portNumber ? ports.rtp : ports.rtcp
    if (port !== 0 && port !== rtcp.portNumber) edits.push({ ...rtcp.port, text: String(port) })
  }
}

interface PortPair {
  readonly rtp: number
  readonly rtcp: number
}

function outsidePorts(
  sdp: Sdp,
  media: SdpMedia,
  locals: readonly LocalStream[],
  context: SessionContext,
): PortPair | undefined {
  const connection = connectionOf(sdp, media)
  if (!connection || media.portNumber === 0) return undefined
  const address = isUnspecified(connection.address) ? context.flow.binding.inside.address : connection.address
  const local = findLocal(locals, address, media.portNumber)
  // Without a port outside the stream stays as it is: a 0 would say that it is refused.
  if (!local || local.outsidePort === 0) return undefined
  local.isAnnounced = true
  return { rtp: local.outsidePort, rtcp: local.outsideRtcpPort }
}

function insidePorts(sdp: Sdp, media: SdpMedia, context: SessionContext): PortPair | undefined {
  const connection = connectionOf(sdp, media)
  if (!connection) return undefined
  const address = isUnspecified(connection.address) ? context.flow.binding.outside.address : connection.address
  const local = context.ports.holder(address, media.portNumber)
  return local instanceof LocalStream && local.outsidePort === media.portNumber
    ? { rtp: local.inside.port, rtcp: local.insideRtcpPort }
    : undefined
}

/** Whose inside address stands behind an outside one in c=: that of the first stream under it which is ours, else the flow's. */
function insideAddressOf(sdp: Sdp, at: SdpAddress, context: SessionContext): string {
  for (const media of sdp.media) {
    if (connectionOf(sdp, media)?.address !== at.address) continue
    const local = context.ports.holder(at.address, media.portNumber)
    if (local instanceof LocalStream) return local.inside.address
  }
  return context.flow.binding.inside.address
}
