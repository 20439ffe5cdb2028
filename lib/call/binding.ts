import type { Endpoint } from '../../types/endpoint.js'
import type { Binding } from '../../types/flow.js'

interface Held {
  readonly binding: Binding
  holders: number
}

/** Bindings that share an end, by address and port; the newest last. */
type Ends = Map<string, Map<number, Held[]>>

const RECENT = 4096

const isAt = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address
const isSame = (a: Binding, b: Binding): boolean => a === b || (isAt(a.inside, b.inside) && isAt(a.outside, b.outside))

/**
 * Inside endpoints and what the outside sees in their place, for as long as a registration or a call needs them. Several
 * outside endpoints may stand for one inside endpoint (a mapping died and came back on another port, a second registrar), and a
 * port may pass on to another inside endpoint: the newest that is still held wins, each way.
 */
export class Bindings {
  readonly #byInside: Ends = new Map()
  readonly #byOutside: Ends = new Map()
  /** Of flows seen of late, so that both directions of a flow, and its first packet, share one binding. */
  readonly #recent = new Map<string, Binding>()

  get size(): number {
    let size = 0
    for (const ports of this.#byOutside.values()) for (const held of ports.values()) size += held.length
    return size
  }

  /** The binding between two endpoints: the held one, one seen of late, or a new one. */
  between(inside: Endpoint, outside: Endpoint): Binding {
    const held = at(this.#byOutside, outside.address, outside.port)?.find((it) => isAt(it.binding.inside, inside))
    if (held) return held.binding
    const key = `${inside.address}|${inside.port}|${outside.address}|${outside.port}`
    const known = this.#recent.get(key)
    if (known) return known
    const binding: Binding = { inside, outside, implied: undefined }
    this.#recent.set(key, binding)
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value!)
    return binding
  }

  /** Holds the binding until `release` has been called as often. */
  hold(binding: Binding): void {
    const { inside, outside } = binding
    const known = at(this.#byOutside, outside.address, outside.port)?.find((it) => isSame(it.binding, binding))
    const held = known ?? { binding, holders: 0 }
    held.holders++
    putLast(this.#byInside, inside, held)
    putLast(this.#byOutside, outside, held)
  }

  release(binding: Binding): void {
    const { inside, outside } = binding
    const held = at(this.#byOutside, outside.address, outside.port)?.find((it) => isSame(it.binding, binding))
    if (!held || --held.holders > 0) return
    drop(this.#byInside, inside, held)
    drop(this.#byOutside, outside, held)
  }

  ofInside(address: string, port: number): Binding | undefined {
    return at(this.#byInside, address, port)?.at(-1)?.binding
  }

  ofOutside(address: string, port: number): Binding | undefined {
    return at(this.#byOutside, address, port)?.at(-1)?.binding
  }
}

function at(ends: Ends, address: string, port: number): Held[] | undefined {
  return ends.get(address)?.get(port)
}

function putLast(ends: Ends, end: Endpoint, held: Held): void {
  let ports = ends.get(end.address)
  if (!ports) {
    ports = new Map()
    ends.set(end.address, ports)
  }
  const list = ports.get(end.port)
  if (!list) ports.set(end.port, [held])
  else if (list.at(-1) !== held) {
    const from = list.indexOf(held)
    if (from >= 0) list.splice(from, 1)
    list.push(held)
  }
}

function drop(ends: Ends, end: Endpoint, held: Held): void {
  const ports = ends.get(end.address)
  const list = ports?.get(end.port)
  if (!ports || !list) return
  list.splice(list.indexOf(held), 1)
  if (list.length > 0) return
  ports.delete(end.port)
  if (ports.size === 0) ends.delete(end.address)
}
