import type { Endpoint, Family } from '../../types/endpoint.js'
import type { MalformedPacket, NotUdp, PacketLocation, PacketScan } from '../../types/packet.js'
import type { Range } from '../../types/range.js'
import { formatAddress } from '../base/address.js'
import { v4Text } from '../base/host.js'

const IPPROTO_UDP = 17
const UDP_HEADER = 8
const V4_HEADER = 20
const V6_HEADER = 40

/** More extension headers than any packet needs (RFC 8200 4.1 lists seven). */
const MAX_EXTENSIONS = 8

const absent = (reason: NotUdp): PacketScan => ({ state: 'absent', reason })
const malformed = (reason: MalformedPacket): PacketScan => ({ state: 'malformed', reason })

/** A found datagram. Addresses become text on first use: most callers ask for one of the two. */
class Location implements PacketLocation {
  readonly state = 'found'
  readonly protocol = IPPROTO_UDP
  readonly family: Family
  readonly ip: Range
  readonly udp: Range
  readonly payload: Range
  readonly end: number
  readonly #packet: Uint8Array
  #source: Endpoint | undefined
  #destination: Endpoint | undefined

  constructor(packet: Uint8Array, family: Family, transport: number, payloadEnd: number, end: number) {
    this.#packet = packet
    this.family = family
    this.ip = { start: 0, end: transport }
    this.udp = { start: transport, end: transport + UDP_HEADER }
    this.payload = { start: transport + UDP_HEADER, end: payloadEnd }
    this.end = end
    this.#source = undefined
    this.#destination = undefined
  }

  get source(): Endpoint {
    this.#source ??= endpoint(this.#packet, this.family, this.family === 4 ? 12 : 8, this.udp.start)
    return this.#source
  }

  get destination(): Endpoint {
    this.#destination ??= endpoint(this.#packet, this.family, this.family === 4 ? 16 : 24, this.udp.start + 2)
    return this.#destination
  }
}

function endpoint(packet: Uint8Array, family: Family, address: number, port: number): Endpoint {
  const text =
    family === 4
      ? v4Text(((u16(packet, address) << 16) | u16(packet, address + 2)) >>> 0)
      : formatAddress(packet, address, 6)
  return { address: text, port: u16(packet, port) }
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}

/**
 * Finds the UDP datagram in an IP packet, IPv4 (RFC 791) or IPv6 (RFC 8200). Fragments and source-routed packets are `absent`: the
 * first have no whole payload, the second another final destination than the header says. Checksums are not verified (the
 * kernel did, or will compute them). Copies nothing, never throws. The location borrows the packet.
 */
export function locate(packet: Uint8Array): PacketScan {
  if (packet.length < 1) return absent('not-ip')
  const version = packet[0]! >>> 4
  if (version === 4) return locateV4(packet)
  if (version === 6) return locateV6(packet)
  return absent('not-ip')
}

function locateV4(packet: Uint8Array): PacketScan {
  if (packet.length < V4_HEADER) return malformed('ip-length')
  const header = (packet[0]! & 15) * 4
  const total = u16(packet, 2)
  if (header < V4_HEADER) return malformed('ip-header')
  if (total > packet.length || header > total) return malformed('ip-length')
  // MF or an offset: 0x3fff without DF and the reserved bit.
  if ((u16(packet, 6) & 0x3fff) !== 0) return absent('fragment')
  if (packet[9] !== IPPROTO_UDP) return absent('not-udp')
  if (header > V4_HEADER && isSourceRouted(packet, V4_HEADER, header)) return absent('source-route')
  return locateUdp(packet, 4, header, total)
}

const LOOSE_SOURCE_ROUTE = 131
const STRICT_SOURCE_ROUTE = 137

/** Walks the options (RFC 791 3.1); a broken list counts as one that may route. */
function isSourceRouted(packet: Uint8Array, at: number, end: number): boolean {
  while (at < end) {
    const type = packet[at]!
    if (type === 0) return false
    if (type === LOOSE_SOURCE_ROUTE || type === STRICT_SOURCE_ROUTE) return true
    const length = type === 1 ? 1 : at + 1 < end ? packet[at + 1]! : 0
    if (length < (type === 1 ? 1 : 2) || at + length > end) return true
    at += length
  }
  return false
}

const FRAGMENT = 44
const ROUTING = 43
const AUTHENTICATION = 51
/** Hop-by-hop, routing, destination options, mobility, HIP, shim6: next header, then length in units of eight bytes after the first. */
const plainExtensions: readonly number[] = [0, ROUTING, 60, 135, 139, 140]

function locateV6(packet: Uint8Array): PacketScan {
  if (packet.length < V6_HEADER) return malformed('ip-length')
  const end = V6_HEADER + u16(packet, 4)
  if (end > packet.length) return malformed('ip-length')
  let next = packet[6]!
  let at = V6_HEADER
  for (let count = 0; next !== IPPROTO_UDP; count++) {
    const isFragment = next === FRAGMENT
    if (!isFragment && next !== AUTHENTICATION && !plainExtensions.includes(next)) return absent('not-udp')
    if (count === MAX_EXTENSIONS || at + 8 > end) return malformed('extension-header')
    // RFC 6946: a fragment header with neither offset nor more-fragments holds a whole packet.
    if (isFragment && (u16(packet, at + 2) & 0xfff9) !== 0) return absent('fragment')
    if (next === ROUTING && packet[at + 3] !== 0) return absent('source-route')
    // RFC 4302 2.2: AH alone counts four-byte units, less two.
    const length = isFragment ? 8 : next === AUTHENTICATION ? (packet[at + 1]! + 2) * 4 : (packet[at + 1]! + 1) * 8
    next = packet[at]!
    at += length
    if (at > end) return malformed('extension-header')
  }
  return locateUdp(packet, 6, at, end)
}

function locateUdp(packet: Uint8Array, family: Family, at: number, end: number): PacketScan {
  if (at + UDP_HEADER > end) return malformed('udp-length')
  const length = u16(packet, at + 4)
  if (length < UDP_HEADER || at + length > end) return malformed('udp-length')
  return new Location(packet, family, at, at + length, end)
}
