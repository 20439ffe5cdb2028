/**
 * Below the ports that Linux hosts (32768) and others (49152) take for their own connections, and below the outside ports that are
 * leased for phones (30000): with the client's own port, the connection would be the same conntrack as the client's.
 */
const [FIRST, LAST] = [10_240, 29_999]

/** Source ports of the proxy's connections, by the address they speak for. */
export class SourcePorts {
  readonly #taken = new Map<string, Set<number>>()
  #next = FIRST + Math.floor(Math.random() * (LAST - FIRST))

  /** A port that no other connection of this address has, and not `except`; 0 when there is none. */
  take(address: string, except: number): number {
    let taken = this.#taken.get(address)
    if (!taken) {
      taken = new Set()
      this.#taken.set(address, taken)
    }
    for (let tries = FIRST; tries <= LAST; tries++) {
      const port = this.#next
      this.#next = port === LAST ? FIRST : port + 1
      if (port === except || taken.has(port)) continue
      taken.add(port)
      return port
    }
    return 0
  }

  give(address: string, port: number): void {
    const taken = this.#taken.get(address)
    taken?.delete(port)
    if (taken?.size === 0) this.#taken.delete(address)
  }
}
