import type { PinholeInfo } from '../../types/call.js'
import type { Flow, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { AddressSet } from '../base/address-set.js'
import { type CallEvent, type Engine, type HeldCall, mergeEdits, type Path, type Plan } from '../call/index.js'
import { responseTo } from '../sip/index.js'
import type { Counters } from './counters.js'
import type { KeepAlive } from './keep-alive.js'
import type { MessageHook } from './message-hook.js'
import type { MessageTurn } from './message-turn.js'
import type { Pinholes } from './pinholes.js'
import type { TcpContacts } from './tcp-contacts.js'

/** What happens to what is not helped. */
export interface MessagePolicy {
  readonly notSip: 'accept' | 'drop'
  readonly malformed: 'accept' | 'drop'
  readonly failure: 'accept' | 'drop'
}

export interface JudgeOptions {
  readonly engine: Engine
  readonly pinholes: Pinholes
  readonly keepAlive: KeepAlive
  readonly counters: Counters
  readonly policy: MessagePolicy
  /** Whose signalling is helped; empty: everybody's. */
  readonly peers: AddressSet
  /** Told of every way before a message is let go. */
  readonly contacts: Pick<TcpContacts, 'apply'>
  /** Who is asked first. Default nobody. */
  readonly hook?: MessageHook | undefined
  now(): number
  onEvent(event: CallEvent): void
  /** A call was put on hold, moved while it is, or resumed. */
  onHeld(held: HeldCall): void
  /** Ways opened or shut; `list` describes them, for those who want to know. */
  onPinholes(kind: 'open' | 'close', list: () => PinholeInfo[]): void
  /** A failure that is no message's fault; the message gets what `policy.failure` says. */
  onError(error: Error): void
}

/** A message that waits for its turn or for the kernel: its bytes are its own, and scan as they did. */
export interface HeldMessage {
  message(): SipMessage
  /** The plan has been applied: the message is to go on with the plan's edits. */
  finish(plan: Plan): void
  /** It goes on as it is, or not at all. Called instead of `finish`. */
  unhelped(reason: string, kind: 'accept' | 'drop', plan?: Plan): void
  /** It ends here, and `response` (latin1) goes back to its sender. Called instead of `finish`. */
  answer(reason: string, response: string, flow: Flow, way: Way): void
}

/** A message as it comes, its bytes borrowed until `judge` returns. */
export interface Message extends HeldMessage {
  hold(): HeldMessage
}

/**
 * What becomes of one SIP message, however it came: plan, apply, edits. Messages that change no pinhole are decided before `judge`
 * returns; the others wait for the kernel's acknowledgement, and what follows in the same call waits behind them.
 */
export class Judge {
  readonly #options: JudgeOptions
  readonly #chains = new Map<string, Promise<void>>()

  constructor(options: JudgeOptions) {
    this.#options = options
  }

  /** Calls with a message waiting. */
  get waiting(): number {
    return this.#chains.size
  }

  /** Decides about `subject`, whose scan is `message`: exactly one of its `finish` and `unhelped` is called, now or later. */
  judge(subject: Message, message: SipMessage, flow: Flow, way: Way): void {
    const { engine } = this.#options
    if (!this.#isTrusted(flow)) return subject.unhelped('peer-untrusted', 'accept')
    // Most of the time no call waits, and then nobody needs the key.
    const key = this.#chains.size > 0 ? engine.keyOf(message, flow) : undefined
    if (key !== undefined && this.#chains.has(key)) return this.#queueUp(key, subject.hold(), flow, way)
    const plan = this.#plan(subject, message, flow, way)
    if (!plan) return
    if (plan.open.length === 0 && plan.close.length === 0) return subject.finish(plan)
    const held = subject.hold()
    this.#chain(key ?? engine.keyOf(message, flow), held, () => this.#apply(held, plan))
  }

  /** The same for a message whose flow was not known when it came. */
  judgeHeld(held: HeldMessage, flow: Flow, way: Way): void {
    if (!this.#isTrusted(flow)) return held.unhelped('peer-untrusted', 'accept')
    this.#queueUp(this.#options.engine.keyOf(held.message(), flow), held, flow, way)
  }

  #isTrusted({ peer }: Flow): boolean {
    const { peers } = this.#options
    return peers.isEmpty || peers.has(peer.address)
  }

  #queueUp(key: string, held: HeldMessage, flow: Flow, way: Way): void {
    this.#chain(key, held, async () => {
      const plan = this.#plan(held, held.message(), flow, way)
      if (plan) await this.#apply(held, plan)
    })
  }

  #chain(key: string, held: HeldMessage, step: () => Promise<void>): void {
    const turn = this.#chains.get(key)?.then(step) ?? step()
    const done = turn
      .catch((error: Error) => this.failed(held, error))
      .then(() => {
        if (this.#chains.get(key) === done) this.#chains.delete(key)
      })
    this.#chains.set(key, done)
  }

  #plan(subject: HeldMessage, message: SipMessage, flow: Flow, way: Way): Plan | undefined {
    const { engine, hook, now } = this.#options
    try {
      const said = hook?.ask(message, flow, way)
      if (said?.verdict) return this.#refuse(subject, message, flow, way, said)
      const plan = engine.plan(message, flow, way, now())
      if (said?.connmark !== undefined) engine.mark(message, flow, way, said.connmark)
      return said && said.edits.length > 0 ? withEdits(plan, message, said) : plan
    } catch (error) {
      this.failed(subject, error as Error)
      return undefined
    }
  }

  /** The script has the last word: nothing is planned. */
  #refuse(subject: HeldMessage, message: SipMessage, flow: Flow, way: Way, said: MessageTurn): undefined {
    const canAnswer = said.verdict === 'reject' && message.kind === 'request' && message.method !== 'ACK'
    if (!canAnswer) return void subject.unhelped('script-dropped', 'drop')
    const sender = way === 'out' ? flow.binding.inside : flow.peer
    const response = responseTo(message, said.status, said.reason, sender, `ct${message.cseq}`)
    return void subject.answer('script-rejected', response, flow, way)
  }

  /** The only wait: the SDP leaves after its pinholes stand. */
  async #apply(held: HeldMessage, plan: Plan): Promise<void> {
    const isOpen = await this.enact(plan)
    if (!isOpen && this.#options.policy.failure === 'drop') held.unhelped('pinhole-refused', 'drop', plan)
    else held.finish(plan)
  }

  /** Makes the kernel follow a plan; false when a pinhole was refused. */
  async enact(plan: Plan): Promise<boolean> {
    const { engine, pinholes, contacts, counters, onPinholes } = this.#options
    if (plan.close.length > 0) onPinholes('close', () => pinholes.describe(plan.close))
    const failures = await pinholes.apply(plan.open, plan.close, this.#options.now(), (path: Path) =>
      engine.relocate(path),
    )
    const opened = plan.open.filter((it) => !failures.some(({ path }) => path === it))
    await contacts.apply(opened, plan.close)
    counters.add('pinholes-opened', opened.length)
    counters.add('pinholes-closed', plan.close.length)
    for (const { path, reason, detail } of failures) {
      engine.abandon(path)
      plan.events.push({ kind: 'refused', refusal: { reason, callId: path.owner.callId ?? '', detail } })
    }
    if (plan.open.length > 0) onPinholes('open', () => pinholes.describe(plan.open))
    return failures.length === 0
  }

  /** Publishes a plan's events and notes the flows it wants kept. A listener that throws is reported; nothing waits for it. */
  tell(plan: Plan): void {
    const { keepAlive, now, onHeld } = this.#options
    for (const { flow, seconds } of plan.keepAlive) keepAlive.keep(flow, seconds, now())
    for (const held of plan.held) onHeld(held)
    for (const event of plan.events) this.say(event)
  }

  /** Counts and publishes one event. */
  say(event: CallEvent): void {
    const { onEvent, onError, counters } = this.#options
    if (event.kind === 'refused') counters.add(`refused-${event.refusal.reason}`)
    try {
      onEvent(event)
    } catch (error) {
      onError(error as Error)
    }
  }

  /** A failure that is no message's fault, and costs none its help. */
  report(error: Error): void {
    this.#options.onError(error)
  }

  /** Something went wrong that is not the message's fault. */
  failed(subject: HeldMessage, error: Error): void {
    subject.unhelped('internal-error', this.#options.policy.failure)
    this.#options.onError(error)
  }
}

/** The plan with a script's edits among its own; where they meet, its own alone, and a word about it. */
function withEdits(plan: Plan, message: SipMessage, { edits: theirs, parts }: MessageTurn): Plan {
  const { events } = plan
  const { callId } = message
  const edits = () => {
    const ours = plan.edits()
    const merged = mergeEdits(message, parts, ours, theirs)
    if (merged) return merged
    const places = theirs.map(({ start, end }) => `[${start - message.range.start}, ${end - message.range.start})`)
    const detail = `the script's edits at ${places.join(' ')} of ${message.method} meet others, or a Content-Length`
    events.push({ kind: 'refused', refusal: { reason: 'edits-overlap', callId, detail } })
    return ours
  }
  const { open, close, keepAlive, held } = plan
  return { open, close, keepAlive, events, held, edits }
}
