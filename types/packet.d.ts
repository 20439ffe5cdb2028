import type { Endpoint, Family } from './endpoint.js'
import type { Range } from './range.js'

/** Why a packet has no UDP payload to look at. `source-route`: its final destination is not in the header's address field. */
export type NotUdp = 'not-ip' | 'not-udp' | 'fragment' | 'source-route'

/** What is wrong with an IP or UDP header. */
export type MalformedPacket = 'ip-length' | 'ip-header' | 'extension-header' | 'udp-length'

/** A UDP datagram in an IP packet. Ranges count from the packet's first byte; the packet is the caller's. */
export interface PacketLocation {
  readonly state: 'found'
  readonly family: Family
  /** 17, UDP. */
  readonly protocol: 17
  /** IP header with options or extension headers. */
  readonly ip: Range
  /** The UDP header. */
  readonly udp: Range
  /** What the UDP length field covers after its header. */
  readonly payload: Range
  /** End of the IP packet; bytes between `payload.end` and here belong to no datagram. */
  readonly end: number
  /** From the headers, read on first use: the packet must not have changed by then. */
  readonly source: Endpoint
  readonly destination: Endpoint
}

/** A TCP segment in an IP packet; offsets count from the packet's first byte. */
export interface SegmentLocation {
  readonly family: Family
  /** The TCP header. */
  readonly at: number
  /** End of the IP packet. */
  readonly end: number
  readonly source: Endpoint
  readonly destination: Endpoint
  /** Of its first byte. */
  readonly sequence: number
  /** What its sender waits for; without ACK among the flags it means nothing. */
  readonly acknowledgment: number
  /** RFC 9293 3.1: 1 FIN, 2 SYN, 4 RST, 8 PSH, 16 ACK, 32 URG. */
  readonly flags: number
  /** What it carries; it ends with the IP packet. */
  readonly data: Range
}

export type PacketScan =
  | PacketLocation
  | { readonly state: 'absent'; readonly reason: NotUdp }
  | { readonly state: 'malformed'; readonly reason: MalformedPacket }
