import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow, Way } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import type { Tuple } from '../../types/tuple.js'
import { decodeEntry } from '../conntrack/index.js'
import { Arrivals } from './arrivals.js'

const UDP = 17
const CTA_ID = 12
const NLA_TYPE_MASK = 0x3fff
const LIMIT = 65_536
/** First packets on their way from forward to postrouting; one that a filter drops in between never comes to ask. */
const PENDING_LIMIT = 8192
const TOKEN_BASE = 0xc7000000
const TOKEN_COUNT = 0x01000000

export interface FlowsOptions {
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
  bindingOf(inside: Endpoint, outside: Endpoint): Binding
  /** Default 0; the flows of other zones are not ours. */
  readonly zone?: number
  /** The binding that a registration or a call holds for an inside endpoint. */
  heldBinding(inside: Endpoint): Binding | undefined
}

/** What the pipeline asks of flows. */
export interface FlowSource {
  readonly size: { flows: number; first: number }
  /** Notes a flow's first packet as it is before translation, and returns the mark it is to carry until it is seen again. */
  first(packet: QueuedPacket, location: PacketLocation): number
  take(mark: number): FirstPacket | undefined
  lookup(
    packet: QueuedPacket,
    bytes: Uint8Array,
    location: PacketLocation,
    way: Way,
    first: FirstPacket | undefined,
  ): Flow | undefined | Promise<Flow | undefined>
  knows(id: number): boolean
  forget(id: number): void
  clear(): void
}

interface Cached {
  readonly flow: Flow
  /** CTA_ID: another conntrack may have the same addresses later. */
  readonly id: number
}

export interface FirstPacket {
  readonly mark: number
  readonly source: Endpoint
}

const latin1 = Buffer.prototype.latin1Slice

/**
 * Which inside and outside endpoints a queued packet's flow joins. Packets are seen in their final form, after source NAT: the other
 * form is in their conntrack. Where the kernel sends it along (NFQA_CT), it is read from there; where not, it is asked for once
 * a flow, and a flow's first packet, which is in no table yet, is known by the token it got in forward (docs/design.md).
 */
export class Flows implements FlowSource {
  readonly #options: FlowsOptions
  readonly #cache = new Map<string, Cached>()
  readonly #keysById = new Map<number, string[]>()
  readonly #pending = new Map<number, FirstPacket>()
  readonly #arrivals = new Arrivals()
  #token = 0

  constructor(options: FlowsOptions) {
    this.#options = options
  }

