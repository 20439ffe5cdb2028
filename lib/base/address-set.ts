import { covers, type Prefix, parsePrefix } from './prefix.js'

/** Addresses, by themselves and by prefixes of them, of both families. */
export class AddressSet {
  readonly #addresses = new Set<string>()
  readonly #prefixes: readonly Prefix[]

  /** Takes what `canonicalPrefix` returns. */
  constructor(entries: readonly string[]) {
    const prefixes: Prefix[] = []
    for (const entry of entries) {
      if (entry.includes('/')) prefixes.push(parsePrefix(entry)!)
      else this.#addresses.add(entry)
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
    const it = parsePrefix(address)
    return it !== undefined && this.#prefixes.some((prefix) => covers(prefix, it))
  }
}
