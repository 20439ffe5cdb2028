import type { CallInfo } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit, Range } from '../../types/range.js'
import type { MessageContext } from '../../types/script.js'
import type { BodyPart, HeaderField, SipMessage } from '../../types/sip.js'
import { CthelperError } from '../base/errors.js'
import { bodyParts } from '../sip/index.js'

const LF = 10

function misuse(operation: string, why: string): never {
  throw new CthelperError('ERR_ARGUMENT', operation, `${operation}: ${why}`)
}

/** One message before a script, and what the script has said of it. */
export class MessageTurn implements MessageContext {
  readonly way: Way
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  readonly call: CallInfo | undefined
  readonly edits: Edit[] = []
  /** Of the message's body; read now, as its bytes may be gone when the edits are made. */
  parts: readonly BodyPart[] = []
  verdict: 'reject' | 'drop' | undefined
  status = 0
  reason = ''
  connmark: number | undefined
  readonly #message: SipMessage

  constructor(message: SipMessage, { binding, peer }: Flow, way: Way, call: CallInfo | undefined) {
    this.#message = message
    this.way = way
    this.inside = binding.inside
    this.outside = binding.outside
    this.peer = peer
    this.call = call
  }

  text({ start, end }: Range): string {
    return Buffer.from(this.#message.bytes.subarray(start, end)).toString()
  }

  find(text: string, { start, end }: Range = this.#message.range): Range | undefined {
    const wanted = Buffer.from(text)
    const at = Buffer.from(this.#message.bytes.subarray(start, end)).indexOf(wanted)
    return at < 0 ? undefined : { start: start + at, end: start + at + wanted.length }
  }

  replace({ start, end }: Range, text: string): void {
    const { range } = this.#message
    if (!(start >= range.start && start <= end && end <= range.end))
      misuse('replace', `[${start}, ${end}) is not within the message, [${range.start}, ${range.end})`)
    if (this.edits.length === 0) this.parts = bodyParts(this.#message, () => true)
    // Edits are latin1, a character a byte.
    this.edits.push({ start, end, text: Buffer.from(text).toString('latin1') })
  }

  addHeader(name: string, value: string): void {
    if (/[\r\n]/.test(name + value)) misuse('addHeader', 'a header is one line')
    const at = this.#lineEnd(this.#message.headers.at(-1)!)
    this.replace({ start: at, end: at }, `${name}: ${value}\r\n`)
  }

  removeHeader(name: string): void {
    const wanted = name.toLowerCase()
    for (const field of this.#message.headers) {
      const { header, name: at } = field
      const isIt = header === wanted || this.text(at).toLowerCase() === wanted
      if (isIt) this.replace({ start: at.start, end: this.#lineEnd(field) }, '')
    }
  }

  /** Behind the line's end; the value may be folded, and is trimmed. */
  #lineEnd({ value }: HeaderField): number {
    return this.#message.bytes.indexOf(LF, value.end) + 1
  }

  reject(status: number, reason = 'Refused'): void {
    if (!Number.isInteger(status) || status < 300 || status > 699) misuse('reject', `${status} is not 300 to 699`)
    if (/[\r\n]/.test(reason)) misuse('reject', 'a reason is one line')
    this.verdict = 'reject'
    this.status = status
    this.reason = Buffer.from(reason).toString('latin1')
  }

  drop(): void {
    this.verdict = 'drop'
  }

  mark(value: number): void {
    if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) misuse('mark', `${value} is no 32 bit mark`)
    this.connmark = value
  }
}
