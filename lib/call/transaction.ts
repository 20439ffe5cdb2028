import type { Side } from '../../types/flow.js'
import type { InsideSession, OutsideSession, Session } from './media.js'

/** What tells a request for a dialog from others of its number: a proxy asks several, at once or one after the other. */
export interface Asking {
  readonly branch: string
  /** Address of the far side that was asked, or asks. */
  readonly peer: string
  isCancelled: boolean
}

/** A request that can carry an offer, or a BYE, from when it is seen until long enough after its final response. */
export interface Transaction {
  readonly by: Side
  readonly cseq: number
  readonly method: string
  /** Dialog it was sent in; empty for one that makes a dialog. */
  readonly tag: string
  /** Of one that makes a dialog, as long as nobody has accepted it. */
  asking: Asking | undefined
  /** The description in the request. */
  offer: Session | undefined
  /** What the dialog had agreed on before an answer to this request changed it. */
  before: { readonly inside: InsideSession | undefined; readonly outside: OutsideSession | undefined } | undefined
  /** Final status code, 0 while open. */
  final: number
  /** When the request, or its final response, came: seconds since the epoch. */
  at: number
}

/** What a request is known by, and what answers it; a message has them all. */
export interface RequestName {
  readonly cseq: number
  readonly method: string
  /** Of its topmost Via. */
  readonly branch: string
}

/** 64*T1 (RFC 3261 17): no retransmission of a transaction comes later. */
export const TRANSACTION_MS = 32_000
/** Timer C and some (RFC 3261 16.6 step 11): how long an INVITE may ring without another word. */
export const RINGING_MS = 200_000

/** A number of a word, where milliseconds would take three. */
export const secondOf = (now: number): number => Math.ceil(now / 1000)

const MAX_TRANSACTIONS = 32

export function newTransaction(by: Side, name: RequestName, tag: string, peer: string, now: number): Transaction {
  const { cseq, method } = name
  return {
    by,
    cseq,
    method,
    tag,
    asking: tag === '' ? { branch: name.branch, peer, isCancelled: false } : undefined,
    offer: undefined,
    before: undefined,
    final: 0,
    at: secondOf(now),
  }
}

const isNamed = ({ by, cseq, method }: Transaction, side: Side, name: RequestName): boolean =>
  cseq === name.cseq && by === side && method === name.method

/** A request's own transaction: of its branch, or where that is not kept any more, of its number. */
export function transactionOf(known: readonly Transaction[], by: Side, name: RequestName): Transaction | undefined {
  let accepted: Transaction | undefined
  for (const it of known) {
    if (!isNamed(it, by, name)) continue
    if (!it.asking) accepted ??= it
    else if (it.asking.branch === name.branch) return it
  }
  return accepted
}

/** The one that a response, or a CANCEL, belongs to: where there is one alone its branch is not asked for. */
export function answeredBy(known: readonly Transaction[], by: Side, name: RequestName): Transaction | undefined {
  const first = known.findIndex((it) => isNamed(it, by, name))
  const isAlone = !known.some((it, i) => i > first && isNamed(it, by, name))
  return isAlone ? known[first] : transactionOf(known, by, name)
}

/** Those that are not long done, with room for one more. */
export function withRoom(known: readonly Transaction[], now: number): readonly Transaction[] {
  if (known.length === 0) return known
  const isRecent = ({ final, at }: Transaction) => now - at * 1000 <= (final === 0 ? RINGING_MS : TRANSACTION_MS)
  if (known.length < MAX_TRANSACTIONS && known.every(isRecent)) return known
  const recent = known.filter(isRecent)
  // Requests without end and without answers: the oldest goes, but never the one that makes the call.
  if (recent.length >= MAX_TRANSACTIONS) {
    const oldest = recent.findIndex(({ tag }) => tag !== '')
    recent.splice(Math.max(0, oldest), 1)
  }
  return recent
}
