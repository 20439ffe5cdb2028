import type { AddressField, ContactValue, SipMessage } from '../../types/sip.js'
import { ASCII, decimal } from '../base/ascii.js'
import { ROW } from './header.table.js'
import { addressFields, linesOf } from './message.js'
import { nameAddr, nextAddress } from './name-addr.js'
import { isParameter, nextParameter, parameter } from './parameter.js'

const { COMMA } = ASCII
const { CONTACT, STRIDE } = ROW

/**
 * The Contact values of a message, over all its Contact lines, in order (RFC 3261 20.10). A line with an address problem gives
 * the values in front of the malformed one, without addresses.
 */
export function contactValues(message: SipMessage): ContactValue[] {
  const { bytes } = message
  const { slab, start, end } = linesOf(message)
  const values: ContactValue[] = []
  let known: AddressField[] | undefined
  for (let i = start; i < end; i += STRIDE) {
    if (slab[i] !== CONTACT) continue
    known ??= addressFields(message)
      .filter(({ header, part }) => header === 'contact' && part === 'uri')
      .reverse()
    readLine(bytes, slab[i + 3]!, slab[i + 4]!, known, values)
  }
  return values
}

/** `known` are the addresses not yet given to a value, last first. */
function readLine(bytes: Uint8Array, start: number, end: number, known: AddressField[], values: ContactValue[]): void {
  let at = start
  while (nextAddress(bytes, at, end, true)) {
    const { uriStart, uriEnd, isWildcard, parameters } = nameAddr
    // By place, not by index: a malformed line has none, and shifts the count.
    const isMine = known.length > 0 && known.at(-1)!.host.end <= uriEnd
    const address = isMine ? known.pop() : undefined
    const expiresSec = expiresOf(bytes, parameters, end)
    values.push({ isWildcard, uri: { start: uriStart, end: uriEnd }, address, expiresSec })
    at = parameter.next
    if (at >= end || bytes[at] !== COMMA) return
    at++
  }
}

/** The `expires` parameter; leaves `parameter.next` behind the last parameter. */
function expiresOf(bytes: Uint8Array, at: number, end: number): number | undefined {
  let seconds = -1
  parameter.next = at
  while (nextParameter(bytes, parameter.next, end, 'header')) {
    if (seconds < 0 && isParameter(bytes, 'expires')) seconds = decimal(bytes, parameter.valueStart, parameter.valueEnd)
  }
  return seconds < 0 || seconds > 0xffffffff ? undefined : seconds
}
