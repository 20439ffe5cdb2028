import type { PacketLocation } from '../../types/packet.js'
import type { Edit } from '../../types/range.js'
import { splice, splicedLength } from '../base/range.js'
import { addWords, fold, putChecksum, wireWord } from './checksum.js'

const MAX_PACKET = 65535
const V6_HEADER = 40

/**
 * Writes `packet` with `edits` applied to its payload to the beginning of `target`, and returns the new packet's length. Lengths
 * and checksums follow: the IPv4 header's, and UDP's over everything, since a queued packet may carry only a part of one
 * (NFQA_SKB_CSUMNOTREADY). An IPv4 datagram that was sent without a UDP checksum stays without. Edits lie in
 * `location.payload`, sorted, without overlap, latin1; positions count from the packet's first byte. Nothing else changes; bytes
 * behind the datagram stay behind it. With no edits lengths and bytes stay, checksums are made anew.
 * Returns -1, target untouched, when the result would not fit `target` or one IP packet.
 */
export function rebuild(
  packet: Uint8Array,
  location: PacketLocation,
  edits: readonly Edit[],
  target: Uint8Array,
): number {
  const { family, udp, payload, end } = location
  const length = splicedLength(end, edits)
  const payloadEnd = payload.end + length - end
  const covered = family === 4 ? length : length - V6_HEADER
  if (length > target.length || covered > MAX_PACKET) return -1
  splice(packet, 0, end, edits, target, 0)
  putU16(target, udp.start + 4, payloadEnd - udp.start)
  if (family === 4) fixV4Header(target, udp.start, length)
  else putU16(target, 4, covered)
  const hadChecksum = packet[udp.start + 6] !== 0 || packet[udp.start + 7] !== 0
  if (family === 6 || hadChecksum) fixUdpChecksum(target, family, udp.start, payloadEnd)
  return length
}

function fixV4Header(target: Uint8Array, headerEnd: number, length: number): void {
  putU16(target, 2, length)
  target[10] = target[11] = 0
  putChecksum(target, 10, addWords(target, 0, headerEnd, 0), false)
}

/** RFC 768, RFC 8200 8.1: addresses, length and protocol count too. */
function fixUdpChecksum(target: Uint8Array, family: 4 | 6, at: number, end: number): void {
  const addresses = family === 4 ? 12 : 8
  target[at + 6] = target[at + 7] = 0
  const pseudo = addWords(target, addresses, family === 4 ? 20 : V6_HEADER, 0) + wireWord(17) + wireWord(end - at)
  putChecksum(target, at + 6, addWords(target, at, end, fold(pseudo)), true)
}

function putU16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8
  bytes[at + 1] = value
}
