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
  const sequence = ((u16(packet, at + 4) << 16) | u16(packet, at + 6)) >>> 0
  return { family, at, end, source: endpoint(from, at), destination: endpoint(from + size, at + 2), sequence }
}

/** A copy of the packet with another destination of the same family, its TCP checksum made anew; IPv4's own is the kernel's to make. */
export function withDestination(packet: Uint8Array, { family, at, end }: SegmentLocation, to: Endpoint): Uint8Array {
  const copy = Uint8Array.from(packet.subarray(0, end))
  const { at: addresses, size } = ADDRESSES[family]
  copy.set(parseAddress(to.address)!, addresses + size)
  copy[at + 2] = to.port >>> 8
  copy[at + 3] = to.port
  copy[at + CHECKSUM] = copy[at + CHECKSUM + 1] = 0
  const pseudo = addWords(copy, addresses, addresses + 2 * size, 0) + wireWord(IPPROTO_TCP) + wireWord(end - at)
  putChecksum(copy, at + CHECKSUM, addWords(copy, at, end, fold(pseudo)), false)
  return copy
}

function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 8) | bytes[at + 1]!
}
