import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { SegmentLocation } from '../../types/packet.js'
import type { Tuple } from '../../types/tuple.js'
import type { Cutter } from '../base/cutter.js'
import { type End, type Fate, FollowedConnection, type FollowedConnectionOptions } from '../follow/index.js'
import { locateSegment, withoutData } from '../packet/index.js'
import { type HostLimits, Hosts } from '../proxy/index.js'
import type { VerdictSink } from './pipeline.js'

/** Whose connection it is, and which way its first message goes: `out` when a host inside has made it. */
export interface FollowedEnds {
  readonly family: Family
  readonly way: Way
  readonly client: Endpoint
  readonly server: Endpoint
}

/** What a connection's messages are judged by, for as long as it is followed. */
export interface FollowedAttendant<Message> {
  /** Calls `done` once, now or later: the message may go on, or the connection ends. */
  judge(message: Message, way: Way, done: (verdict: 'pass' | 'reset') => void): void
  close(): void
}

export interface FollowedConnectionsOptions<Message> {
  /** Which way a packet crosses this machine; undefined: it does not. */
  wayOf(packet: QueuedPacket): Way | undefined
  readonly limits: HostLimits
  readonly policy: FollowedConnectionOptions<Message, unknown>['policy']
  cut(way: Way): Cutter<Message>
  attend(ends: FollowedEnds): FollowedAttendant<Message>
  /** Conntrack's word on who is still there. */
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
  now(): number
  count(reason: string): void
  onError(error: Error): void
}

/** A segment that waits for its verdict. */
interface Held {
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
}

/** A connection and its surroundings. */
interface Followed<Message> {
  readonly ends: FollowedEnds
  readonly first: Readonly<Record<End, number>>
  readonly connection: FollowedConnection<Message, Held>
  readonly attendant: FollowedAttendant<Message>
  /** When it was last seen, or conntrack last asked. */
  seenAt: number
}

/** A SYN that nobody has answered yet. */
interface Asked {
  readonly sequence: number
  readonly way: Way
  readonly at: number
}

const TCP = 6
const [FIN, SYN, RST, ACK, URG] = [1, 2, 4, 16, 32]
/** SYNs without an answer at a time. Who sends more keeps others' connections from being followed, not from passing. */
const MOST_ASKED = 8192
/** A client says its SYN for the last time after 63 s (Linux, tcp_syn_retries 6), and is answered within two minutes or never. */
const ASKED_MS = 180_000
/** Silence after which conntrack is asked whether there still is such a connection. */
const SILENCE_MS = 120_000

/**
 * TCP connections of mode firewall as they go by, segment by segment: nobody is between their ends, and not a byte is changed. What is
 * followed was seen from its SYN on; other connections are left alone, and so are those of which something has gone by unseen.
 */
export class FollowedConnections<Message> {
  readonly #options: FollowedConnectionsOptions<Message>
  readonly #hosts: Hosts
  readonly #asked = new Map<string, Asked>()
  /** By sender and receiver, both ways. */
  readonly #followed = new Map<string, { readonly followed: Followed<Message>; readonly from: End }>()

  constructor(options: FollowedConnectionsOptions<Message>) {
    this.#options = options
    this.#hosts = new Hosts(options.limits)
  }

