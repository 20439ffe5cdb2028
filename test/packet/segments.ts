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
