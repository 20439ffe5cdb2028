import type { SipMessage } from '../../types/sip.js'
import { text } from '../base/ascii.js'

/** Longest piece of a message that a log line takes over. */
const LONGEST = 128

/**
 * One line for logs: method or status, Request-URI, Call-ID, CSeq. Nothing else of the message is in it, so no credentials; a
 * password in the Request-URI is replaced, control characters too (a log line stays one line).
 */
export function summary(message: SipMessage): string {
  const { bytes, requestUri, kind, method, statusCode, callId, cseq } = message
  const uri = requestUri ? withoutPassword(text(bytes, requestUri.start, requestUri.end)) : ''
  const start = kind === 'request' ? `${method} ${uri}` : `${statusCode} ${method}`
  return `${clean(start)} call-id=${clean(callId)} cseq=${cseq}`
}

/** `user:password@` becomes `user:***@` (RFC 3261 19.1.1). */
function withoutPassword(uri: string): string {
  return uri.replace(/^([a-z]+:[^:@]*):[^@]*@/i, '$1:***@')
}

function clean(value: string): string {
  const short = value.length > LONGEST ? `${value.slice(0, LONGEST)}...` : value
  return short.replace(/[^ -~]/g, '?')
}
