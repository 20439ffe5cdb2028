import type { RefusalReason } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { AddressField } from '../../types/sip.js'
import { Deadlines, type Timed } from '../base/deadlines.js'
import type { Bindings } from './binding.js'
import type { Ports } from './ports.js'
import { portOf, transportOf } from './rewrite.js'
import type { SignallingWay, SignallingWays, WayChanges } from './signalling-ways.js'
import { TRANSACTION_MS } from './transaction.js'

const LOWEST_PORT = 1024
/** Ports one inside host may name at a time: a phone has one, a proxy two. */
const MAX_NAMED = 8

/** A port that a message has named, and the way from who was told to it. */
class Named implements Timed {
  deadline = 0
  readonly key: string
  readonly host: string
  readonly way: SignallingWay

  constructor(key: string, host: string, way: SignallingWay) {
    this.key = key
    this.host = host
    this.way = way
  }
}

type Refuse = (reason: RefusalReason, detail: string) => void

/**
 * UDP ports that inside hosts name as their own and do not send from: some phones send from 50000 and listen at 5060, which is where a
 * Via without `rport` (RFC 3581) and the Contact lead. Such a port gets an outside port, and a way in from the host that was told:
 * for the time of a transaction after the last message that named it, and for as long as a registration or a call holds its binding.
 */
export class NamedPorts {
  readonly #bindings: Bindings
  readonly #ways: SignallingWays
  readonly #ports: Ports
  readonly #leased = new Set<Binding>()
  readonly #named = new Map<string, Named>()
  readonly #hosts = new Map<string, number>()
  readonly #deadlines = new Deadlines<Named>()

  constructor(bindings: Bindings, ways: SignallingWays, ports: Ports) {
    this.#bindings = bindings
    this.#ways = ways
    this.#ports = ports
  }

  /** Ports leased. */
  get size(): number {
    return this.#leased.size
  }

  /** Takes note of what a message from inside names, before it is mapped. */
  note(fields: readonly AddressField[], flow: Flow, now: number, changes: WayChanges, refuse: Refuse): void {
    const { inside } = flow.binding
    for (const field of fields) {
      const { header, part, address, index } = field
      if (address !== inside.address || (part !== 'sent-by' && part !== 'uri')) continue
      const port = portOf(field)
      if (port === inside.port || transportOf(field) === 'tcp') continue
      if (header === 'contact' || (header === 'via' && index === 0))
        this.#name({ address: inside.address, port }, flow, now, changes, refuse)
    }
  }

  #name(inside: Endpoint, flow: Flow, now: number, changes: WayChanges, refuse: Refuse): void {
    const key = `${inside.address}|${inside.port}|${flow.peer.address}`
    const known = this.#named.get(key)
    if (known) return this.#deadlines.set(known, now + TRANSACTION_MS)
    const count = this.#hosts.get(inside.address) ?? 0
    if (inside.port < LOWEST_PORT) return refuse('port-reserved', `${inside.address} names its port ${inside.port}`)
    if (count >= MAX_NAMED) return refuse('ports-exhausted', `${inside.address} names ${count} ports already`)
    const binding = this.#bindings.ofInside(inside.address, inside.port, 'udp') ?? this.#bind(inside, flow)
    if (!binding) return refuse('ports-exhausted', `no outside port is left for ${inside.address}:${inside.port}`)
    const named = new Named(key, inside.address, this.#ways.hold(flow.family, binding, flow.peer.address, changes))
    this.#named.set(key, named)
    this.#hosts.set(inside.address, count + 1)
    this.#deadlines.set(named, now + TRANSACTION_MS)
  }

  #bind(inside: Endpoint, flow: Flow): Binding | undefined {
    const { address } = flow.binding.outside
    if (address === inside.address) return this.#bindings.between(inside, inside, 'udp')
    // From the media ports: the kernel may give any other to a flow of somebody else's, which would come first.
    const port = this.#ports.lease(address, 0, 1, inside)
    if (port === 0) return undefined
    const binding = this.#bindings.between(inside, { address, port }, 'udp')
    this.#leased.add(binding)
    return binding
  }

  /** Lets go what nobody has named for so long. */
  expire(now: number, changes: WayChanges): void {
    for (const { key, host, way } of this.#deadlines.expire(now)) {
      this.#named.delete(key)
      const count = this.#hosts.get(host)! - 1
      if (count === 0) this.#hosts.delete(host)
      else this.#hosts.set(host, count)
      this.#ways.release(way, changes)
    }
  }

  /** Nobody holds the binding any more. */
  forget(binding: Binding): void {
    if (this.#leased.delete(binding)) this.#ports.release(binding.outside.address, binding.outside.port, 1)
  }
}
