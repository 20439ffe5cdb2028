import type { Side, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Call, Leg } from './call.js'
import type { Session } from './media.js'
import { answeredBy, secondOf, type Transaction, transactionOf } from './transaction.js'

/** Requests that can carry an offer or an answer (RFC 6337 table 1). */
export const OFFER_METHODS: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK', 'ACK'])
/** Requests whose responses change something. */
const KEPT_METHODS: ReadonlySet<string> = new Set(['INVITE', 'UPDATE', 'PRACK', 'BYE'])

const other = (side: Side): Side => (side === 'inside' ? 'outside' : 'inside')

/** The tag that names the dialog: the one that is not the initiator's. */
export function legTag(call: Call, message: SipMessage): string {
  return message.fromTag === call.initiatorTag ? message.toTag : message.fromTag
}

/**
 * Whether the message is of one of the call's dialogs: the initiator's tag is in all of them (RFC 3261 12), and a stranger who has
 * guessed the Call-ID does not know it. An initiator of RFC 2543 has none; then the other side's tag must be known.
 */
export function belongs(call: Call, { fromTag, toTag }: SipMessage): boolean {
  const { initiatorTag } = call
  if (fromTag === initiatorTag) return true
  return toTag === initiatorTag && (toTag !== '' || call.leg(fromTag) !== undefined)
}

/** Where a message of the call, on its way, says that the initiator is; one without a tag is where it was. */
export function callerSide({ initiatorTag, caller }: Call, { kind, fromTag }: SipMessage, way: Way): Side {
  if (initiatorTag === '') return caller
  // Who answers a request of the initiator's is the other one.
  const isInitiators = (fromTag === initiatorTag) === (kind === 'request')
  return isInitiators === (way === 'out') ? 'inside' : 'outside'
}

/** Whether all that the message says has been heard: a request or a final response that comes again. */
export function isRepeated(call: Call, side: Side, message: SipMessage): boolean {
  const { kind, method } = message
  if (kind === 'request') {
    if (method === 'ACK') return !call.leg(legTag(call, message))?.delayed
    return transactionOf(call.transactions, side, message) !== undefined
  }
  const transaction = answeredBy(call.transactions, other(side), message)
  if (!transaction) return true
  return isHistory(transaction, call.leg(legTag(call, message)))
}

/** A response that comes again, or late, must not undo what has been agreed on since. */
function isHistory(transaction: Transaction, leg: Leg | undefined): boolean {
  if (leg?.state === 'over') return true
  return transaction.final !== 0 && (transaction.tag !== '' || leg?.state === 'confirmed')
}

/** Records a request of `side`, to or from `peer`, with its description if it has one (RFC 3264, 3261 13.2.1 and 14, 3262 5, 3311). */
export function onRequest(
  call: Call,
  side: Side,
  message: SipMessage,
  session: Session | undefined,
  peer: string,
  now: number,
): void {
  const { method } = message
  const tag = legTag(call, message)
  if (session && (method === 'ACK' || method === 'PRACK')) {
    const leg = call.leg(tag)
    if (leg?.delayed) return answerDelayed(leg, leg.delayed, session, method === 'PRACK')
  }
  if (!KEPT_METHODS.has(method)) return
  const transaction = call.begin(side, message, tag, peer, now)
  if (session && transaction.final === 0) transaction.offer ??= session
}

function answerDelayed(leg: Leg, offer: Session, answer: Session, isEarly: boolean): void {
  if (offer.by === answer.by) return
  set(leg, offer)
  set(leg, answer)
  leg.delayed = undefined
  if (isEarly) leg.isRevised = true
}

function set(leg: Leg, session: Session): void {
  if (session.by === 'inside') leg.inside = session
  else leg.outside = session
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
  const { statusCode } = message
  const transaction = answeredBy(call.transactions, other(side), message)
  if (!transaction || statusCode === 100) return transaction
  const tag = legTag(call, message)
  if (isHistory(transaction, call.leg(tag))) return transaction
  if (statusCode < 300 && session) onDescription(call, transaction, tag, session)
  if (statusCode < 200) return transaction
  if (transaction.final === 0) {
    transaction.final = statusCode
    if (statusCode < 300) transaction.asking = undefined
    transaction.at = secondOf(now)
  }
  if (statusCode >= 300) rollBack(call, transaction)
  else if (transaction.tag !== '') supersede(call, transaction)
  return transaction
}

/** A change accepted within a dialog: what was offered before is history. */
function supersede(call: Call, accepted: Transaction): void {
  const leg = call.leg(accepted.tag)
  if (leg && accepted.offer) leg.isRevised = true
  accepted.before = undefined
  for (const earlier of call.transactions) if (earlier.final !== 0) earlier.offer = undefined
}

/**
 * A description in a response: the answer where the request had an offer (a later one replaces it: an unreliable 18x is only a
 * preview of it, RFC 6337 3.1.1), an offer of its own where not.
 */
function onDescription(call: Call, transaction: Transaction, tag: string, session: Session): void {
  const leg = call.ensureLeg(tag)
  if (!leg || (transaction.tag === '' && leg.isRevised)) return
  const { offer } = transaction
  if (!offer) {
    if (transaction.method === 'INVITE') leg.delayed = session
  } else if (offer.by !== session.by) {
    if (transaction.tag !== '') transaction.before ??= { inside: leg.inside, outside: leg.outside }
    set(leg, offer)
    set(leg, session)
  }
}

/** A refused offer leaves everything as it was (RFC 3261 14.1, RFC 3311 5.1). */
function rollBack(call: Call, transaction: Transaction): void {
  const { before, tag, method } = transaction
  transaction.offer = undefined
  transaction.before = undefined
  const leg = tag === '' ? undefined : call.leg(tag)
  if (!leg) return
  if (method === 'INVITE') leg.delayed = undefined
  if (!before) return
  leg.inside = before.inside
  leg.outside = before.outside
}
