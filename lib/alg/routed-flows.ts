import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow, Way } from '../../types/flow.js'
import type { PacketLocation } from '../../types/packet.js'
import { type FlowSource, keyOf } from './flows.js'

const LIMIT = 65_536

/**
 * The flows of a firewall that translates nothing: a packet's addresses are what both sides know, and conntrack need not be asked.
 */
export class RoutedFlows implements FlowSource {
  readonly #bindingOf: (inside: Endpoint, outside: Endpoint) => Binding
  readonly #cache = new Map<string, Flow>()

  constructor(bindingOf: (inside: Endpoint, outside: Endpoint) => Binding) {
    this.#bindingOf = bindingOf
  }

  get size(): { flows: number; first: number } {
    return { flows: this.#cache.size, first: 0 }
  }

  /** There is no second queue whose packets would need a token. */
  first({ mark }: { readonly mark: number }): number {
    return mark
  }

  take(): undefined {
    return undefined
  }

  lookup(_packet: unknown, bytes: Uint8Array, location: PacketLocation, way: Way): Flow {
    const key = keyOf(bytes, location)
    const cached = this.#cache.get(key)
    if (cached) return cached
    const { family, source, destination } = location
    const [inside, peer] = way === 'out' ? [source, destination] : [destination, source]
    const flow: Flow = { family, binding: this.#bindingOf(inside, inside), peer }
    if (this.#cache.size >= LIMIT) this.#cache.delete(this.#cache.keys().next().value!)
    this.#cache.set(key, flow)
    return flow
  }

  /** Nothing is kept that a conntrack's end would change. */
  knows(): boolean {
    return false
  }

  forget(): void {}

  clear(): void {
    this.#cache.clear()
  }
}
