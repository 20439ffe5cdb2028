import type { RefusalReason } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { AddressField } from '../../types/sip.js'
import type { Bindings } from './binding.js'
import { Ports } from './ports.js'
import { namedBinding, portOf, transportOf } from './rewrite.js'

/** Headers in which a host says where it can be reached from now on (RFC 3261 18.2.2, 8.1.1.8, 16.6; RFC 3327; RFC 3608). */
const NAMES_ITSELF: ReadonlySet<string> = new Set(['via', 'contact', 'record-route', 'path', 'service-route'])

const LOWEST_PORT = 1024
/** Media may be carried by TCP too, and leases its ports elsewhere. */
const APART = [40_000, 49_999] as const
/** Ports one connection may name: a phone has one, a proxy two. */
const MAX_NAMED = 8

/**
 * Where inside hosts listen for TCP. A connection's own port is good for that connection alone: what a phone writes into Via and
 * Contact is another one, where it waits for connections, and that one needs an outside port of its own. It is held for as long as
 * the connection that named it, a registration, or a call needs it.
 */
export class Listening {
  readonly #bindings: Bindings
  readonly #ports = new Ports({ fallback: APART })
  readonly #leased = new Set<Binding>()
  readonly #named = new Map<Flow, Set<Binding>>()

  constructor(bindings: Bindings) {
    this.#bindings = bindings
  }

  /** Outside TCP ports leased. */
  get size(): number {
    return this.#ports.size
  }

  /** Gives every port of the sender's own that a message from inside names, and nobody has bound yet, an outside port. */
  note(fields: readonly AddressField[], flow: Flow, refuse: (reason: RefusalReason, detail: string) => void): void {
    const { inside } = flow.binding
    for (const field of fields) {
      if (field.address !== inside.address || !NAMES_ITSELF.has(field.header)) continue
      if (field.part !== 'sent-by' && field.part !== 'uri') continue
      const port = portOf(field)
      if (port === inside.port || transportOf(field) === 'udp') continue
      const known = namedBinding(field, 'out', this.#bindings)
      if (known && (known.transport === 'tcp' || transportOf(field) === undefined)) this.#hold(known, flow)
      else if (port < LOWEST_PORT) refuse('port-reserved', `${field.header} names port ${port}, below ${LOWEST_PORT}`)
      else this.#bind({ address: inside.address, port }, flow, refuse)
    }
  }

  #bind(inside: Endpoint, flow: Flow, refuse: (reason: RefusalReason, detail: string) => void): void {
    if ((this.#named.get(flow)?.size ?? 0) >= MAX_NAMED) return
    const { address } = flow.binding.outside
    const isTranslated = address !== inside.address
    const port = isTranslated ? this.#ports.lease(address, inside.port, 1, inside) : inside.port
    if (port === 0) return refuse('ports-exhausted', `no outside TCP port is left on ${address} for ${inside.address}`)
    const binding = this.#bindings.between(inside, { address, port }, 'tcp')
    if (isTranslated) this.#leased.add(binding)
    this.#hold(binding, flow)
  }

  #hold(binding: Binding, flow: Flow): void {
    let named = this.#named.get(flow)
    if (!named) {
      named = new Set()
      this.#named.set(flow, named)
    }
    if (named.has(binding) || named.size >= MAX_NAMED) return
    named.add(binding)
    this.#bindings.hold(binding)
  }

  /** The connection is over. */
  release(flow: Flow): void {
    for (const binding of this.#named.get(flow) ?? []) this.#bindings.release(binding)
    this.#named.delete(flow)
  }

  /** Nobody holds the binding any more. */
  forget(binding: Binding): void {
    if (this.#leased.delete(binding)) this.#ports.release(binding.outside.address, binding.outside.port, 1)
  }
}
