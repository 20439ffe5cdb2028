import type { SipMessage } from '../../types/sip.js'

/** RFC 4028 4: no session interval is shorter. */
const LEAST_SEC = 90
const MAX_SEC = 0x7fffffff

/**
 * The session interval of a message in seconds (RFC 4028 4, `Session-Expires` or `x`), 0 when it has none. What is no number counts as
 * absent; what is below 90, the least there is, counts as 90.
 */
export function sessionExpiresSec(message: SipMessage): number {
  const value = message.get('session-expires')
  if (value === undefined) return 0
  const [, digits] = /^(\d{1,10})\s*(?:;|$)/.exec(value) ?? []
  if (digits === undefined) return 0
  return Math.min(Math.max(Number(digits), LEAST_SEC), MAX_SEC)
}
