import type { Family } from '../../types/endpoint.js'
import { formatAddress, parseAddress } from './address.js'

/** An address (`length` 32 or 128), or a network. */
export interface Prefix {
  readonly family: Family
  /** Network order; bits beyond `length` are 0. */
  readonly bytes: Uint8Array
  readonly length: number
}

/** Reads `192.0.2.7`, `192.0.2.0/24`, `2001:db8::/32` (RFC 4632 3.1); undefined when it is none, or has bits beyond its length. */
export function parsePrefix(text: string): Prefix | undefined {
  const [, address = '', digits] = /^([^/]*)(?:\/(\d{1,3}))?$/.exec(text) ?? []
  const bytes = parseAddress(address)
  if (!bytes) return undefined
  const most = bytes.length * 8
  const length = digits === undefined ? most : Number(digits)
  if (length > most) return undefined
  const prefix: Prefix = { family: most === 32 ? 4 : 6, bytes, length }
  const mask = maskBytes(prefix)
  return bytes.every((byte, i) => (byte & ~mask[i]!) === 0) ? prefix : undefined
}

/** Canonical `ADDRESS` or `ADDRESS/LENGTH`; undefined for what is neither, and for a prefix with host bits set. */
export function canonicalPrefix(text: string): string | undefined {
  const prefix = parsePrefix(text)
  if (!prefix) return undefined
  const address = formatAddress(prefix.bytes, 0, prefix.family)
  return text.includes('/') ? `${address}/${prefix.length}` : address
}

function maskBytes({ bytes, length }: Prefix): Uint8Array {
  return bytes.map((_, i) => (0xff00 >> Math.max(0, Math.min(8, length - i * 8))) & 0xff)
}

/** The netmask as an address: 255.255.255.0, ffff:ffff::. */
export function maskOf(prefix: Prefix): string {
  return formatAddress(maskBytes(prefix), 0, prefix.family)
}

/** Whether every address of `it` is one of `prefix`. */
export function covers({ bytes, length }: Prefix, it: Prefix): boolean {
  if (bytes.length !== it.bytes.length || length > it.length) return false
  for (let i = 0; i * 8 < length; i++) {
    const mask = (0xff << Math.max(0, 8 - (length - i * 8))) & 0xff
    if (((bytes[i]! ^ it.bytes[i]!) & mask) !== 0) return false
  }
  return true
}
