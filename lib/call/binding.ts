import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Transport } from '../../types/flow.js'

interface Held {
  readonly binding: Binding
  holders: number
}

/** Bindings that share an end, by address and slot; the newest last. */
type Ends = Map<string, Map<number, Held[]>>

/** A port of a transport. */
const slotOf = (port: number, transport: Transport): number => (transport === 'tcp' ? port + 65_536 : port)

const RECENT = 4096

const isAt = (a: Endpoint, b: Endpoint): boolean => a.port === b.port && a.address === b.address
const isSame = (a: Binding, b: Binding): boolean =>
  a === b || (a.transport === b.transport && isAt(a.inside, b.inside) && isAt(a.outside, b.outside))

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
  readonly #onGone: (binding: Binding) => void

  /** `onGone`: nobody holds the binding any more. */
  constructor(onGone: (binding: Binding) => void = () => {}) {
    this.#onGone = onGone
  }

  get size(): number {
    let size = 0
    for (const ports of this.#byOutside.values()) for (const held of ports.values()) size += held.length
    return size
  }

  /** The binding between two endpoints: the held one, one seen of late, or a new one. */
  between(inside: Endpoint, outside: Endpoint, transport: Transport = 'udp'): Binding {
    const slot = slotOf(outside.port, transport)
    const held = at(this.#byOutside, outside.address, slot)?.find((it) => isAt(it.binding.inside, inside))
    if (held) return held.binding
    const key = `${inside.address}|${inside.port}|${outside.address}|${slot}`
    const known = this.#recent.get(key)
    if (known) return known
    const binding: Binding = { transport, inside, outside, implied: undefined }
    this.#recent.set(key, binding)
    if (this.#recent.size > RECENT) this.#recent.delete(this.#recent.keys().next().value!)
    return binding
  }

  /** Holds the binding until `release` has been called as often. */
  hold(binding: Binding): void {
    const { inside, outside, transport } = binding
    const held = this.#held(binding) ?? { binding, holders: 0 }
    held.holders++
    putLast(this.#byInside, inside.address, slotOf(inside.port, transport), held)
    putLast(this.#byOutside, outside.address, slotOf(outside.port, transport), held)
  }

  release(binding: Binding): void {
    const { inside, outside, transport } = binding
    const held = this.#held(binding)
    if (!held || --held.holders > 0) return
    drop(this.#byInside, inside.address, slotOf(inside.port, transport), held)
    drop(this.#byOutside, outside.address, slotOf(outside.port, transport), held)
    this.#onGone(held.binding)
  }

  #held(binding: Binding): Held | undefined {
    const { outside, transport } = binding
    return at(this.#byOutside, outside.address, slotOf(outside.port, transport))?.find((it) =>
      isSame(it.binding, binding),
    )
  }

  ofInside(address: string, port: number, transport: Transport = 'udp'): Binding | undefined {
    return at(this.#byInside, address, slotOf(port, transport))?.at(-1)?.binding
  }

  /** All that are held for an inside endpoint, the newest last. */
  allOfInside({ address, port }: Endpoint, transport: Transport): Binding[] {
    return (at(this.#byInside, address, slotOf(port, transport)) ?? []).map(({ binding }) => binding)
  }

  ofOutside(address: string, port: number, transport: Transport = 'udp'): Binding | undefined {
    return at(this.#byOutside, address, slotOf(port, transport))?.at(-1)?.binding
  }
}

function at(ends: Ends, address: string, slot: number): Held[] | undefined {
  return ends.get(address)?.get(slot)
}

function putLast(ends: Ends, address: string, slot: number, held: Held): void {
  let ports = ends.get(address)
  if (!ports) {
    ports = new Map()
    ends.set(address, ports)
  }
  const list = ports.get(slot)
  if (!list) ports.set(slot, [held])
  else if (list.at(-1) !== held) {
    const from = list.indexOf(held)
    if (from >= 0) list.splice(from, 1)
    list.push(held)
  }
}

function drop(ends: Ends, address: string, slot: number, held: Held): void {
  const ports = ends.get(address)
  const list = ports?.get(slot)
  if (!ports || !list) return
  list.splice(list.indexOf(held), 1)
  if (list.length > 0) return
  ports.delete(slot)
  if (ports.size === 0) ends.delete(address)
}
