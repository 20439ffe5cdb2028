import type { EndReason } from '../../types/call.js'
import type { Side } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import { sessionExpiresSec } from '../sip/index.js'
import type { Call } from './call.js'
import { legTag } from './offer-answer.js'
import { answeredBy, RINGING_MS, secondOf, TRANSACTION_MS, type Transaction } from './transaction.js'

/** Finals that end a dialog whatever they answer (RFC 3261 12.2.1.2). */
const DIALOG_GONE: ReadonlySet<number> = new Set([408, 481])
/** Finals after which the request is sent again (RFC 3261 22.2, 22.3). */
const CHALLENGE: ReadonlySet<number> = new Set([401, 407])

/** Moves the call's state on by a request. Returns how long it may now take until the next word, milliseconds; 0: as before. */
export function requestProgress(call: Call, side: Side, message: SipMessage): number {
  const { method } = message
  if (method === 'BYE') {
    const tag = legTag(call, message)
    // Of several answered forks, the others go on; and a BYE for a dialog that never was, or is over, ends nothing.
    const isOnly = !call.legs.some((leg) => leg.tag !== tag && leg.state === 'confirmed')
    const isNone = call.legs.length > 0 && (call.leg(tag)?.state ?? 'over') === 'over'
    if (!isOnly || isNone) return 0
  } else if (method === 'CANCEL') {
    // RFC 3261 9.1: of the same transaction as the INVITE, so from the same side and with its number.
    const { cseq, branch } = message
    const invite = answeredBy(call.transactions, side, { cseq, branch, method: 'INVITE' })
    if (call.isConfirmed || invite?.final !== 0) return 0
    if (invite.asking) invite.asking.isCancelled = true
    if (call.isAsking) return 0
    call.isCancelled = true
  } else if (method === 'INVITE' && call.isCancelled && call.isAsking) {
    // The next to be asked, before the last has said that it heard (487).
    call.isCancelled = false
    call.state = 'calling'
    return TRANSACTION_MS
  } else return 0
  call.state = 'ending'
  return TRANSACTION_MS
}

/** The same by a response to `transaction`. */
export function responseProgress(call: Call, message: SipMessage, transaction: Transaction, now: number): number {
  const { method, statusCode } = message
  const isSuccess = statusCode >= 200 && statusCode < 300
  if (isSuccess && (method === 'INVITE' || method === 'UPDATE')) refreshSession(call, message, now)
  if (method === 'BYE') {
    const isGone = isSuccess || DIALOG_GONE.has(statusCode)
    return isGone ? endLeg(call, message, 'bye') : 0
  }
  // A dialog older than this process: what is renewed in it is a call that has been answered.
  if (method === 'UPDATE' && call.isJoined && isSuccess) confirm(call, message)
  return method === 'INVITE' ? inviteProgress(call, message, transaction.tag === '') : 0
}

/** RFC 4028 7.2, 9: the 2xx has the last word on the interval; without one the session does not run out. */
function refreshSession(call: Call, message: SipMessage, now: number): void {
  const seconds = sessionExpiresSec(message)
  call.sessionEnd = seconds === 0 ? 0 : secondOf(now) + seconds
}

/** `isInitial`: the response is to a request outside any dialog, so a refusal refuses the call. */
function inviteProgress(call: Call, message: SipMessage, isInitial: boolean): number {
  const { statusCode } = message
  if (statusCode < 200) {
    if (call.state === 'calling' && statusCode > 100) call.state = 'early'
    return !call.isConfirmed && call.state !== 'ending' ? RINGING_MS : 0
  }
  if (statusCode < 300) confirm(call, message)
  else if (!isInitial) return DIALOG_GONE.has(statusCode) ? endLeg(call, message, 'refused') : 0
  else if (call.isAsking) call.endLeg(legTag(call, message))
  else if (!call.isConfirmed) {
    call.state = 'ended'
    call.endReason = refusalOf(call, statusCode)
  }
  return 0
}

/** The call goes on while another dialog of it does. */
function endLeg(call: Call, message: SipMessage, reason: EndReason): number {
  if (!call.endLeg(legTag(call, message))) {
    call.state = 'ended'
    call.endReason = reason
  } else if (call.state === 'ending' && !call.isCancelled) {
    call.state = call.isConfirmed ? 'answered' : 'early'
    return RINGING_MS
  }
  return 0
}

function confirm(call: Call, message: SipMessage): void {
  const leg = call.ensureLeg(legTag(call, message))
  if (!leg || leg.state === 'over') return
  leg.state = 'confirmed'
  if (call.state === 'ending' && !call.isCancelled) return
  call.isCancelled = false
  call.state = 'answered'
}

function refusalOf(call: Call, statusCode: number): EndReason {
  if (CHALLENGE.has(statusCode)) return 'challenged'
  if (call.isCancelled) return 'cancelled'
  return statusCode < 400 ? 'redirected' : 'refused'
}

/**
 * When an answered call is to be looked at again, if no word comes before: after `idleMs`, or when its session has run out and the
 * BYE that this entails (RFC 4028 10) has had its time.
 */
export function answeredUntil({ sessionEnd }: Call, now: number, idleMs: number): number {
  if (sessionEnd === 0) return now + idleMs
  return Math.min(now + idleMs, Math.max(now, sessionEnd * 1000) + TRANSACTION_MS)
}

/** Why a call ends whose time has run out. */
export function timeoutReason({ state, isCancelled, sessionEnd }: Call, now: number): EndReason {
  if (state === 'answered') return sessionEnd !== 0 && sessionEnd * 1000 <= now ? 'session-expired' : 'idle'
  if (isCancelled) return 'cancelled'
  return state === 'ending' ? 'bye-unanswered' : 'no-answer'
}
