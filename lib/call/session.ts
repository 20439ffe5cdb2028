import type { RefusalReason } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Transport } from '../../types/flow.js'
import type { Sdp, SdpMedia, SdpTransportAddress } from '../../types/sdp.js'
import { isGroup, isUnspecified } from './address-policy.js'
import { connectionOf, DISCARD, isHeld, rtcpPortOf, traitsOf, transportOf } from './described.js'
import { type InsideEnd, type InsideSession, LocalStream, type StreamShape } from './media.js'
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
/** Pairs of one `port/n`, and further ends of a stream inside: a description must not take the ports of all others. */
const MAX_COUNT = 8
const MAX_ENDS = 8

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
  const traits = traitsOf(sdp, (media, line) => insideEnds(media, streams[line], holder, context))
  return { by: 'inside', streams, traits, held: isHeld(sdp) }
}

function localStream(sdp: Sdp, media: SdpMedia, holder: Holder, context: SessionContext): LocalStream | undefined {
  const local = ownLease(sdp, media, context) ?? namedStream(sdp, media, holder, context)
  return local && held(local, media.type, holder)
}

/** One more description of the holder names the stream. */
function held(local: LocalStream, type: string, holder: Holder): LocalStream {
  local.type = type
  if (holder.locals.includes(local)) return local
  holder.locals = holder.locals.concat(local)
  local.holders++
  return local
}

/** The stream at the inside endpoint that a media line names. */
function namedStream(sdp: Sdp, media: SdpMedia, holder: Holder, context: SessionContext): LocalStream | undefined {
  const inside = insideEndpoint(sdp, media, context)
  const transport = transportOf(media)
  if (!inside || !transport) return undefined
  const rtcpPort = insideRtcpPort(media, inside, context.refuse)
  return streamAt(inside, { transport, rtcpPort, count: media.portCount }, holder, context)
}

/** The stream at that inside endpoint, leased when it is new. */
function streamAt(
  inside: Endpoint,
  shape: StreamShape,
  holder: Holder,
  context: SessionContext,
): LocalStream | undefined {
  const { streams, flow } = context
  const own = findLocal(holder.locals, inside.address, inside.port, shape.transport)
  return own ?? streams.find(inside, outsideAddressOf(inside, flow), shape.transport) ?? lease(inside, shape, context)
}

/** Another family than the signalling's is not translated: what the gateway would make of it is not known. */
function outsideAddressOf({ address }: Endpoint, { family, binding: { inside, outside } }: Flow): string {
  const isOther = address.includes(':') !== (family === 6)
  return isOther || outside.address === inside.address ? address : outside.address
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
  inside: Endpoint,
  shape: StreamShape,
  { flow, ports, streams, refuse, portsPerHost }: SessionContext,
): LocalStream | undefined {
  const outsideAddress = outsideAddressOf(inside, flow)
  const local = new LocalStream(inside, outsideAddress, inside.address.includes(':') ? 6 : 4, shape)
  const { isTranslated, portCount } = local
  if (isTranslated && streams.portsOf(inside.address) + portCount > portsPerHost) {
    refuse('host-ports-exhausted', `${inside.address} has its ${portsPerHost} outside ports already`)
    return undefined
  }
  local.outsidePort = isTranslated ? ports.lease(outsideAddress, inside.port, portCount, local) : inside.port
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
  if (media.portNumber === 0 || media.portNumber === DISCARD || !connection) return undefined
  const own = context.flow.binding.inside.address
  // The flow's own string, where it is the same: the message's would live as long as the stream.
  const isOwn = connection.address === own || isUnspecified(connection.address)
  const address = isOwn ? own : connection.address
  const refuse = (reason: RefusalReason, why: string) =>
    void context.refuse(reason, `m=${media.type} ${media.portNumber} at ${connection.address}: ${why}`)
  if (!transportOf(media)) return refuse('transport-unsupported', `${media.protocol} is carried by neither UDP nor TCP`)
  if (connection.family === 0) return refuse('host-name', 'a name says nothing of whose address it is')
  if (isGroup(address)) return refuse('address-group', 'multicast needs no pinhole')
  if (!isOwn && context.isGateway(address)) return refuse('address-gateway', 'an address of the gateway')
  if (!isOwn && !context.mediaHosts.has(address)) {
    if (connection.family !== context.flow.family)
      return refuse('address-family', 'another address family than the signalling, and no configured media host')
    return refuse('address-foreign', `neither the sender ${own} nor a configured media host`)
  }
  if (media.portNumber < LOWEST_PORT) return refuse('port-reserved', `port below ${LOWEST_PORT}`)
  if (media.portCount > MAX_COUNT) return refuse('port-count', `${media.portCount} of them, more than ${MAX_COUNT}`)
  return { address, port: media.portNumber }
}

/** What an end inside is made of, as a candidate or an alternative names it. */
interface Named extends InsideShape {
  readonly at: SdpTransportAddress
}
interface InsideShape extends StreamShape {
  readonly component: number
}

/**
 * `known`, and the candidates and alternatives of a section that are ends of their own besides: addresses that pinholes may lead to (RFC 8839 8.2.2), beside
 * the ports of `first`. All others (reflexive, relayed, of other interfaces, mDNS names) are nothing of ours.
 */
export function insideEnds(
  { candidates, alternatives, type }: SdpMedia,
  first: LocalStream | undefined,
  holder: Holder,
  context: SessionContext,
  known: readonly InsideEnd[] = [],
): InsideEnd[] {
  const named: Named[] = []
  for (const at of candidates) {
    const { component, transport } = at
    if (transport === 'udp' || transport === 'tcp') named.push({ at, component, transport, rtcpPort: 0, count: 1 })
  }
  for (const at of alternatives) {
    const rtcpPort = at.rtcp?.portNumber ?? at.portNumber + 1
    named.push({ at, component: 0, transport: 'udp', rtcpPort, count: 1 })
  }
  const ends = [...known]
  for (const { at, component, ...shape } of named) {
    const { address, portNumber: port } = at
    const isFirst =
      first?.transport === shape.transport && first.inside.address === address && first.outsidePortOf(port)
    if (isFirst || !isAllowed(at, context) || ends.some((it) => isAt(it.local.inside, at))) continue
    if (ends.length >= MAX_ENDS) {
      context.refuse('candidates-exhausted', `m=${type}: more than ${MAX_ENDS} addresses of its own`)
      break
    }
    const local = streamAt({ address, port }, shape, holder, context)
    if (local) ends.push({ component, local: held(local, type, holder) })
  }
  return ends
}

const isAt = (end: Endpoint, { address, portNumber }: SdpTransportAddress): boolean =>
  end.port === portNumber && end.address === address

/** As `insideEndpoint` judges, in silence: a phone names whatever interfaces it has. */
function isAllowed(
  { address, portNumber }: SdpTransportAddress,
  { flow, mediaHosts, isGateway }: SessionContext,
): boolean {
  const isKnown = address === flow.binding.inside.address || (mediaHosts.has(address) && !isGateway(address))
  return isKnown && portNumber >= LOWEST_PORT
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

export function findLocal(
  locals: readonly LocalStream[],
  address: string,
  port: number,
  transport: Transport,
): LocalStream | undefined {
  for (const local of locals)
    if (local.inside.port === port && local.inside.address === address && local.transport === transport) return local
  return undefined
}
