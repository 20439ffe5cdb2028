import type { CallInfo, EndReason, RegistrationInfo } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow, Side, Transport, Way } from '../../types/flow.js'
import type { Sdp } from '../../types/sdp.js'
import type { AddressField, SipMessage } from '../../types/sip.js'
import { Deadlines } from '../base/deadlines.js'
import { addressFields, type UriBody, uriBodies } from '../sip/index.js'
import { AskedHosts } from './asked-hosts.js'
import { Bindings } from './binding.js'
import { type Budgets, budgetsOf } from './budget.table.js'
import { Call, type Exchange } from './call.js'
import { CallBudget } from './call-budget.js'
import { CallPaths } from './call-paths.js'
import { CallWays } from './call-ways.js'
import { Calls } from './calls.js'
import { Context, type ContextOptions } from './context.js'
import { DescriptionReader, NOTHING } from './descriptions.js'
import { editsOf, type Seen } from './edits.js'
import { outsideSession } from './far-session.js'
import { Listening } from './listening.js'
import type { Path, Session } from './media.js'
import { NamedPorts } from './named-ports.js'
import { NatBeyond } from './nat-beyond.js'
import { isRepeated, legTag, OFFER_METHODS, onRequest, onResponse } from './offer-answer.js'
import type { PathPolicy } from './paths.js'
import type { Plan } from './plan.js'
import { Planned } from './planned.js'
import { Ports } from './ports.js'
import { answeredUntil, requestProgress, responseProgress, timeoutReason } from './progress.js'
import { Registrations } from './registration.js'
import type { Callers } from './registration-records.js'
import { insideSession } from './session.js'
import { SignallingWay, SignallingWays } from './signalling-ways.js'
import { Streams } from './streams.js'
import { TRANSACTION_MS, type Transaction } from './transaction.js'
import { continued, trickle } from './trickle.js'

export interface EngineOptions extends PathPolicy, Omit<ContextOptions, 'portsPerHost'> {
  readonly ports?: readonly [number, number] | undefined
  readonly callers?: Callers
  /** Who opens ways in for signalling: live transactions and dialogs as well (default), or registrations alone. */
  readonly ways?: 'live' | 'registered'
  /** Default as `budgetTable` says. */
  readonly budgets?: Partial<Budgets>
  readonly idleMs?: number
  /** Session descriptions under a signature, where addresses are translated. Default `leave`. */
  readonly signed?: 'leave' | 'edit'
  /** Whether a live media flow has been admitted through the path. */
  readonly isLive?: (path: Path) => boolean
}

const NO_URIS: readonly UriBody[] = []
const IDLE_MS = 3_600_000

/**
 * All that is known of calls and registrations, and the decisions about them. `plan` and `expire` change this state and say what
 * the kernel shall do; they do no I/O and read no clock. The caller gives the messages of one call in their order, each plan
 * applied before the next message of that call.
 */
