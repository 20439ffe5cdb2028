/** A run of bytes, by its position in the stream. */
interface Run {
  readonly at: number
  readonly bytes: Uint8Array
}

/**
 * What becomes known by a segment: something `new`, nothing (`known`), or none of it is taken: it says something else than was said
 * before (`conflict`), or is further ahead than there is room for (`full`).
 */
export type Taken = 'new' | 'known' | 'conflict' | 'full'

/** Bytes beyond the last acknowledged one. Senders have less on the way, as receivers acknowledge every other segment. */
const ROOM = 262_144
/** Runs beyond a hole; and as many before it, which are joined when there are more. */
const MOST_RUNS = 1024
/** What a run takes besides what it says: two objects and their places. */
const RUN_BYTES = 128

/**
 * One direction of a TCP connection as somebody between its ends puts it together (RFC 9293 3.4, 3.10.7.4). Bytes are kept until the
 * receiver has acknowledged them: until then it may not have them, and would take others in their place. Positions count from the
 * first byte of the stream and do not wrap around. Memory is bounded by 256 KiB and 2048 runs. Never throws.
 */
export class Reassembly {
  readonly #first: number
  #runs: readonly Run[] = []
  #acknowledged = 0
  #next = 0
  /** Where the stream ends, once its FIN was seen. */
  #end: number | undefined
  #isEndAcknowledged = false

  /** `first`: sequence number of the first byte, one behind the SYN's. */
  constructor(first: number) {
    this.#first = first >>> 0
  }

  /** The first position that was not read: what stands there has not come yet. */
  get next(): number {
    return this.#next
  }

  /** Whether all has been read, the end included. */
  get isAtEnd(): boolean {
    return this.#next === this.#end
  }

  /** The receiver has all of it. */
  get isEndAcknowledged(): boolean {
    return this.#isEndAcknowledged
  }

  /** Bytes of memory taken by what is kept. */
  get size(): number {
    return this.#runs.reduce((sum, { bytes }) => sum + bytes.length + RUN_BYTES, 0)
  }

  /** Of a sequence number (RFC 9293 3.4), the position that is nearest to what is read next. */
  positionOf(sequence: number): number {
    return this.#next + ((sequence - this.sequenceOf(this.#next)) | 0)
  }

  sequenceOf(position: number): number {
    return (this.#first + position) >>> 0
  }

  /** Takes a copy of what of `bytes`, which stand at `at`, is not known yet. `isLast`: the stream ends behind them. */
  take(at: number, bytes: Uint8Array, isLast: boolean): Taken {
    const end = at + bytes.length
    if (!this.#agrees(at, bytes, isLast)) return 'conflict'
    if (end > this.#acknowledged + ROOM) return 'full'
    if (this.#runs.length >= MOST_RUNS) {
      // What fills the hole is always taken, or it would stay.
      if (at > this.#next && this.#runs.length - this.#readRuns() >= MOST_RUNS) return 'full'
      if (this.#readRuns() >= MOST_RUNS) this.#join(this.#readRuns())
    }
    const isEndNew = isLast && this.#end === undefined
    if (isEndNew) this.#end = end
    return this.#insert(at, bytes) || isEndNew ? 'new' : 'known'
  }

  #agrees(at: number, bytes: Uint8Array, isLast: boolean): boolean {
    const end = at + bytes.length
    const known = this.#runs.at(-1)
    const reached = known ? known.at + known.bytes.length : this.#next
    if (this.#end === undefined ? isLast && end < reached : end > this.#end || (isLast && end !== this.#end))
      return false
    // What has been acknowledged is the receiver's, and stays as it is whatever is said now: keep-alives say anything (RFC 9293 3.8.4).
    return this.#runs.every((run) => {
      const from = Math.max(at, run.at, this.#acknowledged)
      const to = Math.min(end, run.at + run.bytes.length)
      for (let i = from; i < to; i++) if (bytes[i - at] !== run.bytes[i - run.at]) return false
      return true
    })
  }

  /** Runs that were read. */
  #readRuns(): number {
    const first = this.#runs.findIndex((run) => run.at >= this.#next)
    return first < 0 ? this.#runs.length : first
  }

  /** The first `count` runs follow on each other. */
  #join(count: number): void {
    const read = this.#runs.slice(0, count)
    const bytes = new Uint8Array(Buffer.concat(read.map((run) => run.bytes)))
    this.#runs = [{ at: read[0]!.at, bytes }, ...this.#runs.slice(count)]
  }

  #insert(at: number, bytes: Uint8Array): boolean {
    const end = at + bytes.length
    const missing: Run[] = []
    let from = Math.max(at, this.#acknowledged)
    const add = (to: number) => {
      if (from < to) missing.push({ at: from, bytes: new Uint8Array(bytes.subarray(from - at, to - at)) })
    }
    for (const run of this.#runs) {
      if (run.at >= end) break
      add(run.at)
      from = Math.max(from, run.at + run.bytes.length)
    }
    add(end)
    if (missing.length > 0) this.#runs = [...this.#runs, ...missing].sort((a, b) => a.at - b.at)
    return missing.length > 0
  }

  /** What comes next in the stream, and has come; undefined: it has not. The bytes stay good and do not change. */
  read(): Uint8Array | undefined {
    const run = this.#runs.find(({ at }) => at === this.#next)
    if (run) this.#next += run.bytes.length
    return run?.bytes
  }

  /** The receiver waits for `sequence`. False: it has something that was never seen here. */
  acknowledge(sequence: number): boolean {
    const at = this.positionOf(sequence)
    const isEnd = this.#end !== undefined && at === this.#end + 1 && this.isAtEnd
    if (at > this.#next && !isEnd) return false
    if (isEnd) this.#isEndAcknowledged = true
    if (at <= this.#acknowledged) return true
    this.#acknowledged = Math.min(at, this.#next)
    const first = this.#runs.findIndex((run) => run.at + run.bytes.length > this.#acknowledged)
    this.#runs = first < 0 ? [] : this.#runs.slice(first)
    return true
  }
}
