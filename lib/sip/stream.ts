import type { MalformedSip, NotSip, SipLimits, StreamPart } from '../../types/sip.js'
import { ASCII, isToken } from '../base/ascii.js'
import { Backlog } from '../base/backlog.js'
import { scanFramed } from './scan.js'
import { scanStartLine } from './start-line.js'

const { CR, LF, SP, TAB } = ASCII
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
  readonly #backlog = new Backlog()
  /** What of the next message is being waited for. */
  #stage: 'message' | 'start-line' | 'header' | 'body' = 'message'
  /** Where the search for the line's or the header's end goes on; where the header ends; where the message will: from its beginning. */
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
    return this.#backlog.size
  }

  /** Whether it has said `foreign` or `malformed`. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Takes the next piece, which is kept and must not change. */
  push(chunk: Uint8Array): void {
    this.#backlog.push(chunk)
  }

  /** The next part, or undefined until more has come. Its bytes stay good. */
  next(): StreamPart | undefined {
    const { size, bytes, start } = this.#backlog
    if (this.#isOver || size === 0) return undefined
    if (this.#stage === 'message') {
      const filler = this.#filler()
      if (filler) return filler
      const first = bytes[start]!
      if (!isToken(first)) return this.#notSip(first <= LAST_STUN_BYTE ? 'stun' : 'not-sip')
      this.#stage = 'start-line'
      this.#searched = 0
    }
    return this.#startLine() ?? this.#header() ?? this.#message()
  }

  /** Takes out everything that has not been given out. */
  rest(): Uint8Array {
    return this.#take(this.size)
  }

  #take(length: number): Uint8Array {
    this.#stage = 'message'
    return this.#backlog.take(length)
  }

  #filler(): StreamPart | undefined {
    const { bytes, start, end } = this.#backlog
    let to = start
    while (to < end && (bytes[to] === CR || bytes[to] === LF)) to++
    return to === start ? undefined : { kind: 'filler', bytes: this.#take(to - start) }
  }

  /** Reads the start line once it is there. A control character before its end is a sign of another protocol. */
  #startLine(): StreamPart | undefined {
    if (this.#stage !== 'start-line') return undefined
    const { bytes, start, end } = this.#backlog
    for (let at = start + this.#searched; at < end; at++) {
      const byte = bytes[at]!
      if (byte === LF) {
        this.#stage = 'header'
        this.#searched = at - start
        const line = scanStartLine(bytes, start, at + 1)
        if (line === 'found') return undefined
        return line === 'not-sip' ? this.#notSip(line) : this.#malformed(line as MalformedSip)
      }
      if (byte < SP && byte !== CR && byte !== TAB) return this.#notSip('not-sip')
    }
    this.#searched = end - start
    return this.#tooLarge()
  }

  /** Looks for the empty line; `#searched` stands at a line's end, or in the middle of a line. */
  #header(): StreamPart | undefined {
    if (this.#stage !== 'header') return undefined
    const { bytes, start, end } = this.#backlog
    for (let at = start + this.#searched; at < end; at++) {
      if (bytes[at] !== LF) continue
      const isPair = bytes[at + 1] === CR
      const behind = at + (isPair ? 2 : 1)
      if (behind >= end) {
        // To be looked at again when what stands behind it has come.
        this.#searched = at - start
        return this.#tooLarge()
      }
      if (bytes[behind] !== LF) continue
      this.#stage = 'body'
      this.#headEnd = this.#messageEnd = behind + 1 - start
      return undefined
    }
    this.#searched = end - start
    return this.#tooLarge()
  }

  #tooLarge(): StreamPart | undefined {
    return this.size > this.#maxBytes ? this.#malformed('message-too-large') : undefined
  }

  #message(): StreamPart | undefined {
    const { bytes, start, end } = this.#backlog
    if (this.#stage !== 'body' || end - start < this.#messageEnd) return undefined
    const scan = scanFramed(bytes, start, start + this.#headEnd, end, this.#limits)
    if (scan.state === 'incomplete') this.#messageEnd = scan.end - start
    else if (scan.state === 'malformed') return this.#malformed(scan.reason)
    else if (scan.state === 'absent') return this.#notSip(scan.reason)
    else {
      this.#messages++
      this.#take(scan.value.range.end - start)
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
