/** What a registrar's answer says (RFC 3261 10.2, 10.3). */
import type { AddressField, ContactValue, SipMessage } from '../../types/sip.js'
import type { Asked } from './registration-records.js'
import { isAt } from './rewrite.js'

/** RFC 3261 10.2.1.1: what a registrar grants that does not say. */
const DEFAULT_EXPIRES_SEC = 3600

/** The address of record: To's URI (RFC 3261 10.2), without display name and parameters. */
export function aorOf(message: SipMessage): string {
  const to = message.get('to') ?? ''
  return /<([^<>]*)>\s*(?:;.*)?$/.exec(to)?.[1] ?? to.replace(/;.*$/s, '').trim()
}

/**
 * What the registrar granted a contact: its own entry's `expires`, the Expires header, what was asked, the default, in this order
 * (RFC 3261 10.3 step 8, 10.2.4). A list of contacts without ours means that ours is not registered.
 */
export function grantedSec(asked: Asked, granted: readonly ContactValue[], response: SipMessage): number {
  if (asked.expiresSec === 0) return 0
  const isOurs = (field: AddressField | undefined) =>
    field !== undefined && (isAt(field, asked.binding.outside) || isAt(field, asked.binding.inside))
  const entry = granted.find((it) => isOurs(it.address))
  if (!entry && granted.length > 0) return 0
  return entry?.expiresSec ?? response.expiresSec ?? asked.expiresSec ?? DEFAULT_EXPIRES_SEC
}
