import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Flow, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Tuple } from '../../types/tuple.js'
import { splice, splicedLength } from '../base/range.js'
import type { Engine, Plan } from '../call/index.js'
import type { Attendant, ConnectionEnds, Done } from '../proxy/index.js'
import type { Counters } from './counters.js'
import type { Judge, Message } from './judge.js'
import { streamFlowOf } from './stream-flow.js'

export interface StreamMessagesOptions {
  readonly engine: Engine
  readonly judge: Judge
  readonly counters: Counters
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
}

/** What the proxy's connections say, judged as what packets say is. */
export class StreamMessages {
  readonly #options: StreamMessagesOptions

  constructor(options: StreamMessagesOptions) {
    this.#options = options
  }

  /** The attendant of a connection whose both ends are connected. */
  async attend(ends: ConnectionEnds): Promise<Attendant<SipMessage>> {
    const { engine, get } = this.#options
    const flow = await streamFlowOf(ends, {
      get,
      bindingOf: (inside, outside) => engine.bindingOf(inside, outside, 'tcp'),
    })
    return {
      judge: (message, way, done) => this.#judge(message, flow, way, done),
      close: () => engine.release(flow),
    }
  }

  #judge(message: SipMessage, flow: Flow, way: Way, done: Done): void {
    const { judge, counters } = this.#options
    counters.add(message.kind === 'request' ? 'requests' : 'responses')
    judge.judge(new StreamMessage(message, this.#options, done), message, flow, way)
  }
}

/** A message of a stream; its bytes are its own from the start. */
class StreamMessage implements Message {
  readonly #message: SipMessage
  readonly #options: Pick<StreamMessagesOptions, 'judge' | 'counters'>
  readonly #done: Done

  constructor(message: SipMessage, options: Pick<StreamMessagesOptions, 'judge' | 'counters'>, done: Done) {
    this.#message = message
    this.#options = options
    this.#done = done
  }

  hold(): this {
    return this
  }

  message(): SipMessage {
    return this.#message
  }

  finish(plan: Plan): void {
    const { bytes, range } = this.#message
    const edits = plan.edits()
    if (edits.length === 0) this.#done(this.#original)
    else {
      const edited = new Uint8Array(splicedLength(range.end - range.start, edits))
      splice(bytes, range.start, range.end, edits, edited, 0)
      this.#options.counters.add('rewritten')
      this.#done(edited)
    }
    this.#options.judge.tell(plan)
  }

  unhelped(reason: string, kind: 'accept' | 'drop', plan?: Plan): void {
    this.#options.counters.add(reason)
    this.#done(kind === 'accept' ? this.#original : undefined)
    if (plan) this.#options.judge.tell(plan)
  }

  answer(reason: string, response: string): void {
    this.#options.counters.add(reason)
    this.#done(undefined, Buffer.from(response, 'latin1'))
  }

  get #original(): Uint8Array {
    const { bytes, range } = this.#message
    return bytes.subarray(range.start, range.end)
  }
}
