import type { CallInfo, EndReason, RefusalReason, RegistrationInfo } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow, Side, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { Sdp } from '../../types/sdp.js'
import type { AddressField, SdpBody, SipMessage } from '../../types/sip.js'
import { Deadlines } from '../base/deadlines.js'
import { scanSdp } from '../sdp/index.js'
import { addressFields, sdpBodies } from '../sip/index.js'
import { Bindings } from './binding.js'
import { Call, RINGING_MS, TRANSACTION_MS, type Transaction } from './call.js'
import type { LocalStream, Path, Session } from './media.js'
import { belongs, legTag, OFFER_METHODS, onRequest, onResponse } from './offer-answer.js'
import { hold, type PathPolicy, shared, wantedPaths } from './paths.js'
import type { CallEvent, Plan } from './plan.js'
import { Ports } from './ports.js'
import { type Callers, type RegistrationChange, Registrations } from './registration.js'
import { rewriteFields } from './rewrite.js'
import { insideSession, outsideSession, rewriteSdp, type SessionContext, Streams } from './session.js'

export interface EngineOptions extends PathPolicy {
  readonly ports?: readonly [number, number] | undefined
  readonly mediaHosts?: readonly string[]
  readonly callers?: Callers
  /** Budgets. */
  readonly calls?: number
  readonly registrations?: number
  readonly streams?: number
  readonly idleMs?: number
  /** Whether an address is the gateway's own. */
  readonly isGateway?: (address: string) => boolean
  /** Whether a live media flow has been admitted through the path. */
  readonly isLive?: (path: Path) => boolean
}

const IDLE_MS = 3_600_000

/** Finals that end a dialog whatever they answer (RFC 3261 12.2.1.2), and those after which a BYE is sent again (22.2, 22.3). */
const DIALOG_GONE: ReadonlySet<number> = new Set([408, 481])
const CHALLENGE: ReadonlySet<number> = new Set([401, 407])

/**
 * All that is known of calls and registrations, and the decisions about them. `plan` and `expire` change this state and say what
 * the kernel shall do; they do no I/O and read no clock. The caller gives the messages of one call in their order, each plan
 * applied before the next message of that call.
 */
export class Engine {
  readonly bindings = new Bindings()
  readonly ports: Ports
  readonly registrations: Registrations
  readonly #calls = new Map<string, Call>()
  readonly #deadlines = new Deadlines<Call>()
  readonly #options: EngineOptions
  readonly #mediaHosts: ReadonlySet<string>
  readonly #streams = new Streams()

  constructor(options: EngineOptions) {
    this.#options = options
    this.#mediaHosts = new Set(options.mediaHosts)
    this.ports = new Ports({ range: options.ports })
    this.registrations = new Registrations(
      this.bindings,
      options.callers ?? 'registrar',
      options.registrations ?? 100_000,
    )
  }

  get size(): Record<
    'calls' | 'streams' | 'registrations' | 'registering' | 'ports' | 'bindings' | 'deadlines',
    number
  > {
    const { registrations, ports, bindings } = this
    const deadlines = this.#deadlines.size
    return {
      calls: this.#calls.size,
      registrations: registrations.size,
      registering: registrations.pending,
      streams: this.#streams.size,
      ports: ports.size,
      bindings: bindings.size,
      deadlines,
    }
  }

  /** Messages of equal keys are one call's, or one registration's, and must be planned and applied one after the other. */
  keyOf(message: SipMessage, flow: Flow): string {
    return `${flow.binding.inside.address}|${message.callId}`
  }

  bindingOf(inside: Endpoint, outside: Endpoint): Binding {
    return this.bindings.between(inside, outside)
  }

  /** Decides about one message. `now` is milliseconds since the epoch. */
  plan(message: SipMessage, flow: Flow, way: Way, now: number): Plan {
    const plan = new Planned(message)
    const body = message.body.end > message.body.start ? sdpBodies(message)[0] : undefined
    const sdp = body && this.#scan(message, body, plan)
    const { method } = message
    let call: Call | undefined
    if (method === 'REGISTER') this.#register(message, flow, way, now, plan)
    else {
      call = this.#callOf(message, flow, way, sdp !== undefined, now, plan)
      if (call) this.#advance(call, message, sdp, flow, way, now, plan)
    }
    // Read now, as the bytes may be gone when the edits are asked for; ranges and text stay good.
    const fields = addressFields(message)
    plan.render = () => this.#edits({ message, fields, flow, way, sdp, body, call }, plan)
    return plan
  }