export class Engine {
  readonly bindings = new Bindings((binding) => {
    for (const it of [this.#listening, this.#named]) it?.forget(binding)
  })
  readonly ports: Ports
  readonly registrations: Registrations
  readonly #calls = new Calls()
  readonly #deadlines = new Deadlines<Call>()
  readonly #options: EngineOptions
  readonly #streams = new Streams()
  readonly #budgets: Budgets
  readonly #budget: CallBudget
  readonly #context: Context
  readonly #reader: DescriptionReader
  readonly #paths: CallPaths
  readonly #ways: SignallingWays
  /** Undefined: only registrations open ways. */
  readonly #callWays: CallWays | undefined
  readonly #asked: AskedHosts | undefined
  readonly #named: NamedPorts | undefined
  readonly #listening = new Listening(this.bindings)
  readonly #beyond = new NatBeyond()

  constructor(options: EngineOptions) {
    this.#options = options
    this.ports = new Ports({ range: options.ports })
    this.#budgets = budgetsOf(options.budgets ?? {}, options.ports)
    this.#budget = new CallBudget(this.#budgets)
    this.#context = new Context(this.ports, this.#streams, { ...options, portsPerHost: this.#budgets.portsPerHost })
    this.#reader = new DescriptionReader(this.#context, this.#budgets.streams, options.signed ?? 'leave')
    this.#paths = new CallPaths(this.ports, this.#streams, options, this.#budgets.pinholesPerCall)
    this.#ways = new SignallingWays(this.bindings)
    const isLive = options.ways !== 'registered'
    this.#callWays = isLive ? new CallWays(this.#ways, this.bindings, this.#context.isGateway) : undefined
    this.#asked = isLive ? new AskedHosts(this.#ways) : undefined
    this.#named = isLive ? new NamedPorts(this.bindings, this.#ways, this.ports) : undefined
    this.registrations = new Registrations(this.bindings, this.#ways, options.callers ?? 'registrar', this.#budgets)
  }

  get size(): Record<
    | 'calls'
    | 'streams'
    | 'signallingWays'
    | 'registrations'
    | 'registering'
    | 'ports'
    | 'listening'
    | 'bindings'
    | 'deadlines',
    number
  > {
    const { registrations, ports, bindings } = this
    return {
      calls: this.#calls.size,
      registrations: registrations.size,
      registering: registrations.pending,
      streams: this.#streams.size,
      signallingWays: this.#ways.size,
      ports: ports.size,
      listening: this.#listening.size + (this.#named?.size ?? 0),
      bindings: bindings.size,
      deadlines: this.#deadlines.size,
    }
  }

  /** Messages of equal keys are one call's, or one registration's, and must be planned and applied one after the other. */
  keyOf(message: SipMessage, flow: Flow): string {
    return `${flow.binding.inside.address}|${message.callId}`
  }

  /** The call that the message is of; undefined when none is known. */
  callInfo(message: SipMessage, flow: Flow, way: Way): CallInfo | undefined {
    const call = this.#calls.find(message, flow, way)
    return typeof call === 'object' ? call.info() : undefined
  }

  /** Sets the connmark of the flows that the message's call opens from now on. */
  mark(message: SipMessage, flow: Flow, way: Way, value: number): void {
    const call = this.#calls.find(message, flow, way)
    if (typeof call === 'object') call.mark = value
  }

  bindingOf(inside: Endpoint, outside: Endpoint, transport: Transport = 'udp'): Binding {
    return this.bindings.between(inside, outside, transport)
  }

  /** A TCP connection is over: what its messages named, and nobody else needs, is given back. */
  release(flow: Flow): void {
    this.#listening.release(flow)
  }

  /** Decides about one message. `now` is milliseconds since the epoch. */
  plan(message: SipMessage, flow: Flow, way: Way, now: number): Plan {
    const plan = new Planned(message)
    this.#context.flow = flow
    this.#context.plan = plan
    const described = this.#reader.read(message, way)
    const { body } = message
    const uris = described.all[0]?.body.end === body.end || body.end === body.start ? NO_URIS : uriBodies(message)
    const { method } = message
    // Read now, as the bytes may be gone when the edits are asked for; ranges and text stay good.
    const fields = addressFields(message)
    if (way === 'out') this.#note(fields, flow, now, plan)
    else if (message.kind === 'response') this.#beyond.notice(fields, flow, this.#context.refuse)
    const seen: Seen = { message, fields, flow, way, described, uris, call: undefined }
    if (method === 'REGISTER') this.#register(message, flow, way, now, plan)
    else {
      const call = this.#callOf(seen, now, plan)
      seen.call = call
      if (call) this.#advance(call, seen, now, plan)
      else if (way === 'out' && message.kind === 'request' && method !== 'ACK') this.#asked?.ask(flow, now, plan)
    }
    plan.render = () => editsOf(seen, this.bindings, this.#context)
    return plan
  }

  /** The ports that a message from inside names as its sender's own get their outside ends before it is mapped. */
  #note(fields: readonly AddressField[], flow: Flow, now: number, plan: Planned): void {
    const { refuse } = this.#context
    if (flow.binding.transport === 'tcp') this.#listening.note(fields, flow, refuse)
    else this.#named?.note(fields, flow, now, plan, refuse)
  }

  #register(message: SipMessage, flow: Flow, way: Way, now: number, plan: Planned): void {
    if (message.kind === 'request' && way === 'out') {
      this.registrations.request(message, flow, now)
      this.#asked?.ask(flow, now, plan)
    } else if (message.kind === 'response' && way === 'in') {
      const change = this.registrations.response(message, flow, now)
      if (!change) return
      plan.add(change)
      // What was granted has the way for as long as it lasts.
      this.#asked?.answered(flow, plan)
    }
  }

  /** The message's call; an INVITE (or a description in a dialog that began before us) makes one. */
  #callOf({ message, flow, way, described }: Seen, now: number, plan: Planned): Call | undefined {
    const known = this.#calls.find(message, flow, way)
    if (known) return known === 'foreign' ? undefined : known
    if (message.kind === 'response') return undefined
    if (message.method !== 'INVITE' && (message.method !== 'UPDATE' || !described.session)) return undefined
    const caller: Side = way === 'out' ? 'inside' : 'outside'
    const inside = flow.binding.inside.address
    const sender = caller === 'inside' ? inside : flow.peer.address
    const refusal = this.#budget.refusal(this.#calls, inside, sender, now)
    if (refusal) {
      plan.refuse(refusal.reason, refusal.detail)
      return undefined
    }
    const call = new Call(message.callId, caller, message, flow, now)
    this.#calls.add(call)
    this.bindings.hold(flow.binding)
    this.#deadlines.set(call, now + TRANSACTION_MS)
    plan.events.push({ kind: 'call', call: call.info() })
    return call
  }

  #advance(call: Call, { message, fields, described, way }: Seen, now: number, plan: Planned): void {
    const side: Side = way === 'out' ? 'inside' : 'outside'
    if (call.state === 'answered') this.#lookAgain(call, now)
    if (!call.isIncomplete && isRepeated(call, side, message)) return
    const { session: sdp, early } = OFFER_METHODS.has(message.method) ? described : NOTHING
    const session = sdp && this.#session(call, sdp, side, call.leg(legTag(call, message)))
    const hasEarly = this.#early(call, early, side)
    const hasTrickled =
      described.fragment && trickle(call, legTag(call, message), side, described.fragment, this.#context)
    const before = call.state
    let wait = 0
    let transaction: Transaction | undefined
    if (message.kind === 'request') {
      onRequest(call, side, message, session, this.#context.flow.peer.address, now)
      wait = requestProgress(call, side, message)
    } else {
      if (call.isFull && !call.leg(legTag(call, message)))
        plan.refuse('forks-exhausted', `${call.legs.length} dialogs in one call already`)
      transaction = onResponse(call, side, message, session, now)
      if (transaction) wait = responseProgress(call, message, transaction, now)
    }
    if (call.state === 'ended') return this.#end(call, call.endReason ?? 'bye', plan)
    if (call.state === 'answered') this.#lookAgain(call, now)
    else if (wait !== 0) this.#deadlines.set(call, now + wait)
    if (call.early && call.isConfirmed) call.early = undefined
    if (session || hasEarly || hasTrickled || (transaction && message.statusCode >= 200) || call.isCancelled)
      this.#paths.settle(call, plan)
    this.#callWays?.follow(call, side, message, fields, plan)
    if (call.state !== before) plan.events.push({ kind: 'call', call: call.info() })
  }

  #lookAgain(call: Call, now: number): void {
    this.#deadlines.set(call, answeredUntil(call, now, this.#options.idleMs ?? IDLE_MS))
  }

  #session(call: Call, sdp: Sdp, side: Side, before: Exchange | undefined): Session {
    return side === 'inside'
      ? continued(before?.inside, insideSession(sdp, call, this.#context))
      : continued(before?.outside, outsideSession(sdp, before?.outside, this.#context))
  }

  /** An early session lasts until the call is answered (RFC 3959 4.2). Says whether anything changed. */
  #early(call: Call, sdp: Sdp | undefined, side: Side): boolean {
    if (!sdp || call.isConfirmed) return false
    call.early ??= { inside: undefined, outside: undefined }
    const session = this.#session(call, sdp, side, call.early)
    if (session.by === 'inside') call.early.inside = session
    else call.early.outside = session
    return true
  }

  #end(call: Call, reason: EndReason, plan: Planned): void {
    call.state = 'ended'
    call.endReason = reason
    plan.events.push({ kind: 'end', call: call.info() })
    this.#paths.end(call, plan)
    this.#callWays?.settle(call, plan)
    this.#calls.remove(call)
    this.#deadlines.clear(call)
    this.bindings.release(call.flow.binding)
  }

  /** As `CallPaths.relocate` says. */
  relocate(path: Path): boolean {
    return this.#paths.relocate(path)
  }

  /** The kernel refused the path for good: its owner goes on without it. */
  abandon(path: Path): void {
    if (path.owner instanceof SignallingWay) path.owner.path = undefined
    this.#paths.abandon(path)
  }

  /** Ends what has run out of time. Call it once a second. */
  expire(now: number): Plan {
    const plan = new Planned(undefined)
    for (const call of this.#deadlines.expire(now)) {
      const isLive = call.state === 'answered' && call.paths.some((path) => this.#options.isLive?.(path))
      // Also past the end of its session: a phone that forgets to refresh is more frequent than one that talks on after the end.
      if (isLive) this.#lookAgain(call, now)
      else this.#end(call, timeoutReason(call, now), plan)
    }
    this.#asked?.expire(now, plan)
    this.#named?.expire(now, plan)
    const change = this.registrations.expire(now)
    if (change) plan.add(change)
    return plan
  }

  /** Ends everything. */
  shutdown(): Plan {
    const plan = new Planned(undefined)
    for (const call of [...this.#calls.values()]) this.#end(call, 'shutdown', plan)
    this.#asked?.expire(Number.POSITIVE_INFINITY, plan)
    this.#named?.expire(Number.POSITIVE_INFINITY, plan)
    plan.add(this.registrations.clear())
    return plan
  }

  calls(): CallInfo[] {
    return [...this.#calls.values()].map((call) => call.info())
  }

  registered(): RegistrationInfo[] {
    return this.registrations.list()
  }
}
