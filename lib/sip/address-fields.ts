import type { Range } from '../../types/range.js'
import type { AddressField, AddressProblem } from '../../types/sip.js'
import type { AddressSink } from './address-sink.js'
import { headerTable, ROW } from './header.table.js'
import { scanAddresses } from './name-addr.js'
import { scanUri } from './uri.js'
import { scanVia } from './via.js'
import { scanWarning } from './warning.js'

const { STRIDE } = ROW

type Reader = (sink: AddressSink, start: number, end: number) => boolean

/** Which reader takes a header of which row; undefined where there are no addresses. */
const readers: readonly (Reader | undefined)[] = headerTable.map(({ grammar, carriesAddresses }) => {
  if (!carriesAddresses) return undefined
  if (grammar === 'via') return scanVia
  if (grammar === 'warning') return scanWarning
  const isList = grammar === 'address-list'
  return (sink, start, end) => scanAddresses(sink, start, end, isList)
})

/** Values seen so far of each header, for `AddressField.index`. */
const counts = new Int32Array(headerTable.length)

/** What of a message the readers need; `lines` as in `ScannedMessage`. */
export interface AddressSource {
  readonly bytes: Uint8Array
  readonly requestUri: Range | undefined
  readonly lines: { readonly slab: Int32Array; readonly start: number; readonly end: number }
}

/**
 * All address-bearing places of a message in ascending byte order, and the header lines that are malformed. A malformed line
 * yields no field at all, for half of a doubtful value is not worth an edit.
 */
export function scanAddressFields(source: AddressSource): { fields: AddressField[]; problems: AddressProblem[] } {
  const { bytes, lines, requestUri } = source
  const sink: AddressSink = { bytes, fields: [], problems: [], header: 'request-uri', index: 0 }
  if (requestUri && !scanUri(sink, requestUri.start, requestUri.end)) reject(sink, 0, requestUri.start, requestUri.end)
  counts.fill(0)
  const { slab } = lines
  for (let i = lines.start; i < lines.end; i += STRIDE) {
    const row = slab[i]!
    const reader = readers[row]
    if (reader === undefined) continue
    const start = slab[i + 3]!
    const end = slab[i + 4]!
    const known = sink.fields.length
    sink.header = headerTable[row]!.name
    sink.index = counts[row]!
    if (!reader(sink, start, end)) reject(sink, known, start, end)
    counts[row] = sink.index
  }
  return sink
}

function reject(sink: AddressSink, known: number, start: number, end: number): void {
  sink.fields.length = known
  sink.problems.push({ header: sink.header, range: { start, end } })
}