  #scan(message: SipMessage, body: SdpBody, plan: Planned): Sdp | undefined {
    const scan = scanSdp(message.bytes, body.start, body.end, { maxMedia: this.#options.streams ?? 32 })
    if (scan.state === 'found') return scan.value
    if (scan.state === 'malformed') plan.refuse('sdp-malformed', `session description: ${scan.reason}`)
    return undefined
  }

  #register(message: SipMessage, flow: Flow, way: Way, now: number, plan: Planned): void {
    if (message.kind === 'request' && way === 'out') this.registrations.request(message, flow, now)
    else if (message.kind === 'response' && way === 'in') {
      const change = this.registrations.response(message, flow, now)
      if (change) plan.add(change)
    }
  }

  /** The message's call; an INVITE (or a description in a dialog that began before us) makes one. */
  #callOf(message: SipMessage, flow: Flow, way: Way, hasSdp: boolean, now: number, plan: Planned): Call | undefined {
    const key = this.keyOf(message, flow)
    const known = this.#calls.get(key)
    if (known) return belongs(known, message) ? known : undefined
    if (message.kind === 'response') return undefined
    const begins = message.method === 'INVITE' || (message.method === 'UPDATE' && hasSdp)
    if (!begins) return undefined
    if (this.#calls.size >= (this.#options.calls ?? 100_000)) {
      plan.refuse('calls-exhausted', `${this.#calls.size} calls are live already`)
      return undefined
    }
    const caller: Side = way === 'out' ? 'inside' : 'outside'
    const call = new Call(key, message.callId, caller, message, flow, now)
    this.#calls.set(key, call)
    this.bindings.hold(flow.binding)
    this.#deadlines.set(call, now + TRANSACTION_MS)
    plan.events.push({ kind: 'call', call: call.info() })
    return call
  }

  #advance(
    call: Call,
    message: SipMessage,
    sdp: Sdp | undefined,
    flow: Flow,
    way: Way,
    now: number,
    plan: Planned,
  ): void {
    const side: Side = way === 'out' ? 'inside' : 'outside'
    const session =
      sdp && OFFER_METHODS.has(message.method) ? this.#session(call, message, sdp, flow, side, plan) : undefined
    const before = call.state
    if (message.kind === 'request') {
      onRequest(call, side, message, session, now)
      this.#onRequestState(call, side, message, now)
    } else {
      if (call.isFull && !call.leg(legTag(call, message)))
        plan.refuse('forks-exhausted', `${call.legs.length} dialogs in one call already`)
      const transaction = onResponse(call, side, message, session, now)
      if (transaction) this.#onResponseState(call, message, transaction, now)
    }
    if (call.state === 'ended') return this.#end(call, call.endReason ?? 'bye', plan)
    if (call.state === 'answered') this.#deadlines.set(call, now + (this.#options.idleMs ?? IDLE_MS))
    if (session || message.statusCode >= 200 || message.method === 'CANCEL') this.#settle(call, plan)
    if (call.state !== before) plan.events.push({ kind: 'call', call: call.info() })
  }

  #session(call: Call, message: SipMessage, sdp: Sdp, flow: Flow, side: Side, plan: Planned): Session {
    const context = this.#context(flow, plan)
    if (side === 'inside') return insideSession(sdp, call.locals, context)
    return outsideSession(sdp, call.leg(legTag(call, message))?.outside, context)
  }

  #context(flow: Flow, plan: Planned): SessionContext {
    return {
      flow,
      ports: this.ports,
      streams: this.#streams,
      mediaHosts: this.#mediaHosts,
      isGateway: this.#options.isGateway ?? (() => false),
      refuse: (reason, detail) => plan.refuse(reason, detail),
    }
  }

  #onRequestState(call: Call, side: Side, message: SipMessage, now: number): void {
    const { method, cseq } = message
    if (method === 'BYE') {
      const tag = legTag(call, message)
      // Of several answered forks, the others go on; and a BYE for a dialog that never was, or is over, ends nothing.
      const isOnly = !call.legs.some((leg) => leg.tag !== tag && leg.state === 'confirmed')
      const isNone = call.legs.length > 0 && (call.leg(tag)?.state ?? 'over') === 'over'
      if (!isOnly || isNone) return
    } else if (method === 'CANCEL') {
      // RFC 3261 9.1: of the same transaction as the INVITE, so from the same side and with its number.
      if (call.isConfirmed || call.transaction(side, cseq, 'INVITE')?.final !== 0) return
      call.isCancelled = true
    } else return
    call.state = 'ending'
    this.#deadlines.set(call, now + TRANSACTION_MS)
  }

  #onResponseState(call: Call, message: SipMessage, { tag }: Transaction, now: number): void {
    const { method, statusCode } = message
    if (method === 'BYE' && statusCode >= 200) {
      const isGone = statusCode < 300 || DIALOG_GONE.has(statusCode)
      if (isGone) this.#endLeg(call, legTag(call, message), 'bye', now)
    } else if (method === 'INVITE') this.#onInviteResponse(call, message, tag === '', now)
    // A dialog older than this process: what is renewed in it is a call that has been answered.
    else if (method === 'UPDATE' && call.isJoined && statusCode >= 200 && statusCode < 300) this.#confirm(call, message)
  }

  /** The call goes on while another dialog of it does. */
  #endLeg(call: Call, tag: string, reason: EndReason, now: number): void {
    const goesOn = call.endLeg(tag)
    if (!goesOn) {
      call.state = 'ended'
      call.endReason = reason
    } else if (call.state === 'ending' && !call.isCancelled) {
      call.state = call.isConfirmed ? 'answered' : 'early'
      this.#deadlines.set(call, now + RINGING_MS)
    }
  }

  #confirm(call: Call, message: SipMessage): void {
    const leg = call.ensureLeg(legTag(call, message))
    if (!leg || leg.state === 'over') return
    leg.state = 'confirmed'
    if (call.state === 'ending' && !call.isCancelled) return
    call.isCancelled = false
    call.state = 'answered'
  }

  /** `isInitial`: the response is to a request outside any dialog, so a refusal refuses the call. */
  #onInviteResponse(call: Call, message: SipMessage, isInitial: boolean, now: number): void {
    const { statusCode } = message
    if (statusCode < 200) {
      if (call.state === 'calling' && statusCode > 100) call.state = 'early'
      if (!call.isConfirmed && call.state !== 'ending') this.#deadlines.set(call, now + RINGING_MS)
    } else if (statusCode < 300) this.#confirm(call, message)
    else if (!isInitial) {
      if (DIALOG_GONE.has(statusCode)) this.#endLeg(call, legTag(call, message), 'refused', now)
    } else if (!call.isConfirmed) {
      call.state = 'ended'
      call.endReason = refusalOf(call, statusCode)
    }
  }

  /** Brings the call's ways in line with what its dialogs say now, and gives back the streams that nobody names any more. */
  #settle(call: Call, plan: Planned): void {
    const { open, close } = hold(call, shared(call, wantedPaths(call, this.#options)))
    plan.open.push(...open)
    plan.close.push(...close)
    this.#dropUnused(call)
    const held = call.legs.some((leg) => leg.state === 'confirmed' && (leg.inside?.held || leg.outside?.held))
    if (held === call.held) return
    call.held = held
    plan.events.push({ kind: held ? 'hold' : 'resume', call: call.info() })
  }

  #dropUnused(call: Call): void {
    const inUse = new Set<unknown>()
    const keep = (session: Session | undefined) => {
      if (session?.by === 'inside') for (const local of session.streams) inUse.add(local)
    }
    for (const { inside, delayed } of call.legs) {
      keep(inside)
      keep(delayed)
    }
    for (const { offer, before } of call.transactions) {
      keep(offer)
      keep(before?.inside)
    }
    for (let i = call.locals.length - 1; i >= 0; i--) {
      const local = call.locals[i]!
      if (inUse.has(local)) continue
      call.locals.splice(i, 1)
      this.#release(local)
    }
  }

  #release(local: LocalStream): void {
    if (--local.holders > 0) return
    this.#streams.remove(local)
    if (local.isTranslated) this.ports.release(local.outsideAddress, local.outsidePort, local.portCount)
  }

  #end(call: Call, reason: EndReason, plan: Planned): void {
    call.state = 'ended'
    call.endReason = reason
    plan.events.push({ kind: 'end', call: call.info() })
    plan.close.push(...hold(call, []).close)
    this.#calls.delete(call.key)
    this.#deadlines.clear(call)
    this.bindings.release(call.flow.binding)
    // The message that ends the call may still carry its ports: they are mapped by `#edits`, which looks at `locals`.
    for (const local of call.locals) this.#release(local)
  }

  /**
   * The kernel would not have the path's outside ports: leases the next ones for its stream. False when they have been told to the
   * far side, when another way of the stream stands on them, or when no port is left.
   */
  relocate(path: Path): boolean {
    const { local } = path
    if (!local?.isTranslated || local.isAnnounced) return false
    if (local.paths.some((it) => it !== path && it.kernel)) return false
    local.refused ??= new Set()
    local.refused.add(local.outsidePort)
    this.ports.release(local.outsideAddress, local.outsidePort, local.portCount)
    const { outsideAddress, inside, portCount, refused } = local
    local.outsidePort = this.ports.lease(outsideAddress, inside.port, portCount, local, refused)
    return local.outsidePort !== 0
  }

  /** The kernel refused the path for good: the call goes on without it. */
  abandon(path: Path): void {
    const { owner, local } = path
    if (owner instanceof Call) owner.paths = owner.paths.filter((it) => it !== path)
    if (local) local.paths = local.paths.filter((it) => it !== path)
  }

  /** Ends what has run out of time. Call it once a second. */
  expire(now: number): Plan {
    const plan = new Planned(undefined)
    for (const call of this.#deadlines.expire(now)) {
      const isIdle = call.state === 'answered'
      if (isIdle && call.paths.some((path) => this.#options.isLive?.(path))) {
        this.#deadlines.set(call, now + (this.#options.idleMs ?? IDLE_MS))
      } else
        this.#end(
          call,
          isIdle ? 'idle' : call.isCancelled ? 'cancelled' : call.state === 'ending' ? 'bye-unanswered' : 'no-answer',
          plan,
        )
    }
    const change = this.registrations.expire(now)
    if (change) plan.add(change)
    return plan
  }

  /** Ends everything. */
  shutdown(): Plan {
    const plan = new Planned(undefined)
    for (const call of [...this.#calls.values()]) this.#end(call, 'shutdown', plan)
    plan.add(this.registrations.clear())
    return plan
  }

  calls(): CallInfo[] {
    return [...this.#calls.values()].map((call) => call.info())
  }

  registered(): RegistrationInfo[] {
    return this.registrations.list()
  }

  #edits(seen: Seen, plan: Planned): Edit[] {
    const { message, fields, flow, way, sdp, body, call } = seen
    const edits: Edit[] = []
    rewriteFields(fields, flow.binding, way, this.bindings, edits)
    const headerEdits = edits.length
    if (sdp) rewriteSdp(sdp, way, call?.locals ?? [], this.#context(flow, plan), edits)
    if (edits.length > headerEdits) fixLengths(message, body, edits, headerEdits)
    return edits.sort((a, b) => a.start - b.start)
  }
}

/** A message and what has been read of it. */
interface Seen {
  readonly message: SipMessage
  readonly fields: readonly AddressField[]
  readonly flow: Flow
  readonly way: Way
  readonly sdp: Sdp | undefined
  readonly body: SdpBody | undefined
  readonly call: Call | undefined
}

function refusalOf(call: Call, statusCode: number): EndReason {
  if (CHALLENGE.has(statusCode)) return 'challenged'
  if (call.isCancelled) return 'cancelled'
  return statusCode < 400 ? 'redirected' : 'refused'
}

/** Content-Length, and that of the body part, follow the edits from `first` on. */
function fixLengths(message: SipMessage, body: SdpBody | undefined, edits: Edit[], first: number): void {
  const grown = edits.slice(first).reduce((sum, edit) => sum + edit.text.length - (edit.end - edit.start), 0)
  if (grown === 0) return
  const put = (digits: { start: number; end: number }, length: number) =>
    edits.push({ start: digits.start, end: digits.end, text: String(length) })
  let total = message.body.end - message.body.start + grown
  if (body?.contentLength) {
    const text = String(body.end - body.start + grown)
    total += text.length - (body.contentLength.end - body.contentLength.start)
    put(body.contentLength, body.end - body.start + grown)
  }
  if (message.contentLength) put(message.contentLength, total)
}

/** A plan in the making. */
class Planned implements Plan {
  readonly open: Path[] = []
  readonly close: Path[] = []
  readonly events: CallEvent[] = []
  readonly keepAlive: { readonly flow: Flow; readonly seconds: number }[] = []
  render: () => Edit[] = () => []
  readonly #callId: string

  constructor(message: SipMessage | undefined) {
    this.#callId = message?.callId ?? ''
  }

  edits(): Edit[] {
    return this.render()
  }

  refuse(reason: RefusalReason, detail: string): void {
    this.events.push({ kind: 'refused', refusal: { reason, callId: this.#callId, detail } })
  }

  add(change: RegistrationChange): void {
    this.open.push(...change.open)
    this.close.push(...change.close)
    this.keepAlive.push(...change.keepAlive)
    if (change.isExhausted) this.refuse('registrations-exhausted', 'too many registrations')
    for (const registration of change.registered) this.events.push({ kind: 'registration', registration })
    for (const registration of change.unregistered) this.events.push({ kind: 'unregistration', registration })
  }
}
