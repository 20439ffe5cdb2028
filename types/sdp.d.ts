import type { Range } from './range.js'

/** What is wrong with a session description (RFC 8866). The message it is in goes on, without pinholes. */
export type MalformedSdp =
  | 'version'
  | 'line-syntax'
  | 'origin-syntax'
  | 'connection-syntax'
  | 'media-syntax'
  | 'media-port'
  | 'rtcp-syntax'
  | 'media-too-many'
  | 'connection-missing'
  | 'description-too-large'

/** An address in a session description, with where it stands. */
export interface SdpAddress {
  /** Of the address text alone (in c=, without /ttl). */
  readonly range: Range
  /** Canonical address, or the host name in lower case. */
  readonly address: string
  /** 4, 6, or 0 for a host name. */
  readonly family: 0 | 4 | 6
  /** The `IP4`/`IP6` token, for changes of family. */
  readonly addressType: Range
}

export type Direction = 'sendrecv' | 'sendonly' | 'recvonly' | 'inactive'

/** An address and port of an attribute, with where both stand. */
export interface SdpTransportAddress {
  /** Of the host text, brackets of an IPv6 reference included. */
  readonly host: Range
  /** Canonical address, or the host name in lower case. */
  readonly address: string
  readonly family: 0 | 4 | 6
  /** `start === end` where a URI names no port: `:port` could be inserted there. */
  readonly port: Range
  /** 0 when absent. */
  readonly portNumber: number
}

/** a=candidate (RFC 8839 5.1). */
export interface SdpCandidate extends SdpTransportAddress {
  /** 1 RTP, 2 RTCP. */
  readonly component: number
  /** Lower case: udp, tcp. */
  readonly transport: string
  /** Lower case: host, srflx, prflx, relay. */
  readonly type: string
  /** raddr and rport. */
  readonly related: SdpTransportAddress | undefined
  /** The whole line, its end included. */
  readonly line: Range
}

/** a=altc (RFC 6947 3.2): another address for the whole stream. */
export interface SdpAlternative extends SdpTransportAddress {
  /** Undefined: the next port. */
  readonly rtcp: { readonly port: Range; readonly portNumber: number } | undefined
}

/** One m= section. */
export interface SdpMedia {
  /** audio, video, text, application, message, image. */
  readonly type: string
  /** The port's digits and value; 0 is a refused or disabled stream (RFC 3264 6). */
  readonly port: Range
  readonly portNumber: number
  /** `/n` port count, 1 by default. */
  readonly portCount: number
  /** RTP/AVP, RTP/SAVPF, udptl, TCP/MSRP ... upper case. */
  readonly protocol: string
  /** The media level c=, if any; otherwise the session's holds. */
  readonly connection: SdpAddress | undefined
  /** a=rtcp (RFC 3605). */
  readonly rtcp:
    | { readonly port: Range; readonly portNumber: number; readonly address: SdpAddress | undefined }
    | undefined
  /** a=rtcp-mux (RFC 5761). */
  readonly rtcpMux: boolean
  /** a=candidate lines; one that breaks its grammar is left out and counted in `problems`. */
  readonly candidates: readonly SdpCandidate[]
  /** a=remote-candidates (RFC 8839 5.2). */
  readonly remoteCandidates: readonly SdpTransportAddress[]
  /** a=altc (RFC 6947); one that breaks its grammar is left out and counted in `problems`. */
  readonly alternatives: readonly SdpAlternative[]
  /** a=msrp-cema (RFC 6714): connections go where c= and m= say, whatever a=path says. */
  readonly msrpCema: boolean
  /** msrp: and msrps: URIs of a=path, nearest first (RFC 4975 8.1). */
  readonly path: readonly SdpTransportAddress[]
  /** a=mid (RFC 5888); empty when absent. */
  readonly mid: string
  /** a=ice-ufrag (RFC 8839 5.4), which tells one ICE session from the next; from the session level when the media has none; empty when absent. */
  readonly iceUfrag: string
  /** a=bundle-only (RFC 9143 6). */
  readonly bundleOnly: boolean
  /** a=setup (RFC 4145): active, passive, actpass, holdconn; from the session level when the media has none; empty when absent. */
  readonly setup: string
  /** Attribute lines of this section that carry addresses and break their grammar. */
  readonly problems: number
  /** From the media level, else the session level, else sendrecv. */
  readonly direction: Direction
  readonly range: Range
}

/** A scanned session description; ranges point into the scanned bytes. */
export interface Sdp {
  readonly range: Range
  /** o=: its address, and `sess-id sess-version` as text (an unchanged version is an unchanged description, RFC 3264 8). */
  readonly origin: SdpAddress | undefined
  readonly sessionId: string
  readonly sessionVersion: string
  /** The session level c=. */
  readonly connection: SdpAddress | undefined
  readonly media: readonly SdpMedia[]
  /** a=group:BUNDLE (RFC 9143): lists of mids, the first of each carries the transport. */
  readonly bundles: readonly (readonly string[])[]
}

/** Bounds of one description. */
export interface SdpLimits {
  /** m= sections, default 32. More is `media-too-many`. */
  readonly maxMedia?: number
  /** Bytes, default 65535. More is `description-too-large`. */
  readonly maxBytes?: number
}

/** A description as npm sdp-transform reads it, the fields that most callers want; others are there under its own names. */
export interface SdpModel {
  readonly version?: number
  readonly origin?: {
    readonly username: string
    readonly sessionId: string | number
    readonly sessionVersion: number
    readonly netType: string
    readonly ipVer: number
    readonly address: string
  }
  readonly name?: string
  readonly connection?: { readonly version: number; readonly ip: string; readonly ttl?: number }
  readonly direction?: Direction
  readonly groups?: readonly { readonly type: string; readonly mids: string | number }[]
  readonly media: readonly SdpModelMedia[]
  readonly [name: string]: unknown
}

export interface SdpModelMedia {
  readonly type: string
  readonly port: number
  readonly protocol: string
  readonly payloads?: string
  readonly connection?: { readonly version: number; readonly ip: string }
  readonly direction?: Direction
  readonly rtcp?: {
    readonly port: number
    readonly netType?: string
    readonly ipVer?: number
    readonly address?: string
  }
  readonly rtcpMux?: string
  readonly rtp?: readonly { readonly payload: number; readonly codec: string; readonly rate?: number }[]
  readonly candidates?: readonly {
    readonly foundation: string
    readonly component: number
    readonly transport: string
    readonly priority: number | string
    readonly ip: string
    readonly port: number
    readonly type: string
    readonly raddr?: string
    readonly rport?: number
  }[]
  readonly mid?: string | number
  readonly setup?: string
  readonly [name: string]: unknown
}
