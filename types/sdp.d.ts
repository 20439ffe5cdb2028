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
  readonly rtcp: { readonly port: Range; readonly portNumber: number; readonly address: SdpAddress | undefined } | undefined
  /** a=rtcp-mux (RFC 5761). */
  readonly rtcpMux: boolean
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
}
