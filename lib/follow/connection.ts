import type { Way } from '../../types/flow.js'
import { type Cutter, type Over, STALLED_MS } from '../base/cutter.js'
import { type Segment, type Fate as StreamFate, StreamFollower } from './stream-follower.js'

/** Who sent a segment: who asked for the connection, or who was asked. */
export type End = 'client' | 'server'

/** A segment of an open connection. */
export interface SeenSegment extends Segment {
  /** Undefined without ACK. */
  readonly acknowledgment: number | undefined
  /** RST, URG. */
  readonly isReset: boolean
  readonly isUrgent: boolean
}

/** A segment without data goes on in the place of another. */
export interface Replaced {
  readonly sequence: number
  readonly as: 'reset' | 'acknowledgment'
}

export type Fate = StreamFate | Replaced

export interface FollowedConnectionOptions<Message, Held> {
  /** Sequence number of each end's first byte. */
  readonly first: Readonly<Record<End, number>>
  /** Which way goes what the client says. */
  readonly way: Way
  /** What becomes of a connection that is not of the protocol; that breaks it, or TCP's; that cannot be followed any more. */
  readonly policy: Readonly<Record<'foreign' | 'malformed' | 'failure', 'accept' | 'drop'>>
  cut(way: Way): Cutter<Message>
  now(): number
  /** Calls `done` once, now or later: the message may go on, or the connection ends. */
  judge(message: Message, way: Way, done: (verdict: 'pass' | 'reset') => void): void
  count(reason: string): void
  /** A segment that waited; its fate is not `wait`. */
  release(held: Held, fate: Fate): void
  /** False: the connection is to end, as its host holds too many. */
  onHeld(change: number): boolean
}

/** A reset that an end did not believe (RFC 5961 3.2) is followed by more. */
const LINGER_MS = 2000
const ENDS: readonly End[] = ['client', 'server']

/** A TCP connection between two others that is followed from its first byte, both ways, and not changed. */
export class FollowedConnection<Message, Held> {
  readonly #options: FollowedConnectionOptions<Message, Held>
  readonly #streams: Readonly<Record<End, StreamFollower<Message, Held>>>
  #state: 'followed' | 'passing' | 'reset' = 'followed'
  /** Whether an end has said something since the handshake. */
  hasBegun = false
  /** When an end said RST; 0: none did, or it was not believed. */
  #resetAt = 0
  #held = 0
  readonly #wasTold: Record<End, boolean> = { client: false, server: false }

  constructor(options: FollowedConnectionOptions<Message, Held>) {
    this.#options = options
    this.#streams = { client: this.#stream('client'), server: this.#stream('server') }
  }

  #stream(from: End): StreamFollower<Message, Held> {
    const { first, cut, now, judge, release } = this.#options
    const way = this.wayOf(from)
    return new StreamFollower({
      first: first[from],
      stream: cut(way),
      now,
      judge: (message, done) =>
        judge(message, way, (verdict) => {
          if (verdict === 'pass') done()
          else this.reset()
          this.#settle()
        }),
      release: (held) => release(held, 'pass'),
      onOver: ({ kind, reason }) => this.#end(kind, reason),
    })
  }

  /** Which way an end's segments go. */
  wayOf(from: End): Way {
    const { way } = this.#options
    if (from === 'client') return way
    return way === 'out' ? 'in' : 'out'
  }

  /**
   * There is nothing more to follow: both ends have said all and heard it, or one has reset and nothing more came, or it passes as it
   * is.
   */
  isOver(now: number): boolean {
    if (this.#state === 'passing') return true
    if (this.#resetAt !== 0) return now - this.#resetAt > LINGER_MS
    return this.#streams.client.isEnded && this.#streams.server.isEnded
  }

  /** What becomes of a segment; `hold` is called when it is to wait. */
  take(from: End, segment: SeenSegment, hold: () => Held): Fate {
    if (segment.isReset) {
      this.#resetAt = this.#options.now()
      return 'pass'
    }
    this.#resetAt = 0
    this.hasBegun = true
    if (this.#state === 'followed') this.#check(from, segment)
    const fate = this.#state === 'followed' ? this.#streams[from].take(segment, hold) : 'pass'
    this.#settle()
    return this.#isEnding ? this.#replaced(from) : fate
  }

  #check(from: End, { acknowledgment, isUrgent }: SeenSegment): void {
    const other = this.#streams[from === 'client' ? 'server' : 'client']
    // It went by another way, or while nobody listened to the queue.
    if (acknowledgment !== undefined && !other.acknowledge(acknowledgment)) this.#end('failure', 'tcp-unseen')
    // Receivers take the urgent byte out of the stream, or leave it in (RFC 6093 2.1).
    else if (isUrgent) this.#end('malformed', 'tcp-urgent')
  }

  /** Nobody is told in vain: an end that has got a reset answers what comes then with one of its own. */
  #replaced(from: End): Replaced {
    const isTold = this.#wasTold[from]
    this.#wasTold[from] = !isTold
    return { sequence: this.#streams[from].sequence, as: isTold ? 'acknowledgment' : 'reset' }
  }

  /** Narrowed by itself, the state would be what it was before a call that changes it. */
  get #isEnding(): boolean {
    return this.#state === 'reset'
  }

  #end(kind: Over['kind'] | 'failure', reason: string): void {
    if (this.#options.policy[kind] === 'drop') this.reset(reason)
    else this.pass(reason)
  }

  /** A message that has begun and does not go on is none. */
  expire(now: number): void {
    const isStalled = ENDS.some((end) => {
      const { unfinishedAt } = this.#streams[end]
      return unfinishedAt !== 0 && now - unfinishedAt > STALLED_MS
    })
    if (!isStalled || this.#state !== 'followed') return
    this.#end('malformed', 'message-unfinished')
    this.#settle()
  }

  /** From now on everything passes as it is, both ways, and is not looked at. */
  pass(reason: string): void {
    if (this.#state !== 'followed') return
    this.#options.count(reason)
    this.#state = 'passing'
    for (const end of ENDS) for (const held of this.#streams[end].flush()) this.#options.release(held, 'pass')
  }

  /** Both ends are told that it is over, in the place of what they would have got. */
  reset(reason?: string): void {
    const { count, release } = this.#options
    if (this.#state !== 'followed') return
    if (reason !== undefined) count(reason)
    count('tcp-reset')
    this.#state = 'reset'
    for (const end of ENDS) {
      const [first, ...rest] = this.#streams[end].flush()
      if (first !== undefined) release(first, this.#replaced(end))
      for (const held of rest) release(held, 'drop')
    }
  }

  /** It is not followed any more: nothing is held. */
  close(): void {
    if (this.#state === 'followed') this.#state = 'passing'
    for (const end of ENDS) for (const held of this.#streams[end].flush()) this.#options.release(held, 'pass')
    if (this.#held !== 0) this.#options.onHeld(-this.#held)
    this.#held = 0
  }

  #settle(): void {
    const held = this.#state === 'followed' ? this.#streams.client.size + this.#streams.server.size : 0
    const change = held - this.#held
    this.#held = held
    if (change === 0 || this.#options.onHeld(change)) return
    this.reset('tcp-bytes-exhausted')
    this.#settle()
  }
}
