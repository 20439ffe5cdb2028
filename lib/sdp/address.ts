import type { SdpAddress, SdpTransportAddress } from '../../types/sdp.js'
import { ASCII, decimal, equalsIgnoreCase } from '../base/ascii.js'
import { host, readBareV6, readHost } from '../base/host.js'
import { nextWord, word } from './line.js'

const { SLASH, SP } = ASCII

/**
 * Reads `nettype addrtype address[/ttl[/n]]` at `at`, as c=, o= and a=rtcp end (RFC 8866 5.7, 5.2). Undefined when malformed: not
 * IN, neither IP4 nor IP6, no address, an address of the other family, or something after it. A host name fits both types.
 */
export function scanAddress(bytes: Uint8Array, at: number, end: number): SdpAddress | undefined {
  while (at < end && bytes[at] === SP) at++
  const isUsual = isInIp4(bytes, at, end)
  const family = isUsual ? 4 : scanTypes(bytes, at, end)
  const addressType = isUsual ? { start: at + 3, end: at + 6 } : { start: word.start, end: word.end }
  if (family === 0 || !nextWord(bytes, addressType.end, end)) return undefined
  const { start, end: to } = word
  let stop = start
  while (stop < to && bytes[stop] !== SLASH) stop++
  if (to < end && nextWord(bytes, to, end)) return undefined
  if (stop < to && !isScope(bytes, stop, to)) return undefined
  // Brackets around IPv6 are against the grammar, but SIPp writes them and people live with it: they stay outside the range.
  const bracket = family === 6 && bytes[start] === 91 && bytes[stop - 1] === 93 ? 1 : 0
  const range = { start: start + bracket, end: stop - bracket }
  if (!readSdpHost(bytes, range.start, range.end) || (host.family !== 0 && host.family !== family)) return undefined
  return { range, address: host.address, family: host.family, addressType }
}

/** `IN IP4 `, as nearly every line has it. */
function isInIp4(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8 || bytes[at] !== 73 || bytes[at + 1] !== 78 || bytes[at + 2] !== SP) return false
  return bytes[at + 3] === 73 && bytes[at + 4] === 80 && bytes[at + 5] === 52 && bytes[at + 6] === SP
}

/** Reads `nettype addrtype`, spelled anyhow; leaves the second in `word`. 0 when malformed. */
function scanTypes(bytes: Uint8Array, at: number, end: number): 0 | 4 | 6 {
  if (!nextWord(bytes, at, end) || !equalsIgnoreCase(bytes, word.start, word.end, 'in')) return 0
  if (!nextWord(bytes, word.end, end)) return 0
  if (equalsIgnoreCase(bytes, word.start, word.end, 'ip4')) return 4
  return equalsIgnoreCase(bytes, word.start, word.end, 'ip6') ? 6 : 0
}

/** Nothing, or `/ttl` and `/n`: digits and slashes. */
function isScope(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (bytes[i] !== SLASH && (bytes[i]! < 48 || bytes[i]! > 57)) return false
  return true
}

/** An address as SDP writes it: IPv6 has no brackets. */
export function readSdpHost(bytes: Uint8Array, start: number, end: number): boolean {
  return (readHost(bytes, start, end) && host.end === end && bytes[start] !== 91) || readBareV6(bytes, start, end)
}

/** Reads the words `address port` at `at`; undefined when malformed. `word` is left at the port. */
export function scanTransportAddress(bytes: Uint8Array, at: number, end: number): SdpTransportAddress | undefined {
  if (!nextWord(bytes, at, end)) return undefined
  const { start, end: stop } = word
  if (!readSdpHost(bytes, start, stop)) return undefined
  const { address, family } = host
  if (!nextWord(bytes, stop, end)) return undefined
  const portNumber = decimal(bytes, word.start, word.end)
  if (portNumber < 0 || portNumber > 65535) return undefined
  return { host: { start, end: stop }, address, family, port: { start: word.start, end: word.end }, portNumber }
}
