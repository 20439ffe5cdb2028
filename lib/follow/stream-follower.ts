import type { Cutter, Over } from '../base/cutter.js'
import { Reassembly } from './reassembly.js'

/** What a segment adds to its direction. */
export interface Segment {
  readonly sequence: number
  /** Borrowed until `take` returns. */
  readonly bytes: Uint8Array
  /** FIN. */
  readonly isLast: boolean
}

/** `pass`: it may go on; `wait`: it is held, and will be let go; `drop`: it comes again, by itself or as it is held already. */
export type Fate = 'pass' | 'wait' | 'drop'

export interface StreamFollowerOptions<Message, Held> {
  /** Sequence number of the first byte. */
  readonly first: number
  readonly stream: Cutter<Message>
  now(): number
  /** Calls `done` once, now or later: the message may go on. */
  judge(message: Message, done: () => void): void
  /** A segment that waited may go on. */
  release(held: Held): void
  /** The stream is not of the protocol, or no longer: nothing is read of it from now on, and what waits is the caller's to `flush`. */
  onOver(over: Over): void
}

/** Positions [at, end). */
interface Span {
  readonly at: number
  readonly end: number
}

/** Segments of a direction that wait at a time; senders say again what is dropped. */
const MOST_HELD = 256

/**
 * Follows one direction of a TCP connection that goes by, and cuts it into messages. The segment that completes a message waits until
 * the message has been judged, and what comes behind it waits in order; so a receiver has no message before its judgement. What is
 * beyond a hole goes on: the receiver can make nothing of it until the hole is filled, and what fills it waits for all that it
 * completes.
 */
export class StreamFollower<Message, Held> {
  readonly #options: StreamFollowerOptions<Message, Held>
  readonly #bytes: Reassembly
  readonly #held: { readonly end: number; readonly held: Held }[] = []
  /** Up to where the receiver may have everything; the end of the stream counts one. */
  #free = 0
  /** What went on beyond a hole, apart from each other, in order: what fills the hole gives the receiver these as well. */
  #ahead: readonly Span[] = []
  #heardAt = 0
  #isWaiting = false
  #isOver = false
  /** When the last came of a message that is not complete; 0: there is none. */
  unfinishedAt = 0

  constructor(options: StreamFollowerOptions<Message, Held>) {
    this.#options = options
    this.#bytes = new Reassembly(options.first)
  }

  /** Bytes held in memory. */
  get size(): number {
    return this.#bytes.size + this.#options.stream.size
  }

  /** The receiver has all, and there will be no more. */
  get isEnded(): boolean {
    return this.#bytes.isEndAcknowledged
  }

  /** Sequence number of the first byte that was not let go. */
  get sequence(): number {
    return this.#bytes.sequenceOf(this.#free)
  }

  /** The receiver waits for `sequence`. False: it has what was never seen here, and nobody knows what. */
  acknowledge(sequence: number): boolean {
    return this.#bytes.acknowledge(sequence)
  }

  /** `hold` gives what `release` is to get, if the segment is to wait. */
  take({ sequence, bytes, isLast }: Segment, hold: () => Held): Fate {
    const at = this.#bytes.positionOf(sequence)
    const end = at + bytes.length + (isLast ? 1 : 0)
    // Nothing in it, or nothing that is not the receiver's already, as far as it goes by here.
    if (this.#isOver || (bytes.length === 0 && !isLast)) return 'pass'
    const taken = this.#bytes.take(at, bytes, isLast)
    if (taken === 'conflict') {
      this.#over({ kind: 'malformed', reason: 'tcp-conflict' })
      return 'pass'
    }
    if (this.#isFree(end)) return 'pass'
    if (taken === 'full') return 'drop'
    this.#read()
    if (this.#isOver || this.#isFree(end)) return 'pass'
    if (at > this.#bytes.next) {
      this.#ahead = joined([...this.#ahead, { at, end }])
      return 'pass'
    }
    if (taken === 'known' || this.#held.length >= MOST_HELD) return 'drop'
    this.#held.push({ end, held: hold() })
    return 'wait'
  }

  /** Whether the receiver may have everything up to `end`, and what it has got beyond that. */
  #isFree(end: number): boolean {
    let reach = end
    for (const span of this.#ahead) if (span.at <= reach) reach = Math.max(reach, span.end)
    return reach <= this.#free
  }

  #read(): void {
    const { stream } = this.#options
    const before = this.#bytes.next
    for (let run = this.#bytes.read(); run; run = this.#bytes.read()) stream.push(run)
    if (this.#bytes.next > before) this.#heardAt = this.#options.now()
    this.#advance()
  }

  /** Goes on until a message waits, or nothing more can be made of what has come. */
  #advance(): void {
    const { stream } = this.#options
    while (!this.#isWaiting && !this.#isOver) {
      const before = this.#bytes.next - stream.size
      const part = stream.next()
      if (part?.kind === 'message') this.#judge(part.message, before)
      else if (part && part.kind !== 'filler') this.#over(part)
      else if (!part) {
        this.#free = this.#bytes.next + (this.#bytes.isAtEnd ? 1 : 0)
        break
      }
    }
    this.#ahead = this.#ahead.filter(({ end }) => end > this.#free)
    this.unfinishedAt = stream.size === 0 || this.#isWaiting || this.#isOver ? 0 : this.#heardAt
  }

  #judge(message: Message, before: number): void {
    let isLater = false
    this.#isWaiting = true
    this.#free = Math.max(this.#free, before)
    this.#options.judge(message, () => {
      this.#isWaiting = false
      if (!isLater || this.#isOver) return
      this.#advance()
      this.#release()
    })
    isLater = true
  }

  #over(over: Over): void {
    this.#isOver = true
    this.#options.onOver(over)
  }

  #release(): void {
    while (this.#held.length > 0 && this.#isFree(this.#held[0]!.end)) this.#options.release(this.#held.shift()!.held)
  }

  /** Reads no more, and takes out what waits, in order. */
  flush(): Held[] {
    this.#isOver = true
    return this.#held.splice(0).map(({ held }) => held)
  }
}

/** Spans that meet are one. */
function joined(spans: readonly Span[]): Span[] {
  const apart: Span[] = []
  for (const span of spans.toSorted((a, b) => a.at - b.at)) {
    const last = apart.at(-1)
    if (last && span.at <= last.end) apart[apart.length - 1] = { at: last.at, end: Math.max(last.end, span.end) }
    else apart.push(span)
  }
  return apart
}
