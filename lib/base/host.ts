import { canonicalAddress } from './address.js'
import { ASCII, isDigit, text } from './ascii.js'

const { CLASS, HOST, LEFT_BRACKET, RIGHT_BRACKET } = ASCII

/** What `readHost` found last. One object for all calls, since hosts are read several times a message: copy what you keep. */
export interface Host {
  /** Position after the host, closing bracket included. */
  end: number
  /** Canonical address, or the host name in lower case. */
  address: string
  /** 4, 6, or 0 for a host name. */
  family: 0 | 4 | 6
}

const found: Host = { end: 0, address: '', family: 0 }

export const host = found

/** The same few hundred hosts stand in every message; keeping their text saves its making. Direct-mapped, so it cannot grow. */
const SLOTS = 1024
const v4Keys = new Uint32Array(SLOTS)
const v4Texts: string[] = new Array(SLOTS).fill('0.0.0.0')
const named: { raw: string; address: string; family: 0 | 4 | 6 }[] = []
for (let i = 0; i < SLOTS; i++) named.push({ raw: '', address: '', family: 0 })

/** Longest host name in the DNS (RFC 1035 2.3.4). */
const MAX_NAME = 255
/** Longest text of an IPv6 address, 45, and its brackets; two more for one colon too many. */
const MAX_REFERENCE = 49

/**
 * Reads the host that begins at `at`: IPv4 address, `[IPv6]`, or host name (RFC 3261 25.1 `host`). False when there is none.
 * A dotted quad out of range or with leading zeros is a host name: nobody agrees what address it is.
 */
export function readHost(bytes: Uint8Array, at: number, end: number): boolean {
  if (at >= end) return false
  const first = bytes[at]!
  if (first === LEFT_BRACKET) return readReference(bytes, at, end)
  if (isDigit(first) && readV4(bytes, at, end)) return true
  return readName(bytes, at, end)
}

/** Reads an IPv6 address without brackets that is bytes[at, end) and nothing else (c= lines; `received`, RFC 5118 4.5). */
export function readBareV6(bytes: Uint8Array, at: number, end: number): boolean {
  if (end - at < 2 || end - at > 45 || bytes[at] === LEFT_BRACKET) return false
  return known(bytes, at, end) ? found.family === 6 : remember(bytes, at, end, canonicalAddress(text(bytes, at, end)))
}

/** Reads an address or host name that is bytes[at, end) and nothing else: IPv6 with or without brackets. */
export function readWholeHost(bytes: Uint8Array, at: number, end: number): boolean {
  if (readHost(bytes, at, end) && found.end === end) return true
  return readBareV6(bytes, at, end)
}

function readV4(bytes: Uint8Array, at: number, end: number): boolean {
  let value = 0
  for (let part = 0; part < 4; part++) {
    if (part > 0 && (at >= end || bytes[at++] !== 46)) return false
    const start = at
    let octet = 0
    while (at < end && isDigit(bytes[at]!)) octet = octet * 10 + bytes[at++]! - 48
    const digits = at - start
    if (digits === 0 || digits > 3 || octet > 255 || (digits > 1 && bytes[start] === 48)) return false
    value = (value << 8) | octet
  }
  if (at < end && (CLASS[bytes[at]!]! & HOST) !== 0) return false
  found.end = at
  found.address = v4Text(value >>> 0)
  found.family = 4
  return true
}

/** Dotted quad of a 32-bit address in host order. */
export function v4Text(value: number): string {
  const slot = Math.imul(value, 0x9e3779b1) >>> 22
  if (v4Keys[slot] === value) return v4Texts[slot]!
  const made = `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}`
  v4Keys[slot] = value
  v4Texts[slot] = made
  return made
}

function readReference(bytes: Uint8Array, at: number, end: number): boolean {
  const limit = Math.min(end, at + MAX_REFERENCE)
  let close = at + 1
  while (close < limit && bytes[close] !== RIGHT_BRACKET) close++
  if (close >= limit) return false
  if (known(bytes, at, close + 1)) return true
  const inner = text(bytes, at + 1, close)
  // RFC 5118 4.10: the grammar of RFC 3261 wrongly asks for a third colon before an embedded IPv4 address.
  const address = canonicalAddress(inner) ?? canonicalAddress(inner.replace(/:::(?=\d+\.)/, '::'))
  return address?.includes(':') === true && remember(bytes, at, close + 1, address)
}

function readName(bytes: Uint8Array, at: number, end: number): boolean {
  let to = at
  while (to < end && (CLASS[bytes[to]!]! & HOST) !== 0) to++
  if (to === at || to - at > MAX_NAME) return false
  if (known(bytes, at, to)) return true
  found.end = to
  found.address = text(bytes, at, to).toLowerCase()
  found.family = 0
  keep(bytes, at, to)
  return true
}

/** Fills `host` from the cache when bytes[start, end) is in it. */
function known(bytes: Uint8Array, start: number, end: number): boolean {
  const entry = named[slotOf(bytes, start, end)]!
  const { raw } = entry
  if (raw.length !== end - start) return false
  for (let i = 0; i < raw.length; i++) if (raw.charCodeAt(i) !== bytes[start + i]) return false
  found.end = end
  found.address = entry.address
  found.family = entry.family
  return true
}

function remember(bytes: Uint8Array, start: number, end: number, address: string | undefined): boolean {
  if (address?.includes(':') !== true) return false
  found.end = end
  found.address = address
  found.family = 6
  keep(bytes, start, end)
  return true
}

function keep(bytes: Uint8Array, start: number, end: number): void {
  const entry = named[slotOf(bytes, start, end)]!
  entry.raw = text(bytes, start, end)
  entry.address = found.address
  entry.family = found.family
}

function slotOf(bytes: Uint8Array, start: number, end: number): number {
  let hash = end - start
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193)
  return (hash ^ (hash >>> 15)) & (SLOTS - 1)
}
