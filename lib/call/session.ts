import type { RefusalReason } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import type { Sdp, SdpAddress, SdpMedia } from '../../types/sdp.js'
import { isGroup, isPrivate, isUnspecified } from './address-policy.js'
import { type FarStream, type InsideSession, LocalStream, type OutsideSession } from './media.js'
import type { Ports } from './ports.js'
import type { Streams } from './streams.js'

/** What judging a session description needs to know of the world. */
export interface SessionContext {
  readonly flow: Flow
  readonly ports: Ports
  readonly streams: Streams
  /** Whether the address is one of the gateway's own. */
  isGateway(address: string): boolean
  /** Inside addresses that SDP may name besides the sender's own. */
  readonly mediaHosts: { has(address: string): boolean }
  /** Outside ports that the streams of one inside host may lease. */
  readonly portsPerHost: number
  refuse(reason: RefusalReason, detail: string): void
}

const LOWEST_PORT = 1024

const isRtp = (media: SdpMedia): boolean => media.protocol.includes('RTP')
/** A transport that pinholes for UDP serve: RTP in all its profiles, T.38's udptl, DTLS over UDP. */
const isUdp = (media: SdpMedia): boolean =>
  !media.protocol.includes('TCP') &&
  (isRtp(media) || media.protocol.startsWith('UDP') || media.protocol.includes('DTLS'))

/** Where a section's media goes. */
export const connectionOf = (sdp: Sdp, media: SdpMedia): SdpAddress | undefined => media.connection ?? sdp.connection

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

const muxOf = (sdp: Sdp): boolean[] | undefined =>
  sdp.media.some((media) => media.rtcpMux) ? sdp.media.map((media) => media.rtcpMux) : undefined

/** What has streams: a call. */
interface Holder {
  locals: readonly LocalStream[]
}

/**
 * Reads a description from inside: which of its streams get pinholes. One that names the same inside endpoint as before, in this
 * call or another, is the same stream, ports included. New ones are added to `holder`, with their outside ports leased.
 */
export function insideSession(sdp: Sdp, holder: Holder, context: SessionContext): InsideSession {
  const streams = sdp.media.map((media) => localStream(sdp, media, holder, context))
  return { by: 'inside', streams, mux: muxOf(sdp), held: isHeld(sdp) }
}

function localStream(sdp: Sdp, media: SdpMedia, holder: Holder, context: SessionContext): LocalStream | undefined {
  const local = ownLease(sdp, media, context) ?? namedStream(sdp, media, holder, context)
  if (!local) return undefined
  local.type = media.type
  if (holder.locals.includes(local)) return local
  holder.locals = holder.locals.concat(local)
  local.holders++
  return local
}

/** The stream at the inside endpoint that a media line names. */
function namedStream(sdp: Sdp, media: SdpMedia, holder: Holder, context: SessionContext): LocalStream | undefined {
  const inside = insideEndpoint(sdp, media, context)
  if (!inside) return undefined
  const own = findLocal(holder.locals, inside.address, inside.port)
  return own ?? context.streams.find(inside, context.flow.binding.outside.address) ?? lease(media, inside, context)
}

/**
 * A phone that knows its outside endpoint (ICE, RFC 8839 4.4.1.2.2, or STUN) may name it: that is its stream, and the text stays as it
 * is. Only the sender's own leases: another phone's are none of its business.
 */
function ownLease(sdp: Sdp, media: SdpMedia, { flow, ports }: SessionContext): LocalStream | undefined {
  const address = connectionOf(sdp, media)?.address
  if (address !== flow.binding.outside.address || media.portNumber === 0) return undefined
  const holder = ports.holder(address, media.portNumber)
  const isOwn = holder instanceof LocalStream && holder.inside.address === flow.binding.inside.address
  return isOwn && holder.outsidePort === media.portNumber ? holder : undefined
}

