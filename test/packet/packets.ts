/** Packets for tests, and the checksum written the plain way (RFC 1071), to hold the fast one against. */

/** One's complement sum of big-endian 16-bit words, odd byte padded. */
export function plainSum(bytes: Uint8Array): number {
  let sum = 0
  for (let i = 0; i < bytes.length; i += 2) {
    sum += bytes[i]! * 256 + (bytes[i + 1] ?? 0)
    if (sum > 0xffff) sum -= 0xffff
  }
  return sum
}

/** The UDP checksum of the datagram at `udp` (RFC 768; 0 is sent as 0xffff), its checksum field taken as zero. */
export function plainUdpChecksum(packet: Uint8Array, udp: number): number {
  const addresses = packet[0]! >> 4 === 4 ? packet.subarray(12, 20) : packet.subarray(8, 40)
  const length = packet[udp + 4]! * 256 + packet[udp + 5]!
  const datagram = Uint8Array.from(packet.subarray(udp, udp + length))
  datagram[6] = datagram[7] = 0
  const pseudo = [0, 17, length >> 8, length & 255]
  const sum = plainSum(Uint8Array.from([...addresses, ...pseudo, ...datagram]))
  return 0xffff - sum || 0xffff
}

/** The IPv4 header checksum, its field taken as zero. */
export function plainIpChecksum(packet: Uint8Array): number {
  const header = Uint8Array.from(packet.subarray(0, (packet[0]! & 15) * 4))
  header[10] = header[11] = 0
  return 0xffff - plainSum(header)
}

function put(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >> 8
  bytes[at + 1] = value & 255
}

/** The UDP header and payload: 1234 to 5060, no checksum yet. */
function datagram(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(8 + payload.length)
  put(bytes, 0, 1234)
  put(bytes, 2, 5060)
  put(bytes, 4, bytes.length)
  bytes.set(payload, 8)
  return bytes
}

/** An IPv4 packet, DF set, checksums right; `options` a multiple of four bytes. */
export function packetV4(payload: Uint8Array, options: readonly number[] = []): Uint8Array {
  const header = 20 + options.length
  const packet = new Uint8Array(header + 8 + payload.length)
  packet.set([
    0x40 | (header / 4),
    0,
    0,
    0,
    0xab,
    0xcd,
    0x40,
    0,
    64,
    17,
    0,
    0,
    10,
    0,
    0,
    5,
    198,
    51,
    100,
    20,
    ...options,
  ])
  put(packet, 2, packet.length)
  packet.set(datagram(payload), header)
  put(packet, 10, plainIpChecksum(packet))
  put(packet, header + 6, plainUdpChecksum(packet, header))
  return packet
}

/** An IPv6 packet, checksum right; `extensions` are whole headers, the first of type `next`. */
export function packetV6(payload: Uint8Array, extensions: readonly number[] = [], next = 17): Uint8Array {
  const header = 40 + extensions.length
  const packet = new Uint8Array(header + 8 + payload.length)
  packet.set([0x60, 0, 0, 0, 0, 0, next, 64])
  put(packet, 4, packet.length - 40)
  packet.set([0x20, 0x01, 0x0d, 0xb8, ...new Array(11).fill(0), 1], 8)
  packet.set([0x20, 0x01, 0x0d, 0xb8, 0, 2, ...new Array(9).fill(0), 9], 24)
  packet.set(extensions, 40)
  packet.set(datagram(payload), header)
  put(packet, header + 6, plainUdpChecksum(packet, header))
  return packet
}
