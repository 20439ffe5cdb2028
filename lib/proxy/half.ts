import type { Socket } from 'node:net'
import type { Way } from '../../types/flow.js'
import type { Cutter, Over } from '../base/cutter.js'

/** What becomes of the messages of a connection. */
export interface MessageJudge<Message> {
  /** Calls `done` once, now or later. */
  judge(message: Message, way: Way, done: Done): void
}

/**
 * What becomes of a message: the bytes that go on in its place, undefined: none, `reset`: the connection ends; and what goes back to its
 * sender, if anything.
 */
export type Done = (bytes: Uint8Array | 'reset' | undefined, answer?: Uint8Array) => void

export interface HalfOptions<Message> {
  readonly source: Socket
  readonly sink: Socket
  readonly way: Way
  readonly judge: MessageJudge<Message>
  readonly stream: Cutter<Message>
  now(): number
  /** The stream is not of the protocol, or no longer: afterwards `pass` is called, or the connection is closed. */
  onOver(part: Over): void
  /** A message ends the connection. */
  onReset(): void
  /** Bytes held in memory have changed by so many. */
  onHeld(change: number): void
}

/**
 * One direction of a connection: cuts the stream into messages, has each judged before the next, and passes on what comes of it.
 * While a message waits, or the sink is full, the source is not read. Closing is passed on as it comes: the end of a half after
 * all that was said before it.
 */
export class Half<Message> {
  readonly #options: HalfOptions<Message>
  #isPassing = false
  #isWaiting = false
  #hasEnded = false
  #held = 0
  /** When something last came, or could come again. */
  #heardAt = 0
  /** When the last came of a message that is not complete, by `now`; 0: there is none, or it is not read on here. */
  unfinishedAt = 0

  constructor(options: HalfOptions<Message>) {
    this.#options = options
  }

  start(): void {
    const { source, sink } = this.#options
    source.on('data', (chunk: Buffer) => this.#take(chunk))
    source.on('end', () => {
      this.#hasEnded = true
      this.#advance()
    })
    sink.on('drain', () => this.#settle())
    source.resume()
  }

  /** From now on everything passes as it is. */
  pass(): void {
    if (this.#isPassing) return
    this.#isPassing = true
    this.#advance()
  }

  #take(chunk: Buffer): void {
    const { stream, now } = this.#options
    stream.push(chunk)
    this.#heardAt = now()
    this.#advance()
  }

  /** Goes on until a message waits, or nothing more can be made of what has come. */
  #advance(): void {
    const { stream, sink } = this.#options
    while (!this.#isWaiting && !this.#isPassing) {
      const part = stream.next()
      if (!part) break
      if (part.kind === 'filler') this.#write(part.bytes)
      else if (part.kind === 'message') this.#judge(part.message)
      else this.#options.onOver(part)
    }
    if (!this.#isWaiting && (this.#isPassing || this.#hasEnded)) this.#write(stream.rest())
    this.#settle()
    if (this.#hasEnded && !this.#isWaiting && !sink.destroyed) sink.end()
  }

  #judge(message: Message): void {
    const { judge, way, source, onReset } = this.#options
    let isLater = false
    this.#isWaiting = true
    judge.judge(message, way, (bytes, answer) => {
      if (bytes === 'reset') return onReset()
      this.#isWaiting = false
      if (bytes) this.#write(bytes)
      if (answer && source.writable) source.write(answer)
      if (isLater) this.#advance()
    })
    isLater = true
  }

  #write(bytes: Uint8Array): void {
    const { sink } = this.#options
    if (bytes.length > 0 && !sink.destroyed && !sink.writableEnded) sink.write(bytes)
  }

  /** Reads on, or not, and says what is held. */
  #settle(): void {
    const { source, sink, stream, onHeld, now } = this.#options
    const { size } = stream
    const isBusy = this.#isWaiting || sink.writableNeedDrain
    if (isBusy) source.pause()
    else if (source.isPaused()) {
      this.#heardAt = now()
      source.resume()
    }
    this.unfinishedAt = size === 0 || isBusy ? 0 : this.#heardAt
    const held = size + sink.writableLength
    const change = held - this.#held
    this.#held = held
    if (change !== 0) onHeld(change)
  }

  /** The connection is closed: nothing is held any more. */
  close(): void {
    if (this.#held !== 0) this.#options.onHeld(-this.#held)
    this.#held = 0
  }
}
