import { parseAddress } from '../../lib/base/address.js'
import type { Endpoint } from '../../types/endpoint.js'
import { plainSum } from './packets.js'

/** The TCP checksum (RFC 9293 3.1) over everything behind `at`, its field taken as zero. */
export function plainTcpChecksum(packet: Uint8Array, at: number): number {
  const addresses = packet[0]! >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40)
  const segment = Uint8Array.from(packet.subarray(at))
  segment[16] = segment[17] = 0
  const pseudo = [0, 6, segment.length >> 8, segment.length & 255]
  return 0xffff - plainSum(Uint8Array.from([...addresses, ...pseudo, ...segment]))
}

/** A SYN of sequence 0x01020304 with an option, as Linux sends it; `ipOptions` a multiple of four bytes (IPv4). */
export function syn(from: Endpoint, to: Endpoint, ipOptions: readonly number[] = []): Uint8Array {
  const [source, destination] = [parseAddress(from.address)!, parseAddress(to.address)!]
  const ports = [from.port >> 8, from.port & 255, to.port >> 8, to.port & 255]
  const segment = [...ports, 1, 2, 3, 4, 0, 0, 0, 0, 0x60, 2, 0xfa, 0xf0, 0, 0, 0, 0, 2, 4, 5, 0xb4]
  const header = 20 + ipOptions.length
  const packet =
    source.length === 4
      ? [0x40 | (header / 4), 0, 0, header + 24, 0, 1, 0x40, 0, 64, 6, 0, 0, ...source, ...destination, ...ipOptions]
      : [0x60, 0, 0, 0, 0, 24, 6, 64, ...source, ...destination]
  const bytes = Uint8Array.from([...packet, ...segment])
  const at = bytes.length - 24
  const checksum = plainTcpChecksum(bytes, at)
  bytes[at + 16] = checksum >> 8
  bytes[at + 17] = checksum & 255
  return bytes
}

export interface SegmentFields {
  readonly sequence: number
  readonly acknowledgment?: number
  readonly flags: number
  readonly text?: string
}

/** A segment with what it carries, without options. */
export function tcpPacket(
  from: Endpoint,
  to: Endpoint,
  { sequence, acknowledgment = 0, flags, text = '' }: SegmentFields,
) {
  const [source, destination] = [parseAddress(from.address)!, parseAddress(to.address)!]
  const isV4 = source.length === 4
  const at = isV4 ? 20 : 40
  const packet = Buffer.alloc(at + 20 + text.length)
  packet.set(isV4 ? [0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 6] : [0x60, 0, 0, 0, 0, 0, 6, 64])
  packet.writeUInt16BE(isV4 ? packet.length : 20 + text.length, isV4 ? 2 : 4)
  packet.set([...source, ...destination], isV4 ? 12 : 8)
  packet.writeUInt16BE(from.port, at)
  packet.writeUInt16BE(to.port, at + 2)
  packet.writeUInt32BE(sequence >>> 0, at + 4)
  packet.writeUInt32BE(acknowledgment >>> 0, at + 8)
  packet.set([0x50, flags, 0xfa, 0xf0], at + 12)
  packet.write(text, at + 20, 'latin1')
  if (isV4) packet.writeUInt16BE(0xffff - plainSum(packet.subarray(0, at)), 10)
  packet.writeUInt16BE(plainTcpChecksum(packet, at), at + 16)
  return Uint8Array.from(packet)
}
