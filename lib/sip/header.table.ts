import { NameIndex } from '../base/name-index.js'

/**
 * What a header's value is made of.
 * `via`: via-parm list (RFC 3261 20.42). `address`: one name-addr or addr-spec with parameters. `address-list`: a comma list of
 * them; also `<URI>;parameters` lists. `warning`: warn-code warn-agent warn-text list (20.43). The rest carries no address.
 */
export type HeaderGrammar = 'via' | 'address' | 'address-list' | 'warning' | 'number' | 'cseq' | 'media-type' | 'text'

export interface HeaderRow {
  /** Canonical name in lower case. */
  readonly name: string
  /** One-letter form, or ''. */
  readonly compact: string
  readonly grammar: HeaderGrammar
  /** May stand several times. Where not, a second one leaves open which of them the far end reads: `header-repeated`. */
  readonly repeated: boolean
  /** Has places that rewriting may touch. */
  readonly carriesAddresses: boolean
}

const addressGrammars: readonly HeaderGrammar[] = ['via', 'address', 'address-list', 'warning']

function row(name: string, compact: string, grammar: HeaderGrammar, repeated = true): HeaderRow {
  return { name, compact, grammar, repeated, carriesAddresses: addressGrammars.includes(grammar) }
}

const once = false

/**
 * Every header the library knows. Row 0 is for those it does not. Only what identifies or frames a message is `once`: a doubled
 * Subject is the far end's affair, a doubled Call-ID is ours.
 */
export const headerTable: readonly HeaderRow[] = [
  row('other', '', 'text'),
  // RFC 3261 20
  row('via', 'v', 'via'),
  row('from', 'f', 'address', once),
  row('to', 't', 'address', once),
  row('call-id', 'i', 'text', once),
  row('cseq', '', 'cseq', once),
  row('contact', 'm', 'address-list'),
  row('content-length', 'l', 'number', once),
  row('content-type', 'c', 'media-type', once),
  row('max-forwards', '', 'number', once),
  row('expires', '', 'number'),
  row('route', '', 'address-list'),
  row('record-route', '', 'address-list'),
  row('reply-to', '', 'address'),
  row('alert-info', '', 'address-list'),
  row('call-info', '', 'address-list'),
  row('error-info', '', 'address-list'),
  row('warning', '', 'warning'),
  row('content-encoding', 'e', 'text'),
  row('content-disposition', '', 'text'),
  row('content-transfer-encoding', '', 'text'),
  row('content-language', '', 'text'),
  row('mime-version', '', 'text'),
  row('subject', 's', 'text'),
  row('supported', 'k', 'text'),
  row('require', '', 'text'),
  row('proxy-require', '', 'text'),
  row('unsupported', '', 'text'),
  row('allow', '', 'text'),
  row('accept', '', 'text'),
  row('min-expires', '', 'number'),
  row('retry-after', '', 'text'),
  row('user-agent', '', 'text'),
  row('server', '', 'text'),
  row('date', '', 'text'),
  row('in-reply-to', '', 'text'),
  row('authorization', '', 'text'),
  row('proxy-authorization', '', 'text'),
  row('www-authenticate', '', 'text'),
  row('proxy-authenticate', '', 'text'),
  row('authentication-info', '', 'text'),
  // RFC 3262, 3265/6665, 3903, 4028, 3326, 3841, 8224
  row('rseq', '', 'number'),
  row('rack', '', 'text'),
  row('event', 'o', 'text'),
  row('allow-events', 'u', 'text'),
  row('subscription-state', '', 'text'),
  row('sip-etag', '', 'text'),
  row('sip-if-match', '', 'text'),
  row('session-expires', 'x', 'text'),
  row('min-se', '', 'number'),
  row('reason', '', 'text'),
  row('accept-contact', 'a', 'text'),
  row('reject-contact', 'j', 'text'),
  row('request-disposition', 'd', 'text'),
  row('identity', 'y', 'text'),
  row('identity-info', 'n', 'text'),
  // RFC 3327, 3608
  row('path', '', 'address-list'),
  row('service-route', '', 'address-list'),
  // RFC 3515, 3892, 3891, 3911, 4538
  row('refer-to', 'r', 'address'),
  row('referred-by', 'b', 'address'),
  row('replaces', '', 'text'),
  row('join', '', 'text'),
  row('target-dialog', '', 'text'),
  // RFC 3325, 7315; draft-ietf-sip-privacy; RFC 5806; RFC 7044
  row('p-asserted-identity', '', 'address-list'),
  row('p-preferred-identity', '', 'address-list'),
  row('p-associated-uri', '', 'address-list'),
  row('p-called-party-id', '', 'address'),
  row('remote-party-id', '', 'address-list'),
  row('diversion', '', 'address-list'),
  row('history-info', '', 'address-list'),
]

const spellings: string[] = []
const rowOfSpelling: number[] = []
for (const [index, { name, compact }] of headerTable.entries()) {
  if (index === 0) continue
  for (const spelling of compact ? [name, compact] : [name]) {
    spellings.push(spelling)
    rowOfSpelling.push(index)
  }
}
const spellingIndex = new NameIndex(spellings)
const rowBySpelling = new Map(spellings.map((spelling, i) => [spelling, rowOfSpelling[i]!]))

/** Row of the header name that bytes[start, end) spell, full or compact, in any case; 0 for a name that is not in the table. */
export function headerRow(bytes: Uint8Array, start: number, end: number): number {
  const spelling = spellingIndex.find(bytes, start, end)
  return spelling < 0 ? 0 : rowOfSpelling[spelling]!
}

/** Row of a name given as text, full or compact, in lower case; 0 when it is not in the table. */
export function rowOf(name: string): number {
  return rowBySpelling.get(name) ?? 0
}

/** Rows that the scanners know by name. Take them into constants of your own module, as with `ASCII`. */
export const ROW = {
  VIA: rowOf('via'),
  FROM: rowOf('from'),
  TO: rowOf('to'),
  CALL_ID: rowOf('call-id'),
  CSEQ: rowOf('cseq'),
  CONTACT: rowOf('contact'),
  CONTENT_TYPE: rowOf('content-type'),
  CONTENT_ENCODING: rowOf('content-encoding'),
  CONTENT_DISPOSITION: rowOf('content-disposition'),
  CONTENT_TRANSFER_ENCODING: rowOf('content-transfer-encoding'),
  CONTENT_LENGTH: rowOf('content-length'),
  EXPIRES: rowOf('expires'),
  /** Numbers a scanned header line takes: its row, name start and end, value start and end. */
  STRIDE: 5,
} as const
