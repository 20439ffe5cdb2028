import type { Flow, Way } from '../../types/flow.js'
import type { OnMessage } from '../../types/script.js'
import type { SipMessage } from '../../types/sip.js'
import { CthelperError } from '../base/errors.js'
import type { Engine } from '../call/index.js'
import { MessageTurn } from './message-turn.js'

export interface MessageHookOptions {
  readonly onMessage: OnMessage
  readonly engine: Pick<Engine, 'callInfo'>
  readonly onError: (error: Error) => void
}

/** INVITEs refused of late, whose ACKs are nobody's. */
const REFUSED_LIMIT = 4096

/** The user's own word on every message. */
export class MessageHook {
  readonly #options: MessageHookOptions
  readonly #refused = new Set<string>()

  constructor(options: MessageHookOptions) {
    this.#options = options
  }

  /** What the script says of the message; undefined: nothing. */
  ask(message: SipMessage, flow: Flow, way: Way): MessageTurn | undefined {
    const { onMessage, engine, onError } = this.#options
    const turn = new MessageTurn(message, flow, way, engine.callInfo(message, flow, way))
    const key = `${flow.binding.inside.address} ${message.callId} ${message.cseq}`
    if (message.method === 'ACK' && this.#refused.has(key)) {
      turn.drop()
      return turn
    }
    try {
      const result: unknown = onMessage(message, turn)
      if (result instanceof Promise) {
        result.catch(onError)
        throw new CthelperError('ERR_ARGUMENT', 'onMessage', 'onMessage must decide at once, and returned a promise')
      }
    } catch (error) {
      onError(error as Error)
      return undefined
    }
    if (turn.verdict === 'reject' && message.method === 'INVITE') this.#remember(key)
    return turn
  }

  #remember(key: string): void {
    if (this.#refused.size >= REFUSED_LIMIT) this.#refused.delete(this.#refused.values().next().value!)
    this.#refused.add(key)
  }
}
