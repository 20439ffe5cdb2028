import type { Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Engine, Plan } from '../call/index.js'
import type { Counters } from './counters.js'
import type { FollowedAttendant, FollowedEnds } from './followed-connections.js'
import type { Judge, Message } from './judge.js'
import type { TcpContacts } from './tcp-contacts.js'

export interface FollowedMessagesOptions {
  readonly engine: Engine
  readonly judge: Judge
  readonly counters: Counters
  readonly contacts: Pick<TcpContacts, 'keep'>
}

type Done = (verdict: 'pass' | 'reset') => void

/**
 * Who judges what followed connections say. Nothing is translated, so the flow is the connection's own ends, as with packets
 * (`RoutedFlows`).
 */
export function attendFollowed(
  options: FollowedMessagesOptions,
  { family, way, client, server }: FollowedEnds,
): FollowedAttendant<SipMessage> {
  const { engine, judge, counters, contacts } = options
  const [inside, peer] = way === 'out' ? [client, server] : [server, client]
  const flow = { family, binding: engine.bindingOf(inside, inside, 'tcp'), peer }
  const letGo = contacts.keep(inside)
  return {
    judge: (message: SipMessage, messageWay: Way, done: Done) => {
      counters.add(message.kind === 'request' ? 'requests' : 'responses')
      judge.judge(new FollowedMessage(message, options, done), message, flow, messageWay)
    },
    close: () => {
      engine.release(flow)
      letGo?.()
    },
  }
}

/** A message that goes on as it is, or ends its connection: a part of it may have arrived already. */
class FollowedMessage implements Message {
  readonly #message: SipMessage
  readonly #options: FollowedMessagesOptions
  readonly #done: Done

  constructor(message: SipMessage, options: FollowedMessagesOptions, done: Done) {
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
    const { judge } = this.#options
    const { callId } = this.#message
    // Nothing is translated: they are a script's.
    if (plan.edits().length > 0) {
      const detail = `the script's edits of ${this.#message.method}: the connection is followed, and its bytes stay as they are`
      judge.say({ kind: 'refused', refusal: { reason: 'edits-impossible', callId, detail } })
    }
    this.#done('pass')
    judge.tell(plan)
  }

  unhelped(reason: string, kind: 'accept' | 'drop', plan?: Plan): void {
    const { counters, judge } = this.#options
    counters.add(reason)
    this.#done(kind === 'accept' ? 'pass' : 'reset')
    if (plan) judge.tell(plan)
  }

  answer(reason: string): void {
    this.unhelped(reason, 'drop')
  }
}