  get size(): { flows: number; first: number } {
    return { flows: this.#cache.size, first: this.#pending.size + this.#arrivals.size }
  }

  /**
   * Notes a flow's first packet, before source NAT, and returns the mark it is to carry until postrouting. One seen before
   * destination NAT keeps its mark, by which it may be routed: it is known again by what it says.
   */
  first(packet: QueuedPacket, location: PacketLocation): number {
    if (packet.hook === 'prerouting') {
      this.#arrivals.add(packet.payload, location)
      return packet.mark
    }
    const token = (TOKEN_BASE + this.#token) >>> 0
    this.#token = (this.#token + 1) % TOKEN_COUNT
    this.#pending.set(token, { mark: packet.mark, source: location.source })
    if (this.#pending.size > PENDING_LIMIT) this.#pending.delete(this.#pending.keys().next().value!)
    return token
  }

  /** Takes the token off a packet: what was noted with it, or undefined when its mark is none. */
  take(mark: number): FirstPacket | undefined {
    const first = this.#pending.get(mark)
    if (first) this.#pending.delete(mark)
    return first
  }

  /** The flow of a packet in its final form; undefined when conntrack does not know it. Copies what it needs before it waits. */
  lookup(
    packet: QueuedPacket,
    bytes: Uint8Array,
    location: PacketLocation,
    way: Way,
    first: FirstPacket | undefined,
  ): Flow | undefined | Promise<Flow | undefined> {
    const { conntrack } = packet
    const key = keyOf(bytes, location)
    const cached = this.#cache.get(key)
    if (conntrack) {
      if (cached && cached.id === readId(conntrack)) return cached.flow
      return this.#learn(key, decodeEntry(conntrack, 0), location, way)
    }
    if (cached) return cached.flow
    if (first) return this.#ofFirst(first, bytes, location, way)
    const { family, source, destination } = location
    const answer: Tuple = { family, protocol: UDP, source: destination, destination: source }
    // To the machine itself a first packet comes without a token.
    const arrival = packet.hook === 'input' ? this.#ofArrival(bytes, location) : undefined
    return this.#options.get(answer).then((entry) => (entry ? this.#learn(key, entry, location, way) : arrival))
  }

  #learn(key: string, entry: ConntrackEntry, location: PacketLocation, way: Way): Flow | undefined {
    if ((entry.zone ?? 0) !== (this.#options.zone ?? 0)) return undefined
    const { family, source, destination } = location
    const isOriginal = isInverse(entry.reply, source, destination)
    // Out: the source is final, the original of the same direction has it as it was. In: the destination likewise.
    const [inside, outside, peer] =
      way === 'out'
        ? [isOriginal ? entry.original.source : entry.reply.source, source, destination]
        : [destination, isOriginal ? entry.original.destination : entry.reply.destination, source]
    const flow: Flow = { family, binding: this.#options.bindingOf(inside, outside), peer }
    if (entry.id !== undefined) this.#remember(key, flow, entry.id)
    return flow
  }

  #remember(key: string, flow: Flow, id: number): void {
    if (this.#cache.size >= LIMIT) this.#evict()
    this.#cache.set(key, { flow, id })
    const keys = this.#keysById.get(id)
    if (!keys) this.#keysById.set(id, [key])
    else if (!keys.includes(key)) keys.push(key)
  }

  #evict(): void {
    const [key, { id }] = this.#cache.entries().next().value!
    this.#cache.delete(key)
    this.forget(id)
  }

  /** A first packet's conntrack is not in the table yet, so nothing is remembered. */
  #ofFirst(first: FirstPacket, bytes: Uint8Array, location: PacketLocation, way: Way): Flow {
    if (way === 'in') return this.#ofArrival(bytes, location)
    const { family, source, destination } = location
    return { family, binding: this.#options.bindingOf(first.source, source), peer: destination }
  }

  /** A new flow that comes in was translated by a rule that was seen at work, by an expectation of ours, whose binding is held, or not at all. */
  #ofArrival(bytes: Uint8Array, location: PacketLocation): Flow {
    const { family, source, destination } = location
    const was = this.#arrivals.take(bytes, location)
    const held = was ? undefined : this.#options.heldBinding(destination)
    return { family, binding: held ?? this.#options.bindingOf(destination, was ?? destination), peer: source }
  }

  /** Whether a conntrack of that id is remembered: asked for every conntrack that ends. */
  knows(id: number): boolean {
    return this.#keysById.has(id)
  }

  /** The conntrack is gone. */
  forget(id: number): void {
    for (const key of this.#keysById.get(id) ?? []) this.#cache.delete(key)
    this.#keysById.delete(id)
  }

  /** Events were lost: any of them may be gone. */
  clear(): void {
    this.#cache.clear()
    this.#keysById.clear()
  }
}

/** Addresses and ports as they stand in the packet. */
export function keyOf(bytes: Uint8Array, { family, udp }: PacketLocation): string {
  if (family === 4 && udp.start === 20) return latin1.call(bytes, 12, 24)
  if (family === 6 && udp.start === 40) return latin1.call(bytes, 8, 44)
  const addresses = family === 4 ? latin1.call(bytes, 12, 20) : latin1.call(bytes, 8, 40)
  return addresses + latin1.call(bytes, udp.start, udp.start + 4)
}

function isInverse(reply: Tuple, source: Endpoint, destination: Endpoint): boolean {
  const { source: from, destination: to } = reply
  return (
    from.port === destination.port &&
    to.port === source.port &&
    from.address === destination.address &&
    to.address === source.address
  )
}

/** CTA_ID among the outermost attributes, without decoding the rest; -1 when it is not there. */
function readId(attributes: Uint8Array): number {
  let at = 0
  while (at + 4 <= attributes.length) {
    const length = attributes[at]! | (attributes[at + 1]! << 8)
    if (length < 4) return -1
    const type = (attributes[at + 2]! | (attributes[at + 3]! << 8)) & NLA_TYPE_MASK
    if (type === CTA_ID && length === 8 && at + 8 <= attributes.length) {
      const [a, b, c, d] = [attributes[at + 4]!, attributes[at + 5]!, attributes[at + 6]!, attributes[at + 7]!]
      return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0
    }
    at += (length + 3) & ~3
  }
  return -1
}
