import type { Frame, Framed } from '../../types/define.js'
import type { Way } from '../../types/flow.js'
import { Backlog } from '../base/backlog.js'
import type { Cutter, Part } from '../base/cutter.js'
import { CthelperError } from '../base/errors.js'

export interface FramedStreamOptions {
  readonly frame: Frame
  readonly way: Way
  /** Of one message. */
  readonly maxBytes: number
  /** What `frame` threw, or that it said what cannot be. */
  onError(error: Error): void
}

/**
 * Cuts one direction of a connection as somebody's `frame` says. What is over is over: where the next message might begin is not
 * guessed at.
 */
export class FramedStream implements Cutter<Uint8Array> {
  readonly #options: FramedStreamOptions
  readonly #backlog = new Backlog()
  /** Bytes that are filler, whatever they are. */
  #filler = 0
  /** How many of the waiting bytes `frame` has seen, where it goes on, and how many have to be there before it is asked again. */
  #seen = 0
  #from = 0
  #wanted = 0
  #isOver = false

  constructor(options: FramedStreamOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#backlog.size
  }

  push(chunk: Uint8Array): void {
    this.#backlog.push(chunk)
  }

  rest(): Uint8Array {
    return this.#backlog.take(this.size)
  }

  next(): Part<Uint8Array> | undefined {
    if (this.#isOver || this.size === 0) return undefined
    if (this.#filler > 0) return this.#skip()
    if (this.size < this.#wanted || this.size === this.#seen) return undefined
    const framed = this.#ask(0, this.#from)
    if (framed instanceof Error) {
      this.#options.onError(framed)
      return this.#over('malformed', 'frame-failed')
    }
    if (framed.state === 'foreign') return this.#over('foreign', 'foreign')
    if (framed.state === 'filler') return this.#skip(framed.end)
    const { maxBytes } = this.#options
    if (framed.state === 'message') {
      this.#seen = this.#from = this.#wanted = 0
      if (framed.end > maxBytes) return this.#over('malformed', 'message-too-large')
      return { kind: 'message', message: this.#backlog.take(framed.end) }
    }
    this.#seen = this.size
    this.#from = framed.from ?? 0
    this.#wanted = framed.size ?? 0
    return Math.max(this.size, this.#wanted) > maxBytes ? this.#over('malformed', 'message-too-large') : undefined
  }

  /** Filler that begins goes on with all filler behind it: media between messages comes in many small pieces. */
  #skip(begins = 0): Part<Uint8Array> {
    if (begins > 0) {
      this.#seen = this.#from = this.#wanted = 0
      this.#filler = begins
      while (this.#filler < this.size) {
        const more = this.#ask(this.#filler, 0)
        if (more instanceof Error || more.state !== 'filler') break
        this.#filler += more.end
      }
    }
    const bytes = this.#backlog.take(this.#filler)
    this.#filler -= bytes.length
    return { kind: 'filler', bytes }
  }

  /** What `frame` says of what is there behind the first `at` bytes; an error when that cannot be. */
  #ask(at: number, from: number): Framed | Error {
    const { frame, way } = this.#options
    const bytes = this.#backlog.peek().subarray(at)
    try {
      const framed = frame(bytes, from, way)
      const wrong = whatIsWrong(framed, bytes.length)
      if (wrong === undefined) return framed
      return new CthelperError('ERR_ARGUMENT', 'frame', `frame: ${wrong} of ${bytes.length} bytes`)
    } catch (error) {
      return error instanceof Error ? error : new Error(`${error}`)
    }
  }

  #over(kind: 'foreign' | 'malformed', reason: string): Part<Uint8Array> {
    this.#isOver = true
    return { kind, reason }
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) > 0

function whatIsWrong(framed: Framed, size: number): string | undefined {
  switch (framed?.state) {
    case 'message':
      return isCount(framed.end) && framed.end <= size ? undefined : `a message ends at ${framed.end}`
    case 'filler':
      return isCount(framed.end) ? undefined : `filler ends at ${framed.end}`
    case 'incomplete':
      if (framed.size !== undefined && !(isCount(framed.size) && framed.size > size))
        return `${framed.size} bytes are asked for`
      return framed.from === undefined || (Number.isSafeInteger(framed.from) && framed.from >= 0)
        ? undefined
        : `from ${framed.from} it is to go on`
    case 'foreign':
      return undefined
    default:
      return `${JSON.stringify(framed)} is said`
  }
}