  get size(): { connections: number; connecting: number; heldBytes: number } {
    return { connections: this.#followed.size / 2, connecting: this.#asked.size, heldBytes: this.#hosts.heldBytes }
  }

  /** There is one queue for these packets. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    this.handle(packet, sink)
  }

  /** Every packet gets exactly one verdict. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    const segment = locateSegment(packet.payload)
    const way = this.#options.wayOf(packet)
    if (!segment || !way) return sink.verdict(packet, 'accept')
    if (segment.flags & SYN) return this.#handshake(packet, sink, segment, way)
    const found = this.#followed.get(keyOf(segment.source, segment.destination))
    // What comes by the other side than its sender's is not its sender's.
    if (!found || found.followed.connection.wayOf(found.from) !== way) return sink.verdict(packet, 'accept')
    const { followed, from } = found
    followed.seenAt = this.#options.now()
    const fate = followed.connection.take(from, seen(packet, segment), () => ({ packet: packet.detach(), sink }))
    if (fate !== 'wait') settle({ packet, sink }, fate)
    if (followed.connection.isOver(followed.seenAt)) this.#forget(followed)
  }

  #handshake(packet: QueuedPacket, sink: VerdictSink, segment: SegmentLocation, way: Way): void {
    const { source, destination, sequence, acknowledgment, flags, data } = segment
    const now = this.#options.now()
    if ((flags & ACK) === 0) {
      const key = keyOf(source, destination)
      this.#asked.delete(key)
      this.#asked.set(key, { sequence, way, at: now })
      if (this.#asked.size > MOST_ASKED) this.#asked.delete(this.#asked.keys().next().value!)
    } else {
      const asked = this.#asked.get(keyOf(destination, source))
      const isAnswer = asked && asked.way !== way && acknowledgment === next(asked.sequence)
      const refused = isAnswer && this.#begin(asked, segment, now)
      if (refused) {
        this.#options.count(refused)
        if (this.#options.policy.failure === 'drop') return sink.verdict(packet, 'drop')
      }
    }
    // What a SYN brings along (RFC 7413) is sent again when it has not been acknowledged, and judged then.
    const isBare = data.start === data.end
    const payload = isBare ? undefined : withoutData(packet.payload, segment, sequence, flags)
    sink.verdict(packet, 'accept', payload ? { payload } : {})
  }

  /** The server has answered. A connection of which there are too many already is not followed, and the reason said. */
  #begin(
    asked: Asked,
    { family, source: server, destination: client, sequence }: SegmentLocation,
    now: number,
  ): string | undefined {
    const first = { client: next(asked.sequence), server: next(sequence) }
    const known = this.#followed.get(keyOf(client, server))?.followed
    // Said again; or a server of many answers (SYN cookies), of which the client has taken one by now.
    if (known && known.first.client === first.client && known.connection.hasBegun) return undefined
    if (known) this.#forget(known)
    const refused = this.#hosts.add(client.address)
    if (refused) return refused
    this.#asked.delete(keyOf(client, server))
    this.#options.count('tcp-connections')
    const ends = { family, way: asked.way, client, server }
    const attendant = this.#options.attend(ends)
    const followed = { ends, first, connection: this.#connection(ends, first, attendant), attendant, seenAt: now }
    this.#followed.set(keyOf(client, server), { followed, from: 'client' })
    this.#followed.set(keyOf(server, client), { followed, from: 'server' })
    return undefined
  }

  #connection(
    { way, client }: FollowedEnds,
    first: Followed<Message>['first'],
    attendant: FollowedAttendant<Message>,
  ): FollowedConnection<Message, Held> {
    const { cut, policy, now, count } = this.#options
    return new FollowedConnection<Message, Held>({
      first,
      way,
      policy,
      cut,
      now,
      count,
      judge: (message, messageWay, done) => attendant.judge(message, messageWay, done),
      release: settle,
      onHeld: (change) => this.#hosts.hold(client.address, change),
    })
  }

  #forget(followed: Followed<Message>): void {
    const { client, server } = followed.ends
    if (this.#followed.get(keyOf(client, server))?.followed !== followed) return
    this.#followed.delete(keyOf(client, server))
    this.#followed.delete(keyOf(server, client))
    followed.connection.close()
    followed.attendant.close()
    this.#hosts.remove(client.address)
  }

  /** Call it once a second. */
  tick(): void {
    const now = this.#options.now()
    for (const [key, { at }] of this.#asked) {
      if (now - at <= ASKED_MS) break
      this.#asked.delete(key)
    }
    for (const { followed, from } of this.#followed.values()) {
      if (from === 'server') continue
      followed.connection.expire(now)
      if (followed.connection.isOver(now)) this.#forget(followed)
      else if (now - followed.seenAt > SILENCE_MS) this.#inquire(followed, now)
    }
  }

  /** Whoever has gone without a word is forgotten when conntrack has forgotten him. */
  #inquire(followed: Followed<Message>, now: number): void {
    const { get, onError } = this.#options
    const { family, client, server } = followed.ends
    followed.seenAt = now
    // Its reply: where it was made to may have been another address.
    get({ family, protocol: TCP, source: server, destination: client }).then((entry) => {
      if (!entry && followed.seenAt === now) this.#forget(followed)
    }, onError)
  }

  /** Follows nothing any more; what there is goes on. */
  close(): void {
    for (const { followed, from } of [...this.#followed.values()]) if (from === 'client') this.#forget(followed)
    this.#asked.clear()
  }
}

const keyOf = (from: Endpoint, to: Endpoint): string => `${from.address} ${from.port} ${to.address} ${to.port}`
const next = (sequence: number): number => (sequence + 1) >>> 0

function seen({ payload }: QueuedPacket, { sequence, acknowledgment, flags, data }: SegmentLocation) {
  return {
    sequence,
    acknowledgment: flags & ACK ? acknowledgment : undefined,
    bytes: payload.subarray(data.start, data.end),
    isLast: (flags & FIN) !== 0,
    isReset: (flags & RST) !== 0,
    isUrgent: (flags & URG) !== 0,
  }
}

function settle({ packet, sink }: Held, fate: Fate): void {
  if (typeof fate !== 'object') return sink.verdict(packet, fate === 'drop' ? 'drop' : 'accept')
  const segment = locateSegment(packet.payload)!
  const flags = fate.as === 'reset' ? RST | ACK : ACK
  sink.verdict(packet, 'accept', { payload: withoutData(packet.payload, segment, fate.sequence, flags) })
}
