import { formatAddress, parseAddress } from '../base/address.js'
import { CthelperError } from '../base/errors.js'
import type { Field, Writer } from '../netlink/attribute.js'

/**
 * Parsed addresses by text. A gateway sees few addresses and encodes each many times: a hit costs a tenth of parsing. Emptied
 * when full, so that a flood of addresses costs time and not memory.
 */
const parsed = new Map<string, Uint8Array>()
const PARSED_MAX = 4096

/**
 * Network-order bytes (4 or 16) of a textual address. The result is shared: do not write to it.
 * @throws CthelperError ERR_ARGUMENT when `text` is no address
 */
export function addressBytes(text: string): Uint8Array {
  const known = parsed.get(text)
  if (known) return known
  const bytes = parseAddress(text)
  if (!bytes) throw new CthelperError('ERR_ARGUMENT', 'encode address', `not an IP address: ${JSON.stringify(text)}`)
  if (parsed.size >= PARSED_MAX) parsed.clear()
  parsed.set(text, bytes)
  return bytes
}

/** A row whose value is an address as text; its length on the wire says the family. */
export const address = (type: number): Field<string> => ({
  type,
  write: (writer: Writer, value: string) => writer.raw(addressBytes(value)),
  read: (bytes, start, end) => formatAddress(bytes, start, end - start === 16 ? 6 : 4),
})
