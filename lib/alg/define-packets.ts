import type { OnPacket } from '../../types/define.js'
import type { Flow, Way } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import { locate, rebuild } from '../packet/index.js'
import type { Counters } from './counters.js'
import type { Decided, HelperWays } from './helper-ways.js'
import type { KernelSide } from './kernel-side.js'
import type { VerdictSink } from './pipeline.js'

const MAX_PACKET = 65_535

export interface HelperPacketsOptions {
  readonly onPacket: OnPacket
  readonly side: KernelSide
  readonly ways: HelperWays
  readonly counters: Counters
  /** With its edits a datagram would not fit an IP packet. */
  onTooLarge(detail: string): void
  onError(error: Error): void
}

/** A queued datagram, and what its verdict needs. */
interface Pending {
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
  readonly location: PacketLocation
  /** The mark to put back, where it carries a token instead. */
  readonly mark: { readonly mark?: number }
}

/** A defined helper's datagrams, from queue to verdict. */
export class HelperPackets {
  readonly #options: HelperPacketsOptions
  readonly #target = new Uint8Array(MAX_PACKET)
  #isOver = false

  constructor(options: HelperPacketsOptions) {
    this.#options = options
  }

  /** Whatever is known of its flow from now on, a datagram passes as it is. */
  end(): void {
    this.#isOver = true
  }

  /** A packet in its final form; it gets exactly one verdict. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { side, onError } = this.#options
    const { flows, interfaces } = side
    const first = flows.take(packet.mark)
    const mark = first ? { mark: first.mark } : {}
    const location = locate(packet.payload)
    const way = interfaces.wayOf(packet)
    if (location.state !== 'found' || !way) return sink.verdict(packet, 'accept', mark)
    const flow = flows.lookup(packet, packet.payload, location, way, first)
    if (!(flow instanceof Promise)) return this.#judge({ packet, sink, location, mark }, flow, way)
    // A copy: the same ranges.
    const held = { packet: packet.detach(), sink, location, mark }
    const failed = (error: Error) => {
      onError(error)
      return undefined
    }
    void flow.catch(failed).then((found) => this.#judge(held, found, way))
  }

  /** Asks `onPacket`; the datagram goes on at once, or when the ways it asked for stand. */
  #judge(pending: Pending, flow: Flow | undefined, way: Way): void {
    const { counters, ways, onPacket } = this.#options
    if (!flow || this.#isOver) {
      counters.add('flow-unknown')
      return this.#pass(pending)
    }
    counters.add('packets')
    const { packet, location } = pending
    const { start, end } = location.payload
    const bytes = packet.payload.subarray(start, end)
    const subject = { flow, way, length: end - start, connection: undefined }
    const decided = ways.decide(subject, (turn) => onPacket({ bytes, way }, turn))
    if (!(decided instanceof Promise)) return this.#finish(pending, decided)
    const held = { ...pending, packet: packet.detach() }
    void decided.then((it) => this.#finish(held, it))
  }

  #finish(pending: Pending, { verdict, edits }: Decided): void {
    const { packet, sink, location, mark } = pending
    if (verdict !== 'pass') return sink.verdict(packet, 'drop')
    if (edits.length === 0) return this.#pass(pending)
    const { start } = location.payload
    const placed = edits.map((edit) => ({ start: edit.start + start, end: edit.end + start, text: edit.text }))
    const length = rebuild(packet.payload, location, placed, this.#target)
    if (length < 0) {
      this.#pass(pending)
      return this.#options.onTooLarge(`an edited datagram to ${location.destination.address}`)
    }
    sink.verdict(packet, 'accept', { ...mark, payload: this.#target.subarray(0, length) })
    this.#options.counters.add('rewritten')
  }

  #pass({ packet, sink, mark }: Pending): void {
    sink.verdict(packet, 'accept', mark)
  }
}
