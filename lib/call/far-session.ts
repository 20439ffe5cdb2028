import type { Sdp, SdpAddress, SdpMedia } from '../../types/sdp.js'
import { isGroup, isPrivate, isUnspecified } from './address-policy.js'
import { connectionOf, isHeld, isRtp, rtcpPortOf, traitsOf, transportOf } from './described.js'
import type { FarStream, OutsideEnd, OutsideSession } from './media.js'
import type { SessionContext } from './session.js'

/** Further ends of a stream from outside: each costs expectations for every end inside. */
const MAX_ENDS = 16

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
  const traits = traitsOf(sdp, (media) => farEnds(media, context))
  return { by: 'outside', streams, traits, held: isHeld(sdp) }
}

function farStream(
  sdp: Sdp,
  media: SdpMedia,
  previous: FarStream | undefined,
  context: SessionContext,
): FarStream | undefined {
  const connection = connectionOf(sdp, media)
  if (media.portNumber === 0 || !connection || !transportOf(media)) return undefined
  if (isUnspecified(connection.address)) return previous
  const { address: peer } = context.flow.peer
  const address = farAddress(connection, context)
  if (address === undefined || context.ports.holder(address, media.portNumber)) return undefined
  // Behind a NAT of its own: the peer's address stands for it, and the ports are any.
  const isReplaced = address !== connection.address
  const rtcpPort = rtcpPortOf(media)
  const count = media.portCount === 1 ? {} : { count: media.portCount }
  if (isReplaced)
    return { address: peer, port: 0, rtcp: isRtp(media) ? { address: peer, port: 0 } : undefined, ...count }
  const rtcpAddress = media.rtcp?.address ? farAddress(media.rtcp.address, context) : address
  const rtcp = rtcpPort === 0 || rtcpAddress === undefined ? undefined : { address: rtcpAddress, port: rtcpPort }
  return { address, port: media.portNumber, rtcp, ...count }
}

/** An address that media may come from and go to, or what stands for it; undefined when there is none. */
function farAddress({ address, family }: SdpAddress, { flow, isGateway }: SessionContext): string | undefined {
  const { address: peer } = flow.peer
  if (address === peer) return peer
  if (family === 0 || isGroup(address) || isGateway(address)) return undefined
  if (isPrivate(address) && !isPrivate(peer)) return family === flow.family ? peer : undefined
  return address
}

export const isSameEnd = (a: OutsideEnd, b: OutsideEnd): boolean =>
  a.component === b.component &&
  a.transport === b.transport &&
  a.far.port === b.far.port &&
  a.far.address === b.far.address

/**
 * `known`, and the candidates and alternatives besides that can be reached from here. Nothing stands for one that cannot: another
 * will do.
 */
export function farEnds(
  { candidates, alternatives }: SdpMedia,
  context: SessionContext,
  known: readonly OutsideEnd[] = [],
): OutsideEnd[] {
  const ends = [...known]
  const isReachable = ({ address, family, portNumber }: FarPlace) =>
    family !== 0 &&
    !isUnspecified(address) &&
    farAddress({ address, family } as SdpAddress, context) === address &&
    !context.ports.holder(address, portNumber)
  for (const candidate of candidates) {
    const { component, transport, address, portNumber: port } = candidate
    if (transport !== 'udp' && transport !== 'tcp') continue
    const end = { component, transport, far: { address, port, rtcp: undefined } } as const
    if (isReachable(candidate) && !ends.some((it) => isSameEnd(it, end))) ends.push(end)
  }
  for (const alternative of alternatives) {
    const { address, portNumber: port, rtcp } = alternative
    const far = { address, port, rtcp: { address, port: rtcp?.portNumber ?? port + 1 } }
    if (isReachable(alternative)) ends.push({ component: 0, transport: 'udp', far })
  }
  if (ends.length > MAX_ENDS) context.refuse('candidates-exhausted', `${ends.length} far candidates of one stream`)
  return ends.slice(0, MAX_ENDS)
}

interface FarPlace {
  readonly address: string
  readonly family: 0 | 4 | 6
  readonly portNumber: number
}
