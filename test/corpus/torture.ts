import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** Torture messages of RFC 4475 and 5118, kept beside the repository and not in it. */
const root = fileURLToPath(new URL('../../../shared/corpus', import.meta.url))

/** Why tests over them are skipped; false when they are there. */
export const missing: string | false = existsSync(join(root, 'index.tsv')) ? false : `no torture messages at ${root}`

/** File name (`rfc4475/wsinv.dat`) and bytes, in the order of the directories. */
export function tortureMessages(): [name: string, bytes: Uint8Array][] {
  if (missing) return []
  return ['rfc4475', 'rfc5118'].flatMap((folder) =>
    readdirSync(join(root, folder)).map((file): [string, Uint8Array] => [
      `${folder}/${file}`,
      readFileSync(join(root, folder, file)),
    ]),
  )
}

/**
 * The messages that are not simply `found`, each with what a middlebox makes of it. `found` with problems: it can be forwarded,
 * its malformed header goes on as it is, and the far end refuses it (RFC 4475 asks the end points to answer 400, not the middle).
 * `malformed`: nobody can say where the message ends or to which dialog and transaction it belongs, so nothing may be opened for it.
 */
export const judged: Readonly<
  Record<string, { reason: string; why: string } | { problems: readonly string[]; why: string }>
> = {
  // RFC 4475 3.1.1, valid, and 3.1.2, invalid where an end point looks and the middle need not
  'badaspec.dat': { problems: [], why: 'spaces in angle brackets do not hide the address' },
  'baddate.dat': { problems: [], why: 'the time zone of a Date is no business of the path' },
  'badinv01.dat': { problems: ['via'], why: 'empty values in the Via list: no field of it is trusted' },
  'escruri.dat': { problems: [], why: 'headers in the Request-URI are for its owner to ignore' },
  'regbadct.dat': { problems: [], why: 'a bare URI with headers: where it ends is in doubt, where its host is, not' },
  'baddn.dat': {
    reason: 'headers-unterminated',
    why: 'this copy ends behind the last header, without the empty line',
  },
  'badvers.dat': { reason: 'sip-version', why: 'another protocol version' },
  'bigcode.dat': { reason: 'status-code', why: 'no three digits' },
  'clerr.dat': { reason: 'content-length-mismatch', why: 'more body announced than the datagram holds' },
  'ltgtruri.dat': { reason: 'start-line', why: 'Request-URI in angle brackets' },
  'lwsruri.dat': { reason: 'start-line', why: 'spaces in the Request-URI' },
  'lwsstart.dat': { reason: 'start-line', why: 'several spaces in the request line' },
  'trws.dat': { reason: 'start-line', why: 'spaces behind the request line' },
  'mismatch01.dat': { reason: 'cseq-method-mismatch', why: 'which transaction?' },
  'mismatch02.dat': { reason: 'cseq-method-mismatch', why: 'which transaction?' },
  'ncl.dat': { reason: 'content-length-invalid', why: 'negative' },
  'quotbal.dat': { reason: 'address-syntax', why: 'To never ends its quotes: which dialog?' },
  'scalar02.dat': { reason: 'cseq-invalid', why: 'beyond 2^31' },
  'scalarlg.dat': { reason: 'cseq-invalid', why: 'beyond 2^31' },
  // RFC 4475 3.3, to be refused by applications
  'insuf.dat': { reason: 'call-id-missing', why: 'no Call-ID, From or To: which dialog?' },
  'mcl01.dat': { reason: 'header-repeated', why: 'two Content-Lengths: where does it end?' },
  'multi01.dat': { reason: 'header-repeated', why: 'two Call-IDs, two CSeqs: which?' },
  // RFC 5118
  'ipv6-bad': { problems: ['request-uri'], why: '4.2: IPv6 without brackets, no telling host from port' },
}
