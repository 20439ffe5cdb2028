import type { Endpoint } from '../../types/endpoint.js'
import type { Binding } from '../../types/flow.js'

interface Held {
  readonly binding: Binding
  holders: number
}

type PortMap = Map<number, Held>

/**
 * Inside endpoints and what the outside sees in their place, for as long as a registration or a call needs them. Several
 * outside endpoints may stand for one inside endpoint (a mapping died and came back on another port); the newest wins outwards.
 */
export class Bindings {
  readonly #byInside = new Map<string, PortMap>()
  readonly #byOutside = new Map<string, PortMap>()

  get size(): number {
    let size = 0
    for (const ports of this.#byOutside.values()) size += ports.size
    return size
  }

  /** The held binding between two endpoints, or a new one that nobody holds yet. */
  between(inside: Endpoint, outside: Endpoint): Binding {
    const held = this.#byOutside.get(outside.address)?.get(outside.port)?.binding
    if (held && held.inside.address === inside.address && held.inside.port === inside.port) return held
    return { inside, outside, impliedPort: 0 }
  }

  /** Holds the binding until `release` has been called as often. A different inside end takes the outside end over. */
  hold(binding: Binding): void {
    put(this.#byOutside, binding.outside, binding)
    put(this.#byInside, binding.inside, binding)
  }

  release(binding: Binding): void {
    drop(this.#byOutside, binding.outside, binding)
    drop(this.#byInside, binding.inside, binding)
  }

  ofInside(address: string, port: number): Binding | undefined {
    return this.#byInside.get(address)?.get(port)?.binding
  }

  ofOutside(address: string, port: number): Binding | undefined {
    return this.#byOutside.get(address)?.get(port)?.binding
  }
}

function put(map: Map<string, PortMap>, end: Endpoint, binding: Binding): void {
  let ports = map.get(end.address)
  if (!ports) {
    ports = new Map()
    map.set(end.address, ports)
  }
  const held = ports.get(end.port)
  if (held?.binding === binding) held.holders++
  else ports.set(end.port, { binding, holders: 1 })
}

function drop(map: Map<string, PortMap>, end: Endpoint, binding: Binding): void {
  const ports = map.get(end.address)
  const held = ports?.get(end.port)
  if (!ports || held?.binding !== binding || --held.holders > 0) return
  ports.delete(end.port)
  if (ports.size === 0) map.delete(end.address)
}
