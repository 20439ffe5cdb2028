interface Host {
  connections: number
  bytes: number
}

export interface HostLimits {
  readonly connections: number
  readonly hostConnections: number
  readonly hostBytes: number
}

/** How much of the proxy each client address has. */
export class Hosts {
  readonly #limits: HostLimits
  readonly #hosts = new Map<string, Host>()
  #connections = 0
  #bytes = 0

  constructor(limits: HostLimits) {
    this.#limits = limits
  }

  get heldBytes(): number {
    return this.#bytes
  }

  /** Counts a connection in, or says why it cannot be had. */
  add(address: string): 'tcp-connections-exhausted' | 'tcp-host-exhausted' | undefined {
    if (this.#connections >= this.#limits.connections) return 'tcp-connections-exhausted'
    const host = this.#hosts.get(address) ?? { connections: 0, bytes: 0 }
    if (host.connections >= this.#limits.hostConnections) return 'tcp-host-exhausted'
    this.#hosts.set(address, host)
    host.connections++
    this.#connections++
    return undefined
  }

  remove(address: string): void {
    const host = this.#hosts.get(address)
    if (!host) return
    this.#connections--
    if (--host.connections === 0) this.#hosts.delete(address)
  }

  /** Adds to the bytes held for a host; false when they are too many. */
  hold(address: string, change: number): boolean {
    this.#bytes += change
    const host = this.#hosts.get(address)
    if (!host) return true
    host.bytes += change
    return change <= 0 || host.bytes <= this.#limits.hostBytes
  }
}
