import type { CallInfo, CallState, EndReason, StreamInfo } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Side } from '../../types/flow.js'
import type { InsideSession, LocalStream, OutsideSession, Path, PathOwner, Session } from './media.js'
import type { HeldStream } from './plan.js'
import type { SignallingWay } from './signalling-ways.js'
import { newTransaction, type RequestName, type Transaction, transactionOf, withRoom } from './transaction.js'

/** A description of each side. */
export interface Exchange {
  inside: InsideSession | undefined
  outside: OutsideSession | undefined
}

/** One dialog of a call (RFC 3261 12): forks make several, told apart by the tag of the called side. */
export interface Leg {
  readonly tag: string
  /** `confirmed`: 2xx seen; `over`: its BYE has been granted, and a late response does not bring it back. */
  state: 'early' | 'confirmed' | 'over'
  /** What both sides have agreed on last; undefined until an offer has met its answer. */
  inside: InsideSession | undefined
  outside: OutsideSession | undefined
  /** An offer that came in a response; its answer is due in ACK or PRACK (RFC 3261 13.2.1, RFC 3262 5). */
  delayed: Session | undefined
  /** Agreed on anew since the INVITE's own exchange: a description that the INVITE's 2xx repeats is history. */
  isRevised: boolean
  /** Hosts that may send requests in it, besides the signalling peer: the far side's remote target and route set. */
  targets: readonly string[]
}

/** Dialogs a call may have: more forks than phones ring at once, and a bound for a far side that makes up tags. */
const MAX_LEGS = 32

const NONE: readonly never[] = []
const [JOINED, CANCELLED, HELD, INCOMPLETE] = [1, 2, 4, 8] as const

/** A call as the gateway sees it: all dialogs of one Call-ID of one inside host. Fields are the engine's to change. */
export class Call implements PathOwner {
  readonly callId: string
  readonly caller: Side
  /** From-tag of the first request seen: the other tag of a message names the leg. */
  readonly initiatorTag: string
  readonly flow: Flow
  readonly since: number
  state: CallState = 'calling'
  deadline = 0
  mark = 0
  endReason: EndReason | undefined
  /** When the session that was agreed on runs out unless it is refreshed (RFC 4028), seconds since the epoch; 0: never. */
  sessionEnd = 0
  /** Yes and no, a bit each, as every field of every call counts. */
  #flags = 0
  // Lists of one or two, replaced by `concat` when they change: an array that grows takes room for seventeen.
  legs: readonly Leg[] = NONE
  transactions: readonly Transaction[] = NONE
  locals: readonly LocalStream[] = NONE
  /** What was said last in early-session descriptions (RFC 3959 4); undefined: nothing, or it is answered. No room is kept for it: few calls have any. */
  declare early?: Exchange | undefined
  /** Ways that are open, or being opened. */
  paths: readonly Path[] = NONE
  /** Hosts of the caller's, for all dialogs: see `Leg.targets`. */
  targets: readonly string[] = NONE
  /** Ways in for its signalling. */
  ways: readonly SignallingWay[] = NONE

  constructor(
    callId: string,
    caller: Side,
    tags: { readonly fromTag: string; readonly toTag: string },
    flow: Flow,
    since: number,
  ) {
    this.callId = callId
    this.caller = caller
    this.initiatorTag = tags.fromTag
    this.#set(JOINED, tags.toTag !== '')
    this.flow = flow
    this.since = since
  }

  #set(flag: number, value: boolean): void {
    this.#flags = value ? this.#flags | flag : this.#flags & ~flag
  }

  /** The first request seen was sent within a dialog: that one began before us. */
  get isJoined(): boolean {
    return (this.#flags & JOINED) !== 0
  }

  get isCancelled(): boolean {
    return (this.#flags & CANCELLED) !== 0
  }

  set isCancelled(value: boolean) {
    this.#set(CANCELLED, value)
  }

  get held(): boolean {
    return (this.#flags & HELD) !== 0
  }

  set held(value: boolean) {
    this.#set(HELD, value)
  }

  /** The kernel refused a way of it: a retransmission is a chance to try again. */
  get isIncomplete(): boolean {
    return (this.#flags & INCOMPLETE) !== 0
  }

  set isIncomplete(value: boolean) {
    this.#set(INCOMPLETE, value)
  }

  get peer(): Endpoint {
    return this.flow.peer
  }

  get isConfirmed(): boolean {
    return this.legs.some((leg) => leg.state === 'confirmed')
  }

  leg(tag: string): Leg | undefined {
    return this.legs.find((leg) => leg.tag === tag)
  }

  /** Whether there is no room for another dialog. */
  get isFull(): boolean {
    return this.legs.length >= MAX_LEGS
  }

  /** The leg of that tag, made when new; undefined when there are too many. */
  ensureLeg(tag: string): Leg | undefined {
    const known = this.leg(tag)
    if (known || this.isFull) return known
    const leg: Leg = {
      tag,
      state: 'early',
      inside: undefined,
      outside: undefined,
      delayed: undefined,
      isRevised: false,
      targets: NONE,
    }
    this.legs = this.legs.concat(leg)
    return leg
  }

  /** Ends one dialog, and says whether any is left. */
  endLeg(tag: string): boolean {
    const leg = this.leg(tag)
    if (leg) {
      leg.state = 'over'
      leg.inside = leg.outside = leg.delayed = undefined
    }
    return this.legs.some(({ state }) => state !== 'over')
  }

  /** Whether somebody who was asked for a dialog has yet to answer. */
  get isAsking(): boolean {
    return this.transactions.some(
      ({ method, final, asking }) => method === 'INVITE' && final === 0 && asking?.isCancelled === false,
    )
  }

  /** The request's transaction, made when it is no retransmission; those long done are forgotten. */
  begin(by: Side, name: RequestName, tag: string, peer: string, now: number): Transaction {
    const known = transactionOf(this.transactions, by, name)
    if (known) return known
    const transaction = newTransaction(by, name, tag, peer, now)
    this.transactions = withRoom(this.transactions, now).concat(transaction)
    return transaction
  }

  info(): CallInfo {
    const { callId, state, caller, peer, since, held, endReason } = this
    const info: { -readonly [K in keyof CallInfo]: CallInfo[K] } = {
      callId,
      state,
      caller,
      transport: this.flow.binding.transport,
      inside: this.flow.binding.inside,
      peer,
      since,
      held,
      streams: this.#streams(),
    }
    if (endReason) info.endReason = endReason
    return info
  }

  /**
   * The streams that the inside has put on hold, with music to be heard in their place: where they are confirmed, a hold by the far side
   * alone is none.
   */
  heldStreams(): HeldStream[] {
    const streams: HeldStream[] = []
    for (const { state, inside, outside } of this.legs) {
      if (state !== 'confirmed' || !inside?.held) continue
      for (const [line, local] of inside.streams.entries()) {
        const far = outside?.streams[line]
        if (!local || !far || far.port === 0 || local.transport !== 'udp') continue
        streams.push({ family: local.family, outside: local.outside, far: { address: far.address, port: far.port } })
      }
    }
    return streams
  }

  #streams(): StreamInfo[] {
    const leg = this.legs.find((it) => it.state === 'confirmed') ?? this.legs[0]
    const session = leg?.inside ?? this.transactions.find((it) => it.offer?.by === 'inside')?.offer
    if (session?.by !== 'inside') return []
    return session.streams.flatMap((local, index) => {
      if (!local) return []
      const far = leg?.outside?.streams[index]
      return [
        {
          type: local.type,
          inside: local.inside,
          outside: local.outside,
          far: far && { address: far.address, port: far.port },
        },
      ]
    })
  }
}
