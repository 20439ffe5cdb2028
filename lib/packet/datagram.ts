import type { Endpoint, Family } from '../../types/endpoint.js'
import { parseAddress } from '../base/address.js'
import { CthelperError } from '../base/errors.js'
import { addWords, fold, putChecksum, wireWord } from './checksum.js'

const UDP = 17
const UDP_HEADER = 8
const HOPS = 64
const HEADER = { 4: 20, 6: 40 } as const
const MAX_LENGTH = 65_507

/**
 * A whole IP packet with one UDP datagram (RFC 791, RFC 8200, RFC 768), checksums included but for IPv4's header, which the kernel
 * writes on the way out. @throws CthelperError ERR_ARGUMENT when the ends are not two addresses of a family, or the payload is too long
 */
export function datagram(source: Endpoint, destination: Endpoint, payload: Uint8Array): Uint8Array {
  const [from, to] = [parseAddress(source.address), parseAddress(destination.address)]
  if (!from || from.length !== to?.length || payload.length > MAX_LENGTH)
    throw new CthelperError('ERR_ARGUMENT', 'datagram', `no datagram from ${source.address} to ${destination.address}`)
  const family: Family = from.length === 4 ? 4 : 6
  const at = HEADER[family]
  const packet = new Uint8Array(at + UDP_HEADER + payload.length)
  const view = new DataView(packet.buffer)
  const udpLength = UDP_HEADER + payload.length
  if (family === 4) {
    packet.set([0x45, 0, packet.length >>> 8, packet.length & 255, 0, 0, 0, 0, HOPS, UDP])
  } else {
    packet.set([0x60, 0, 0, 0, udpLength >>> 8, udpLength & 255, UDP, HOPS])
  }
  packet.set(from, at - 2 * from.length)
  packet.set(to, at - to.length)
  view.setUint16(at, source.port)
  view.setUint16(at + 2, destination.port)
  view.setUint16(at + 4, udpLength)
  packet.set(payload, at + UDP_HEADER)
  const pseudo = addWords(packet, at - 2 * from.length, at, 0) + wireWord(UDP) + wireWord(udpLength)
  putChecksum(packet, at + 6, addWords(packet, at, packet.length, fold(pseudo)), true)
  return packet
}
