import type { Side } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Call, Leg, Transaction } from './call.js'
import type { Session } from './media.js'

/** Requests that can carry an offer or an answer (RFC 6337 table 1). */
export const OFFER_METHODS: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK', 'ACK'])

const other = (side: Side): Side => (side === 'inside' ? 'outside' : 'inside')

/** The tag that names the dialog: the one that is not the initiator's. */
export function legTag(call: Call, message: SipMessage): string {
  return message.fromTag === call.initiatorTag ? message.toTag : message.fromTag
}

/** Records a request of `side`, with its description if it has one (RFC 3264, 3261 13.2.1 and 14, 3262 5, 3311). */
export function onRequest(
  call: Call,
  side: Side,
  message: SipMessage,
  session: Session | undefined,
  now: number,
): void {
  const { method, cseq } = message
  const tag = legTag(call, message)
  if (method === 'ACK') {
    if (session) answerDelayed(call, call.transaction(side, cseq, 'INVITE'), session)
    return
  }
  if (method === 'PRACK' && session) {
    const waiting = call.transactions.find((it) => it.by === side && it.delayed?.tag === tag)
    if (waiting) {
      answerDelayed(call, waiting, session)
      return
    }
  }
  const transaction = call.begin(side, cseq, method, tag, now)
  if (session) transaction.offer ??= session
}

function answerDelayed(call: Call, transaction: Transaction | undefined, answer: Session): void {
  const delayed = transaction?.delayed
  if (!transaction || !delayed) return
  agree(call.ensureLeg(delayed.tag), transaction, delayed.session, answer)
  transaction.delayed = undefined
}

function agree(leg: Leg, transaction: Transaction, offer: Session, answer: Session): void {
  if (offer.by === answer.by) return
  transaction.before ??= { inside: leg.inside, outside: leg.outside }
  for (const session of [offer, answer]) {
    if (session.by === 'inside') leg.inside = session
    else leg.outside = session
  }
}

/**
 * Records a response of `side` to a request of the other side. Returns its transaction, or undefined when the request was never
 * seen: then nothing changes.
 */
export function onResponse(
  call: Call,
  side: Side,
  message: SipMessage,
  session: Session | undefined,
  now: number,
): Transaction | undefined {
  const { method, cseq, statusCode } = message
  const transaction = call.transaction(other(side), cseq, method)
  if (!transaction || statusCode === 100) return transaction
  const tag = legTag(call, message)
  // A final response that comes again must not undo what has been agreed on since.
  const isRepeated = transaction.final !== 0 && (transaction.tag !== '' || call.leg(tag)?.isConfirmed === true)
  if (isRepeated) return transaction
  if (statusCode < 300 && session) onDescription(call, transaction, tag, session)
  if (statusCode < 200) return transaction
  if (transaction.final === 0) {
    transaction.final = statusCode
    transaction.finalAt = now
  }
  if (statusCode >= 300) rollBack(call, transaction)
  else if (transaction.tag !== '') supersede(call, transaction)
  return transaction
}

/** An offer accepted within a dialog: what was offered before is history. */
function supersede(call: Call, accepted: Transaction): void {
  accepted.before = undefined
  for (const earlier of call.transactions) {
    if (earlier.final !== 0 && !earlier.delayed) earlier.offer = undefined
  }
}

/**
 * A description in a response: the answer where the request had an offer (a later one replaces it: an unreliable 18x is only a
 * preview of it, RFC 6337 3.1.1), an offer of its own where not.
 */
function onDescription(call: Call, transaction: Transaction, tag: string, session: Session): void {
  if (transaction.offer) agree(call.ensureLeg(tag), transaction, transaction.offer, session)
  else if (transaction.method !== 'ACK') transaction.delayed = { tag, session }
}

/** A refused offer leaves everything as it was (RFC 3261 14.1, RFC 3311 5.1). */
function rollBack(call: Call, transaction: Transaction): void {
  const { before, tag } = transaction
  transaction.offer = undefined
  transaction.delayed = undefined
  transaction.before = undefined
  if (!before || tag === '') return
  const leg = call.leg(tag)
  if (leg) {
    leg.inside = before.inside
    leg.outside = before.outside
  }
}
