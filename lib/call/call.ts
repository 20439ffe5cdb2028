import type { CallInfo, CallState, EndReason, StreamInfo } from '../../types/call.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Side } from '../../types/flow.js'
import type { InsideSession, LocalStream, OutsideSession, Path, PathOwner, Session } from './media.js'

/** One dialog of a call (RFC 3261 12): forks make several, told apart by the tag of the called side. */
export interface Leg {
  readonly tag: string
  /** What both sides have agreed on last; undefined until an offer has met its answer. */
  inside: InsideSession | undefined
  outside: OutsideSession | undefined
  /** 2xx seen. */
  isConfirmed: boolean
}

/** A request that can carry an offer, from when it is seen until long enough after its final response. */
export interface Transaction {
  readonly by: Side
  readonly cseq: number
  readonly method: string
  /** Dialog it was sent in; empty for one that makes a dialog. */
  readonly tag: string
  /** The description in the request. */
  offer: Session | undefined
  /** An offer that came in the response; its answer is due in ACK or PRACK (RFC 3264 with RFC 3261 13.2.1, RFC 3262 5). */
  delayed: { readonly tag: string; readonly session: Session } | undefined
  /** What the dialog had agreed on before an answer to this request changed it. */
  before: { readonly inside: InsideSession | undefined; readonly outside: OutsideSession | undefined } | undefined
  /** Final status code, 0 while open, and when it came. */
  final: number
  finalAt: number
}

/** 64*T1 (RFC 3261 17): no retransmission of a transaction comes later. */
export const TRANSACTION_MS = 32_000

/** A call as the gateway sees it: all dialogs of one Call-ID of one inside host. Fields are the engine's to change. */
export class Call implements PathOwner {
  readonly key: string
  readonly callId: string
  readonly caller: Side
  /** From-tag of the first request seen: the other tag of a message names the leg. */
  readonly initiatorTag: string
  readonly flow: Flow
  readonly since: number
  state: CallState = 'calling'
  deadline = 0
  isCancelled = false
  endReason: EndReason | undefined
  held = false
  readonly legs: Leg[] = []
  readonly transactions: Transaction[] = []
  readonly locals: LocalStream[] = []
  /** Ways that are open, or being opened. */
  paths: Path[] = []

  constructor(key: string, callId: string, caller: Side, initiatorTag: string, flow: Flow, since: number) {
    this.key = key
    this.callId = callId
    this.caller = caller
    this.initiatorTag = initiatorTag
    this.flow = flow
    this.since = since
  }

  get peer(): Endpoint {
    return this.flow.peer
  }

  get isConfirmed(): boolean {
    return this.legs.some((leg) => leg.isConfirmed)
  }

  leg(tag: string): Leg | undefined {
    return this.legs.find((leg) => leg.tag === tag)
  }

  /** The leg of that tag, made when new. */
  ensureLeg(tag: string): Leg {
    let leg = this.leg(tag)
    if (!leg) {
      leg = { tag, inside: undefined, outside: undefined, isConfirmed: false }
      this.legs.push(leg)
    }
    return leg
  }

  transaction(by: Side, cseq: number, method: string): Transaction | undefined {
    return this.transactions.find((it) => it.cseq === cseq && it.by === by && it.method === method)
  }

  /** The request's transaction, made when it is no retransmission; those long done are forgotten. */
  begin(by: Side, cseq: number, method: string, tag: string, now: number): Transaction {
    const known = this.transaction(by, cseq, method)
    if (known) return known
    const { transactions } = this
    for (let i = transactions.length - 1; i >= 0; i--) {
      const { final, finalAt } = transactions[i]!
      if (final !== 0 && now - finalAt > TRANSACTION_MS) transactions.splice(i, 1)
    }
    const transaction: Transaction = {
      by,
      cseq,
      method,
      tag,
      offer: undefined,
      delayed: undefined,
      before: undefined,
      final: 0,
      finalAt: 0,
    }
    transactions.push(transaction)
    return transaction
  }

  info(): CallInfo {
    const { callId, state, caller, peer, since, held, endReason } = this
    const info = {
      callId,
      state,
      caller,
      inside: this.flow.binding.inside,
      peer,
      since,
      held,
      streams: this.#streams(),
    }
    return endReason ? { ...info, endReason } : info
  }

  #streams(): StreamInfo[] {
    const leg = this.legs.find((it) => it.isConfirmed) ?? this.legs[0]
    const session = leg?.inside ?? this.transactions.find((it) => it.offer?.by === 'inside')?.offer
    if (session?.by !== 'inside') return []
    return session.streams.flatMap((local, index) => {
      if (!local) return []
      const far = leg?.outside?.streams[index]
      const type = session.types[index] ?? ''
      return [
        { type, inside: local.inside, outside: local.outside, far: far && { address: far.address, port: far.port } },
      ]
    })
  }
}
