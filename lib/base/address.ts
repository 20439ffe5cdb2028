import { isIPv4, isIPv6 } from 'node:net'
import type { Family } from '../../types/endpoint.js'

/** 4, 6, or undefined when `text` is no address. Brackets and zones are not part of an address. */
export function familyOf(text: string): Family | undefined {
  if (isIPv4(text)) return 4
  if (isIPv6(text) && !text.includes('%')) return 6
  return undefined
}

/** Network-order bytes of a textual address (4 or 16), or undefined when it is none. */
export function parseAddress(text: string): Uint8Array | undefined {
  const family = familyOf(text)
  if (family === 4) return Uint8Array.from(text.split('.'), Number)
  if (family === 6) return parseV6(text)
  return undefined
}

function parseV6(text: string): Uint8Array {
  const bytes = new Uint8Array(16)
  const lastColon = text.lastIndexOf(':')
  let groups = text
  let tail: Uint8Array | undefined
  if (text.includes('.')) {
    tail = Uint8Array.from(text.slice(lastColon + 1).split('.'), Number)
    groups = `${text.slice(0, lastColon + 1)}0:0`
  }
  const gap = groups.indexOf('::')
  const head = gap < 0 ? groups.split(':') : groups.slice(0, gap).split(':').filter(Boolean)
  const rest =
    gap < 0
      ? []
      : groups
          .slice(gap + 2)
          .split(':')
          .filter(Boolean)
  const put = (hex: string, index: number) => {
    const value = Number.parseInt(hex, 16)
    bytes[index * 2] = value >> 8
    bytes[index * 2 + 1] = value & 255
  }
  for (const [i, hex] of head.entries()) put(hex, i)
  for (const [i, hex] of rest.entries()) put(hex, 8 - rest.length + i)
  if (tail) bytes.set(tail, 12)
  return bytes
}

/** Canonical text of the 4 or 16 bytes at `offset`: dotted quad, or RFC 5952. */
export function formatAddress(bytes: Uint8Array, offset: number, family: Family): string {
  if (family === 4) return `${bytes[offset]}.${bytes[offset + 1]}.${bytes[offset + 2]}.${bytes[offset + 3]}`
  const groups: number[] = []
  for (let i = 0; i < 16; i += 2) groups.push((bytes[offset + i]! << 8) | bytes[offset + i + 1]!)
  return formatV6(groups)
}

function formatV6(groups: readonly number[]): string {
  // RFC 5952 4.2: the first of the longest runs of at least two zero groups becomes "::".
  let best = -1
  let bestLength = 1
  for (let i = 0; i < 8; i++) {
    let length = 0
    while (i + length < 8 && groups[i + length] === 0) length++
    if (length > bestLength) {
      best = i
      bestLength = length
    }
    i += length
  }
  const isMapped = best === 0 && bestLength === 5 && groups[5] === 0xffff
  if (isMapped) {
    const [high, low] = [groups[6]!, groups[7]!]
    return `::ffff:${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`
  }
  const hex = groups.map((group) => group.toString(16))
  if (best < 0) return hex.join(':')
  return `${hex.slice(0, best).join(':')}::${hex.slice(best + bestLength).join(':')}`
}

/** Canonical form of any textual address, or undefined. IPv4 text with leading zeros is no address. */
export function canonicalAddress(text: string): string | undefined {
  if (isIPv4(text)) return text
  const bytes = parseAddress(text)
  return bytes && formatAddress(bytes, 0, 6)
}
