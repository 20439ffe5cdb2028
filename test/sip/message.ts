import { scanMessage } from '../../lib/sip/index.js'
import type { Range } from '../../types/range.js'
import type { SipMessage } from '../../types/sip.js'

/** The message in `bytes`; throws when it does not scan, which fails the test. */
export function found(bytes: Uint8Array): SipMessage {
  const scan = scanMessage(bytes, 0, bytes.length)
  if (scan.state !== 'found') throw new Error(`${scan.state} ${scan.reason}`)
  return scan.value
}

/** The text that a range spans. */
export function bytesOf(bytes: Uint8Array, { start, end }: Range): string {
  return Buffer.from(bytes.subarray(start, end)).toString('latin1')
}

const needed: Readonly<Record<string, string>> = {
  Via: 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1',
  From: '<sip:a@example.com>;tag=1',
  To: '<sip:b@example.com>',
  'Call-ID': 'c',
  CSeq: '1 INVITE',
}

/** A bare INVITE with `lines` after its headers, and some of those replaced or left out. */
export function request(lines: string, change: Readonly<Record<string, string | undefined>> = {}): Buffer {
  const headers = Object.entries({ ...needed, ...change }).filter(([, value]) => value !== undefined)
  const text = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return Buffer.from(`INVITE sip:b@example.com SIP/2.0\r\n${text}${lines === '' ? '' : `${lines}\r\n`}\r\n`, 'latin1')
}
