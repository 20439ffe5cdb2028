import type { Transport } from '../../types/flow.js'
import type { Sdp, SdpAddress, SdpMedia } from '../../types/sdp.js'
import { isUnspecified } from './address-policy.js'
import type { Traits } from './media.js'

/** What is read of a description alike, whoever sent it. */

export const isRtp = (media: SdpMedia): boolean => media.protocol.includes('RTP')

/**
 * What carries a section's media: RTP in all its profiles, T.38's udptl and DTLS over UDP; MSRP, BFCP, T.38 and framed RTP (RFC 4571)
 * over TCP. Undefined: neither.
 */
export function transportOf({ protocol }: SdpMedia): Transport | undefined {
  if (protocol.startsWith('TCP')) return 'tcp'
  const isUdp = protocol.includes('RTP') || protocol.startsWith('UDP') || protocol.includes('DTLS')
  return isUdp && !protocol.includes('TCP') ? 'udp' : undefined
}

/** The discard port: nothing listens there. With trickle ICE (RFC 8840 4.1.1) and of who connects (RFC 4145 4.1). */
export const DISCARD = 9

/** Where a section's media goes. */
export const connectionOf = (sdp: Sdp, media: SdpMedia): SdpAddress | undefined => media.connection ?? sdp.connection

/** The RTCP port of a stream; 0 when it has none of its own: not RTP, or on the RTP port (RFC 5761 5.1.3). */
export function rtcpPortOf(media: SdpMedia): number {
  if (!isRtp(media)) return 0
  // RFC 3605 2.1 names one port: of several pairs each has its own.
  const port = (media.portCount === 1 && media.rtcp?.portNumber) || media.portNumber + 1
  return port === media.portNumber || port > 65_535 ? 0 : port
}

export function isHeld(sdp: Sdp): boolean {
  const active = sdp.media.filter((media) => media.portNumber !== 0)
  const holds = (media: SdpMedia) =>
    media.direction === 'sendonly' ||
    media.direction === 'inactive' ||
    // With trickle ICE an address that is not known yet (RFC 8840 4.1.1).
    (media.portNumber !== DISCARD && isUnspecified(connectionOf(sdp, media)?.address ?? ''))
  return active.length > 0 && active.every(holds)
}

/** Whether a section says more than address and port. Most do not, and cost nothing further. */
const isPlain = ({ rtcpMux, setup, iceUfrag, candidates, alternatives }: SdpMedia): boolean =>
  !rtcpMux && setup === '' && iceUfrag === '' && candidates.length === 0 && alternatives.length === 0

/** What the description says beyond addresses and ports; `endsOf` reads a section's further ends. Undefined: nothing. */
export function traitsOf<E>(sdp: Sdp, endsOf: (media: SdpMedia, line: number) => E[]): Traits<E> | undefined {
  const { media } = sdp
  if (sdp.bundles.length === 0 && media.every(isPlain)) return undefined
  const lines = media.map((it, line) => {
    if (isPlain(it)) return undefined
    const { rtcpMux: mux, setup, candidates, mid, iceUfrag: ufrag } = it
    return { mux, setup, ice: candidates.length > 0, mid, ufrag, ends: endsOf(it, line) }
  })
  return { lines, bundles: bundlesOf(sdp) }
}

/** a=group:BUNDLE by m= lines; a mid that no line has is left out. */
function bundlesOf({ bundles, media }: Sdp): number[][] {
  const lines = (mids: readonly string[]) => mids.map((mid) => media.findIndex((it) => it.mid === mid && mid !== ''))
  return bundles.map((mids) => lines(mids).filter((line) => line >= 0))
}
