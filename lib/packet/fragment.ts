import { addWords, putChecksum } from './checksum.js'

const V6_HEADER = 40
const FRAGMENT_HEADER = 8
const FRAGMENT = 44
const DONT_FRAGMENT = 0x40
const MORE = 1
const IPPROTO_UDP = 17
/** What every link that carries IPv6 takes (RFC 8200 5). */
const SMALLEST_MTU = 1280
/** Of the part that is cut, a multiple of eight bytes. */
const PIECE = (SMALLEST_MTU - V6_HEADER - FRAGMENT_HEADER) & ~7

/**
 * Lets an IPv4 packet be fragmented on its way (RFC 791 3.1), in place: "don't fragment" is cleared, and where it had no
 * identification, as none is needed with it (RFC 6864 4.1), it gets this one (16 bit).
 */
export function allowFragments(packet: Uint8Array, identification: number): void {
  packet[6]! &= ~DONT_FRAGMENT
  if (packet[4] === 0 && packet[5] === 0) putU16(packet, 4, identification)
  packet[10] = packet[11] = 0
  putChecksum(packet, 10, addWords(packet, 0, (packet[0]! & 15) * 4, 0), false)
}

/**
 * An IPv6 packet with a UDP datagram, in fragments of up to 1280 bytes (RFC 8200 4.5), in order; `identification` has 32 bits. None
 * for a packet with extension headers. The fragments are copies.
 */
export function fragmentsOf(packet: Uint8Array, identification: number): Uint8Array[] {
  if (packet[6] !== IPPROTO_UDP) return []
  const fragments: Uint8Array[] = []
  for (let at = V6_HEADER; at < packet.length; at += PIECE) {
    const piece = packet.subarray(at, at + PIECE)
    const fragment = new Uint8Array(V6_HEADER + FRAGMENT_HEADER + piece.length)
    fragment.set(packet.subarray(0, V6_HEADER))
    putU16(fragment, 4, FRAGMENT_HEADER + piece.length)
    fragment[6] = FRAGMENT
    fragment[V6_HEADER] = IPPROTO_UDP
    // Offsets count in units of eight bytes, in the upper thirteen bits.
    putU16(fragment, V6_HEADER + 2, (at - V6_HEADER) | (at + PIECE < packet.length ? MORE : 0))
    putU16(fragment, V6_HEADER + 4, identification >>> 16)
    putU16(fragment, V6_HEADER + 6, identification)
    fragment.set(piece, V6_HEADER + FRAGMENT_HEADER)
    fragments.push(fragment)
  }
  return fragments
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}
