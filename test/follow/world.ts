import { StreamFollower } from '../../lib/follow/stream-follower.js'
import { SipStream } from '../../lib/sip/index.js'
import type { SipMessage } from '../../types/sip.js'

/** A request of TCP, told by its number, with a body of so many bytes. */
export function message(number: number, bodyLength = 0): string {
  const headers = [
    'Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK1',
    'From: <sip:a@x.invalid>;tag=a',
    'To: <sip:b@x.invalid>',
    `Call-ID: ${number}`,
    'CSeq: 1 MESSAGE',
    `Content-Length: ${bodyLength}`,
  ]
  return `MESSAGE sip:b@x.invalid SIP/2.0\r\n${headers.join('\r\n')}\r\n\r\n${'x'.repeat(bodyLength)}`
}

export const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))

/** Bytes of a stream, by their place in it. */
export interface Piece {
  readonly at: number
  readonly end: number
}

/** A sender, a follower between, and a receiver that takes what a TCP would. Judgements are given when the test says so. */
export class Line {
  readonly follower: StreamFollower<SipMessage, Piece>
  readonly judged: string[] = []
  readonly over: string[] = []
  now = 1000
  readonly #text: Uint8Array
  readonly #first: number
  readonly #arrived: Uint8Array
  /** Place up to which the receiver has everything. */
  received = 0
  #dones: (() => void)[] = []
  /** Ends of the messages of which nobody has judged the first. */
  readonly #ends: number[]
  /** Messages that the receiver had before their judgement. */
  early = 0
  most = 0

  constructor(text: string, first: number, isPatient: boolean, ends: readonly number[] = []) {
    this.#text = bytesOf(text)
    this.#first = first
    this.#arrived = new Uint8Array(this.#text.length + 1)
    this.#ends = [...ends]
    this.follower = new StreamFollower<SipMessage, Piece>({
      first,
      stream: new SipStream(),
      now: () => this.now,
      judge: (it, done) => {
        this.judged.push(it.callId)
        const judged = () => {
          this.#ends.shift()
          done()
        }
        if (isPatient) this.#dones.push(judged)
        else judged()
      },
      release: (piece) => this.#arrive(piece),
      onOver: ({ reason }) => this.over.push(reason),
    })
  }

  get isWaiting(): boolean {
    return this.#dones.length > 0
  }

  /** Sends what stands at [at, end), and with `isLast` the FIN. */
  send({ at, end }: Piece, isLast = false): string {
    const bytes = this.#text.subarray(at, end)
    const fate = this.follower.take({ sequence: (this.#first + at) >>> 0, bytes, isLast }, () => ({
      at,
      end: isLast ? end + 1 : end,
    }))
    if (fate === 'pass') this.#arrive({ at, end: isLast ? end + 1 : end })
    this.most = Math.max(this.most, this.follower.size)
    return fate
  }

  #arrive({ at, end }: Piece): void {
    this.#arrived.fill(1, at, end)
    while (this.#arrived[this.received] === 1) this.received++
    if (this.#ends.length > 0 && this.received >= this.#ends[0]!) this.early++
  }

  /** The first message that waits is judged. */
  judge(): void {
    this.#dones.shift()?.()
  }

  acknowledge(): boolean {
    return this.follower.acknowledge((this.#first + this.received) >>> 0)
  }
}
