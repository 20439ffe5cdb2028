import { parseAddress } from '../base/address.js'

/**
 * Addresses that cannot be reached across the internet: RFC 1918, RFC 6598, loopback, link-local, unique local (RFC 4193).
 * Documentation ranges count as public, as they stand for public addresses.
 */
export function isPrivate(address: string): boolean {
  const bytes = parseAddress(address)
  if (!bytes) return false
  const [a, b] = [bytes[0]!, bytes[1]!]
  if (bytes.length === 16) return (a & 0xfe) === 0xfc || (a === 0xfe && (b & 0xc0) === 0x80) || address === '::1'
  return (
    a === 10 ||
    a === 127 ||
    (a === 172 && b >= 16 && b < 32) ||
    (a === 192 && b === 168) ||
    (a === 100 && b >= 64 && b < 128) ||
    (a === 169 && b === 254)
  )
}

/** The unspecified address: in c= a way of saying "hold" (RFC 3264 8.4, RFC 2543). */
export function isUnspecified(address: string): boolean {
  return address === '0.0.0.0' || address === '::'
}

/** Multicast and broadcast: nothing a pinhole can be opened to. */
export function isGroup(address: string): boolean {
  const bytes = parseAddress(address)
  if (!bytes) return false
  return bytes.length === 16 ? bytes[0] === 0xff : bytes[0]! >= 224
}
