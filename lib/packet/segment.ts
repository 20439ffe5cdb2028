import type { Endpoint, Family } from '../../types/endpoint.js'
import type { SegmentLocation } from '../../types/packet.js'
import { formatAddress, parseAddress } from '../base/address.js'
import { addWords, fold, putChecksum, wireWord } from './checksum.js'

const IPPROTO_TCP = 6
const TCP_HEADER = 20
const V4_HEADER = 20
const V6_HEADER = 40
/** Offset and size of the addresses: source, then destination. */
const ADDRESSES = { 4: { at: 12, size: 4 }, 6: { at: 8, size: 16 } } as const
const CHECKSUM = 16

/** Whether an IP packet's header says TCP; behind IPv6 extension headers it is not looked for. */
export function isTcp(packet: Uint8Array): boolean {
  const version = packet[0]! >>> 4
  return version === 4 ? packet[9] === IPPROTO_TCP : version === 6 && packet[6] === IPPROTO_TCP
}

/**
 * The ends of a TCP segment (RFC 9293 3.1) that its IP packet holds whole, without IPv6 extension headers; undefined for everything
 * else. Checksums are not verified. Never throws.
 */
export function locateSegment(packet: Uint8Array): SegmentLocation | undefined {
  if (packet.length < V4_HEADER + TCP_HEADER || !isTcp(packet)) return undefined
  const family: Family = packet[0]! >>> 4 === 4 ? 4 : 6
  const at = family === 4 ? (packet[0]! & 15) * 4 : V6_HEADER
  const end = family === 4 ? u16(packet, 2) : V6_HEADER + u16(packet, 4)
  const isFragment = family === 4 && (u16(packet, 6) & 0x3fff) !== 0
  if (isFragment || at < V4_HEADER || end > packet.length || at + TCP_HEADER > end) return undefined
  const { at: from, size } = ADDRESSES[family]
  const endpoint = (address: number, port: number): Endpoint => ({
    address: formatAddress(packet, address, family),
    port: u16(packet, port),
  })
  const start = at + (packet[at + 12]! >>> 4) * 4
  if (start < at + TCP_HEADER || start > end) return undefined
  return {
    family,
    at,
    end,
    source: endpoint(from, at),
    destination: endpoint(from + size, at + 2),
    sequence: u32(packet, at + 4),
    acknowledgment: u32(packet, at + 8),
    flags: packet[at + 13]!,
    data: { start, end },
  }
}

/** A copy of the packet without what it carries, with another sequence number and other flags; options and all else stay. */
export function withoutData(packet: Uint8Array, segment: SegmentLocation, sequence: number, flags: number): Uint8Array {
  const { family, at, data } = segment
  const copy = Uint8Array.from(packet.subarray(0, data.start))
  putU16(copy, at + 4, sequence >>> 16)
  putU16(copy, at + 6, sequence)
  copy[at + 13] = flags
  if (family === 4) {
    putU16(copy, 2, copy.length)
    copy[10] = copy[11] = 0
    putChecksum(copy, 10, addWords(copy, 0, at, 0), false)
  } else putU16(copy, 4, copy.length - V6_HEADER)
  fixTcpChecksum(copy, segment)
  return copy
}

/** A copy of the packet with another destination of the same family, its TCP checksum made anew; IPv4's own is the kernel's to make. */
export function withDestination(packet: Uint8Array, segment: SegmentLocation, to: Endpoint): Uint8Array {
  const { family, at, end } = segment
  const copy = Uint8Array.from(packet.subarray(0, end))
  const { at: addresses, size } = ADDRESSES[family]
  copy.set(parseAddress(to.address)!, addresses + size)
  copy[at + 2] = to.port >>> 8
  copy[at + 3] = to.port
  fixTcpChecksum(copy, segment)
  return copy
}

/** RFC 9293 3.1, over a packet that ends where its segment does. */
function fixTcpChecksum(packet: Uint8Array, { family, at }: Pick<SegmentLocation, 'family' | 'at'>): void {
  const { at: addresses, size } = ADDRESSES[family]
  packet[at + CHECKSUM] = packet[at + CHECKSUM + 1] = 0
  const length = packet.length - at
  const pseudo = addWords(packet, addresses, addresses + 2 * size, 0) + wireWord(IPPROTO_TCP) + wireWord(length)
  putChecksum(packet, at + CHECKSUM, addWords(packet, at, packet.length, fold(pseudo)), false)
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}

const u32 = (bytes: Uint8Array, at: number): number => ((u16(bytes, at) << 16) | u16(bytes, at + 2)) >>> 0

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
