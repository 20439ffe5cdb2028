import type { SdpAddress, SdpTransportAddress } from '../../types/sdp.js'
import { decimal, equalsIgnoreCase, SLASH } from '../base/ascii.js'
import { host, readBareV6, readHost } from '../base/host.js'
import { nextWord, word } from './line.js'

/**
 * Reads `nettype addrtype address[/ttl[/n]]` at `at`, as c=, o= and a=rtcp end (RFC 8866 5.7, 5.2). Undefined when malformed: not
 * IN, neither IP4 nor IP6, no address, an address of the other family, or something after it. A host name fits both types.
 */
export function scanAddress(bytes: Uint8Array, at: number, end: number): SdpAddress | undefined {
  if (!nextWord(bytes, at, end) || !equalsIgnoreCase(bytes, word.start, word.end, 'in')) return undefined
  if (!nextWord(bytes, word.end, end)) return undefined
  const addressType = { start: word.start, end: word.end }
  const isV4 = equalsIgnoreCase(bytes, word.start, word.end, 'ip4')
  if (!isV4 && !equalsIgnoreCase(bytes, word.start, word.end, 'ip6')) return undefined
  if (!nextWord(bytes, word.end, end)) return undefined
  const { start } = word
  let stop = start
  while (stop < word.end && bytes[stop] !== SLASH) stop++
  const to = word.end
  if (nextWord(bytes, to, end) || !isScope(bytes, stop, to)) return undefined
  if (!readSdpHost(bytes, start, stop) || host.family === (isV4 ? 6 : 4)) return undefined
  return { range: { start, end: stop }, address: host.address, family: host.family, addressType }
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
