import type { Endpoint } from '../../types/endpoint.js'
import type { Binding } from '../../types/flow.js'

interface Held {
  readonly binding: Binding
  holders: number
}

type PortMap = Map<number, Held>

const RECENT = 4096

const isAt = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address
const isSame = (a: Binding, b: Binding): boolean => a === b || (isAt(a.inside, b.inside) && isAt(a.outside, b.outside))

/**
 * Inside endpoints and what the outside sees in their place, for as long as a registration or a call needs them. Several
 * outside endpoints may stand for one inside endpoint (a mapping died and came back on another port); the newest wins outwards.
 */
export class Bindings {
  readonly #byInside = new Map<string, PortMap>()
  readonly #byOutside = new Map<string, PortMap>()
  /** Of flows seen of late, so that both directions of a flow, and its first packet, share one binding. */
  readonly #recent = new Map<string, Binding>()

  get size(): number {
    let size = 0
    for (const ports of this.#byOutside.values()) size += ports.size
    return size
  }

  /** The binding between two endpoints: the held one, one seen of late, or a new one. */
  between(inside: Endpoint, outside: Endpoint): Binding {
    const held = this.#byOutside.get(outside.address)?.get(outside.port)?.binding
    if (held && isAt(held.inside, inside)) return held
    const key = `${inside.address}|${inside.port}|${outside.address}|${outside.port}`
    const known = this.#recent.get(key)
    if (known) return known
    const binding: Binding = { inside, outside, impliedPort: 0 }
    this.#recent.set(key, binding)
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value!)
    return binding
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
  if (held && isSame(held.binding, binding)) held.holders++
  else ports.set(end.port, { binding, holders: 1 })
}

function drop(map: Map<string, PortMap>, end: Endpoint, binding: Binding): void {
  const ports = map.get(end.address)
  const held = ports?.get(end.port)
  if (!ports || !held || !isSame(held.binding, binding) || --held.holders > 0) return
  ports.delete(end.port)
  if (ports.size === 0) map.delete(end.address)
}
