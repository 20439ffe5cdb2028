import type { Endpoint } from '../../types/endpoint.js'
import type { PacketLocation } from '../../types/packet.js'

/** Packets on their way from prerouting; one that a filter drops in between never comes to ask. */
const LIMIT = 8192
const latin1 = Buffer.prototype.latin1Slice

/**
 * Where packets were sent to before destination NAT, found again behind it by what does not change on the way: who sent it and
 * what it says.
 */
export class Arrivals {
  readonly #destinations = new Map<string, Endpoint>()

  get size(): number {
    return this.#destinations.size
  }

  add(bytes: Uint8Array, location: PacketLocation): void {
    this.#destinations.set(keyOf(bytes, location), location.destination)
    if (this.#destinations.size > LIMIT) this.#destinations.delete(this.#destinations.keys().next().value!)
  }

  take(bytes: Uint8Array, location: PacketLocation): Endpoint | undefined {
    if (this.#destinations.size === 0) return undefined
    const key = keyOf(bytes, location)
    const destination = this.#destinations.get(key)
    this.#destinations.delete(key)
    return destination
  }
}

/** The whole payload: a shorter key would let one message pass for another, and there are few first packets. */
function keyOf(bytes: Uint8Array, { source, payload }: PacketLocation): string {
  return `${source.address} ${source.port} ${latin1.call(bytes, payload.start, payload.end)}`
}
