import type { MalformedSip, NotSip, SipLimits, StreamPart } from '../../types/sip.js'
import { ASCII, isToken } from '../base/ascii.js'
import { scanFramed } from './scan.js'
import { scanStartLine } from './start-line.js'

const { CR, LF, SP, TAB } = ASCII
const EMPTY = new Uint8Array(0)
const SMALLEST = 1024
/** RFC 8489 6: the two highest bits of a STUN message are zero, its methods' first byte 0 or 1. */
const LAST_STUN_BYTE = 3
const DEFAULT_BYTES = 65_535

/**
 * Cuts one direction of a TCP connection into SIP messages (RFC 3261 18.3), however it comes in pieces. Time is linear in the bytes,
 * memory bounded by `maxBytes` and one piece. A stream that is not SIP, or no longer, is said to be so once and never read again:
 * where the next message might begin is not guessed at.
 *
 * @example
 * const stream = new SipStream()
 * socket.on('data', (chunk) => {
 *   stream.push(chunk)
 *   for (let part = stream.next(); part; part = stream.next()) if (part.kind === 'message') console.log(part.message.method)
 * })
 */
export class SipStream {
  readonly #limits: SipLimits
  readonly #maxBytes: number
  /** What has not been given out is #bytes[#start, #end). What has been is never written again, as parts are views of it. */
  #bytes: Uint8Array = EMPTY
  #start = 0
  #end = 0
  /** What of the message at #start is being waited for. */
  #stage: 'message' | 'start-line' | 'header' | 'body' = 'message'
  /** Where the search for the line's or the header's end goes on; where the header ends; where the message will. */
  #searched = 0
  #headEnd = 0
  #messageEnd = 0
  #messages = 0
  #isOver = false

  /** `limits.maxBytes` bounds a whole message, and a start line that never ends; default 65535. */
  constructor(limits: SipLimits = {}) {
    this.#limits = limits
    this.#maxBytes = limits.maxBytes ?? DEFAULT_BYTES
  }

  /** Bytes that wait for the rest of their message. */
  get size(): number {
    return this.#end - this.#start
  }

  /** Whether it has said `foreign` or `malformed`. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Takes the next piece, which is kept and must not change. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#adopt(chunk, 0, chunk.length)
      return
    }
    const size = this.size + chunk.length
    if (this.#end + chunk.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(SMALLEST, size * 2))
      grown.set(this.#bytes.subarray(this.#start, this.#end))
      this.#adopt(grown, 0, this.size)
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  #adopt(bytes: Uint8Array, start: number, end: number): void {
    const moved = start - this.#start
    this.#bytes = bytes
    this.#start = start
    this.#end = end
    this.#searched += moved
    this.#headEnd += moved
    this.#messageEnd += moved
  }

  /** The next part, or undefined until more has come. Its bytes stay good. */
  next(): StreamPart | undefined {
    if (this.#isOver || this.#start === this.#end) return undefined
    if (this.#stage === 'message') {
      const filler = this.#filler()
      if (filler) return filler
      const first = this.#bytes[this.#start]!
      if (!isToken(first)) return this.#notSip(first <= LAST_STUN_BYTE ? 'stun' : 'not-sip')
      this.#stage = 'start-line'
      this.#searched = this.#start
    }
    return this.#startLine() ?? this.#header() ?? this.#message()
  }

  /** Takes out everything that has not been given out. */
  rest(): Uint8Array {
    const rest = this.#bytes.subarray(this.#start, this.#end)
    this.#take(this.#end)
    return rest
  }

  #take(to: number): void {
    this.#start = to
    this.#stage = 'message'
    if (to !== this.#end) return
    this.#bytes = EMPTY
    this.#start = this.#end = this.#searched = 0
  }

  #filler(): StreamPart | undefined {
    const from = this.#start
    let to = from
    while (to < this.#end && (this.#bytes[to] === CR || this.#bytes[to] === LF)) to++
    if (to === from) return undefined
    const bytes = this.#bytes.subarray(from, to)
    this.#take(to)
    return { kind: 'filler', bytes }
  }

  /** Reads the start line once it is there. A control character before its end is a sign of another protocol. */
  #startLine(): StreamPart | undefined {
    if (this.#stage !== 'start-line') return undefined
    for (let at = this.#searched; at < this.#end; at++) {
      const byte = this.#bytes[at]!
      if (byte === LF) {
        this.#stage = 'header'
        this.#searched = at
        const line = scanStartLine(this.#bytes, this.#start, at + 1)
        if (line === 'found') return undefined
        return line === 'not-sip' ? this.#notSip(line) : this.#malformed(line as MalformedSip)
      }
      if (byte < SP && byte !== CR && byte !== TAB) return this.#notSip('not-sip')
    }
    this.#searched = this.#end
    return this.#tooLarge()
  }

  /** Looks for the empty line; `#searched` stands at a line's end, or in the middle of a line. */
  #header(): StreamPart | undefined {
    if (this.#stage !== 'header') return undefined
    const bytes = this.#bytes
    const end = this.#end
    for (let at = this.#searched; at < end; at++) {
      if (bytes[at] !== LF) continue
      const isPair = bytes[at + 1] === CR
      const behind = at + (isPair ? 2 : 1)
      if (behind >= end) {
        // To be looked at again when what stands behind it has come.
        this.#searched = at
        return this.#tooLarge()
      }
      if (bytes[behind] !== LF) continue
      this.#stage = 'body'
      this.#headEnd = this.#messageEnd = behind + 1
      return undefined
    }
    this.#searched = end
    return this.#tooLarge()
  }

  #tooLarge(): StreamPart | undefined {
    return this.size > this.#maxBytes ? this.#malformed('message-too-large') : undefined
  }

  #message(): StreamPart | undefined {
    if (this.#stage !== 'body' || this.#end < this.#messageEnd) return undefined
    const scan = scanFramed(this.#bytes, this.#start, this.#headEnd, this.#end, this.#limits)
    if (scan.state === 'incomplete') this.#messageEnd = scan.end
    else if (scan.state === 'malformed') return this.#malformed(scan.reason)
    else if (scan.state === 'absent') return this.#notSip(scan.reason)
    else {
      this.#messages++
      this.#take(scan.value.range.end)
      return { kind: 'message', message: scan.value }
    }
    return undefined
  }

  /** Behind a message, what is no message is a broken one. */
  #notSip(reason: NotSip): StreamPart {
    if (this.#messages > 0) return this.#malformed('start-line')
    this.#isOver = true
    return { kind: 'foreign', reason }
  }

  #malformed(reason: MalformedSip): StreamPart {
    this.#isOver = true
    return { kind: 'malformed', reason }
  }
}