function lease(
  media: SdpMedia,
  inside: Endpoint,
  { flow, ports, streams, refuse, portsPerHost }: SessionContext,
): LocalStream | undefined {
  const { address: outsideAddress } = flow.binding.outside
  const isTranslated = outsideAddress !== flow.binding.inside.address
  const rtcpPort = insideRtcpPort(media, inside, refuse)
  const local = new LocalStream(inside, rtcpPort, isTranslated ? outsideAddress : inside.address, flow.family)
  if (isTranslated && streams.portsOf(inside.address) + local.portCount > portsPerHost) {
    refuse('host-ports-exhausted', `${inside.address} has its ${portsPerHost} outside ports already`)
    return undefined
  }
  local.outsidePort = isTranslated ? ports.lease(outsideAddress, inside.port, local.portCount, local) : inside.port
  if (local.outsidePort === 0) {
    refuse('ports-exhausted', `no outside port is left on ${outsideAddress} for ${inside.address}:${inside.port}`)
    return undefined
  }
  streams.add(local)
  return local
}

/** The endpoint a media line from inside names, when a pinhole may lead there; otherwise undefined, refused where it is a fault. */
function insideEndpoint(sdp: Sdp, media: SdpMedia, context: SessionContext): Endpoint | undefined {
  const connection = connectionOf(sdp, media)
  if (media.portNumber === 0 || !connection || connection.family === 0) return undefined
  const own = context.flow.binding.inside.address
  // The flow's own string, where it is the same: the message's would live as long as the stream.
  const isOwn = connection.address === own || isUnspecified(connection.address)
  const address = isOwn ? own : connection.address
  const refuse = (reason: RefusalReason, why: string) =>
    void context.refuse(reason, `m=${media.type} ${media.portNumber} at ${connection.address}: ${why}`)
  if (!isUdp(media)) return refuse('transport-unsupported', `${media.protocol} is not carried over UDP`)
  if (connection.family !== context.flow.family)
    return refuse('address-family', 'another address family than the signalling')
  if (!isOwn && context.isGateway(address)) return refuse('address-gateway', 'an address of the gateway')
  if (!isOwn && !context.mediaHosts.has(address))
    return refuse('address-foreign', `neither the sender ${own} nor a configured media host`)
  if (media.portNumber < LOWEST_PORT) return refuse('port-reserved', `port below ${LOWEST_PORT}`)
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
  return { by: 'outside', streams, mux: muxOf(sdp), held: isHeld(sdp) }
}

function farStream(
  sdp: Sdp,
  media: SdpMedia,
  previous: FarStream | undefined,
  context: SessionContext,
): FarStream | undefined {
  const connection = connectionOf(sdp, media)
  if (media.portNumber === 0 || !connection || !isUdp(media)) return undefined
  if (isUnspecified(connection.address)) return previous
  const { address: peer } = context.flow.peer
  const address = farAddress(connection, context)
  if (address === undefined || context.ports.holder(address, media.portNumber)) return undefined
  // Behind a NAT of its own: the peer's address stands for it, and the ports are any.
  const isReplaced = address !== connection.address
  const rtcpPort = rtcpPortOf(media)
  if (isReplaced) return { address: peer, port: 0, rtcp: isRtp(media) ? { address: peer, port: 0 } : undefined }
  const rtcpAddress = media.rtcp?.address ? farAddress(media.rtcp.address, context) : address
  const rtcp = rtcpPort === 0 || rtcpAddress === undefined ? undefined : { address: rtcpAddress, port: rtcpPort }
  return { address, port: media.portNumber, rtcp }
}

/** An address that media may come from and go to, or what stands for it; undefined when there is none. */
function farAddress({ address, family }: SdpAddress, { flow, isGateway }: SessionContext): string | undefined {
  const { address: peer } = flow.peer
  if (address === peer) return peer
  if (family !== flow.family || isGroup(address) || isGateway(address)) return undefined
  return isPrivate(address) && !isPrivate(peer) ? peer : address
}

export function findLocal(locals: readonly LocalStream[], address: string, port: number): LocalStream | undefined {
  for (const local of locals) if (local.inside.port === port && local.inside.address === address) return local
  return undefined
}
