import { canonicalAddress, parseAddress } from './address.js'

interface Prefix {
  readonly bytes: Uint8Array
  readonly length: number
}

/** Canonical `ADDRESS` or `ADDRESS/LENGTH`; undefined for what is neither, and for a prefix with host bits set. */
export function canonicalPrefix(text: string): string | undefined {
  const slash = text.indexOf('/')
  if (slash < 0) return canonicalAddress(text)
  const address = canonicalAddress(text.slice(0, slash))
  const bytes = address === undefined ? undefined : parseAddress(address)
  const length = /^\d{1,3}$/.test(text.slice(slash + 1)) ? Number(text.slice(slash + 1)) : -1
  if (!bytes || length < 0 || length > bytes.length * 8) return undefined
  return hasHostBits(bytes, length) ? undefined : `${address}/${length}`
}

function hasHostBits(bytes: Uint8Array, length: number): boolean {
  return bytes.some((byte, i) => (byte & (0xff >>> Math.min(8, Math.max(0, length - i * 8)))) !== 0)
}

function isWithin(bytes: Uint8Array, { bytes: net, length }: Prefix): boolean {
  if (bytes.length !== net.length) return false
  for (let i = 0; i * 8 < length; i++) {
    const mask = (0xff << Math.max(0, 8 - (length - i * 8))) & 0xff
    if (((bytes[i]! ^ net[i]!) & mask) !== 0) return false
  }
  return true
}

/** Addresses, by themselves and by prefixes of them, of both families. */
export class AddressSet {
  readonly #addresses = new Set<string>()
  readonly #prefixes: readonly Prefix[]

  /** Takes what `canonicalPrefix` returns. */
  constructor(entries: readonly string[]) {
    const prefixes: Prefix[] = []
    for (const entry of entries) {
      const [address = '', length] = entry.split('/')
      if (length === undefined) this.#addresses.add(address)
      else prefixes.push({ bytes: parseAddress(address)!, length: Number(length) })
    }
    this.#prefixes = prefixes
  }

  get isEmpty(): boolean {
    return this.#addresses.size === 0 && this.#prefixes.length === 0
  }

  /** Whether the canonical `address` is one of them. */
  has(address: string): boolean {
    if (this.#addresses.has(address)) return true
    if (this.#prefixes.length === 0) return false
    const bytes = parseAddress(address)
    return bytes !== undefined && this.#prefixes.some((prefix) => isWithin(bytes, prefix))
  }
}
