import type { NewConntrack } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import type { QueuedPacket, VerdictKind } from '../../types/nfqueue.js'
import type { SegmentLocation } from '../../types/packet.js'
import type { Tuple } from '../../types/tuple.js'
import { decodeEntry, invert } from '../conntrack/index.js'
import { locateSegment, withDestination } from '../packet/index.js'
import type { Asked, ConnectionEnds, TcpProxy } from '../proxy/index.js'
import type { VerdictSink } from './pipeline.js'
import type { RawPackets } from './raw-packets.js'

const TCP = 6
/** The kernel gives it a timeout of its own with the first segment that it sees. */
const TIMEOUT_SEC = 60
/** Reasons that are no failure: the segment goes on. */
const NOT_OURS: ReadonlySet<string> = new Set(['tcp-unreachable', 'tcp-bridged', 'flow-unknown'])
/** Segments on their way from prerouting; one that a filter drops in between never comes to ask. */
const ARRIVALS = 4096

export interface ConnectionRequestsOptions {
  /** Which way a packet crosses this machine; undefined: it does not. */
  wayOf(packet: QueuedPacket): Way | undefined
  /** An address of this machine's. */
  isOwn(address: string): boolean
  /** Where the outside knows an inside endpoint, if a binding says so: where conntrack cannot be asked. */
  outsideOf(inside: Endpoint): Endpoint | undefined
  create(conntrack: NewConntrack): Promise<unknown>
  /** Sends packets to this machine itself. */
  readonly packets: Pick<RawPackets, 'send'>
  /** Of conntracks whose segments from this machine are for the proxy. */
  readonly ownMark: number
  /** What becomes of those that the proxy has no room for. */
  readonly failure: VerdictKind
  count(reason: string): void
  onError(error: Error): void
}

type Proxy = Pick<TcpProxy<unknown>, 'dial' | 'forget' | 'isAwaited'>

/**
 * Segments that ask for a connection (SYN), held after the filters until the proxy has asked the server. When the server has taken it, the
 * segment is sent again, to this machine, and found there by the proxy's listener. When the server has refused, or does not
 * answer, it goes on as it is: the client gets the server's own refusal, or none.
 */
export class ConnectionRequests {
  readonly #options: ConnectionRequestsOptions
  /** Where segments were sent to before destination NAT. */
  readonly #arrivals = new Map<string, Endpoint>()
  #proxy: Proxy | undefined

  constructor(options: ConnectionRequestsOptions) {
    this.#options = options
  }

  /** There is a proxy from now on; until then everything passes. */
  serve(proxy: Proxy): void {
    this.#proxy = proxy
  }

  /** On kernels that do not send conntracks along: a segment before destination NAT, or one that this has changed. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    if (packet.hook !== 'prerouting') return this.#handle(packet, sink, true)
    const segment = locateSegment(packet.payload)
    if (segment) {
      this.#arrivals.set(arrivalKey(segment), segment.destination)
      if (this.#arrivals.size > ARRIVALS) this.#arrivals.delete(this.#arrivals.keys().next().value!)
    }
    sink.verdict(packet, 'accept')
  }

  /** Every packet gets exactly one verdict. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    this.#handle(packet, sink, false)
  }

  #handle(packet: QueuedPacket, sink: VerdictSink, isTranslated: boolean): void {
    const segment = locateSegment(packet.payload)
    const way = this.#options.wayOf(packet)
    const proxy = this.#proxy
    if (!segment || !way || !proxy) return sink.verdict(packet, 'accept')
    const { family, source: client, destination: server } = segment
    const original = this.#originalOf(packet, segment, isTranslated)
    if (!original) return this.#pass(packet, sink, 'flow-unknown')
    // Both ends of a bridge are one network to the routing, which would be asked for the proxy's own connection.
    if (packet.physicalIndev !== 0) return this.#pass(packet, sink, 'tcp-bridged')
    const asked = { family, way, client, server }
    if (proxy.isAwaited(asked)) return sink.verdict(packet, 'drop')
    const held = packet.detach()
    this.#ask(proxy, asked, held, segment, original).then(
      (reason) => {
        if (reason === undefined) sink.verdict(held, 'drop')
        else this.#pass(held, sink, reason)
      },
      (error: Error) => {
        this.#options.onError(error)
        this.#pass(held, sink, 'internal-error')
      },
    )
  }

  #pass(packet: QueuedPacket, sink: VerdictSink, reason: string): void {
    const { count, failure } = this.#options
    count(reason)
    // The server's refusal is the server's to say; and nobody has failed at what was never begun.
    sink.verdict(packet, NOT_OURS.has(reason) ? 'accept' : failure)
  }

  /** Undefined when the connection is the proxy's; else why not. */
  async #ask(
    proxy: Proxy,
    asked: Asked,
    held: QueuedPacket,
    segment: SegmentLocation,
    original: Endpoint,
  ): Promise<string | undefined> {
    const { isOwn, create, packets } = this.#options
    const { way, client, server } = asked
    const isServerOwn = way === 'in' && isOwn(server.address)
    const dialled = await proxy.dial(asked, isServerOwn ? (ends) => this.#expectOwn(ends) : undefined)
    if ('reason' in dialled) return dialled.reason
    try {
      await create(this.#conntrackOf(asked, original, way === 'out' && isOwn(client.address)))
      packets.send(original.address, withDestination(held.payload, segment, original))
      return undefined
    } catch (error) {
      proxy.forget(dialled.ends)
      throw error
    }
  }

  /** The segment that was held had one, which ends with it: what follows is to be translated as it would have been. */
  #conntrackOf({ family, client, server }: Asked, original: Endpoint, isOwn: boolean): NewConntrack {
    const tuple: Tuple = { family, protocol: TCP, source: client, destination: original }
    const isTranslated = original.address !== server.address || original.port !== server.port
    return {
      original: tuple,
      reply: invert(tuple),
      timeoutSec: TIMEOUT_SEC,
      ...(isTranslated ? { destinationNat: server } : {}),
      ...(isOwn ? { mark: this.#options.ownMark } : {}),
    }
  }

  /** A program of this machine would answer the client itself. */
  async #expectOwn({ family, local, server }: ConnectionEnds): Promise<void> {
    await this.#options.create({ ...this.#conntrackOf({ family, way: 'in', client: local, server }, server, true) })
  }

  /** Undefined when nobody knows where it was sent to. */
  #originalOf(packet: QueuedPacket, segment: SegmentLocation, isTranslated: boolean): Endpoint | undefined {
    const { conntrack } = packet
    if (conntrack) return decodeEntry(conntrack, 0).original.destination
    const key = arrivalKey(segment)
    const arrived = this.#arrivals.get(key)
    this.#arrivals.delete(key)
    return isTranslated ? (arrived ?? this.#options.outsideOf(segment.destination)) : segment.destination
  }
}

/** What destination NAT leaves alone. */
const arrivalKey = ({ source, sequence }: SegmentLocation): string => `${source.address} ${source.port} ${sequence}`
