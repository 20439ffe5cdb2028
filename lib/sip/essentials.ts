import type { MalformedSip } from '../../types/sip.js'
import { ASCII, decimal, isDigit, isSpace, isToken, skipSpace, text } from '../base/ascii.js'
import { ROW } from './header.table.js'
import { methodText } from './method.js'
import { findParameter, parameter, parametersStart } from './parameter.js'
import { startLine } from './start-line.js'

const { COMMA, SEMICOLON } = ASCII
const { CALL_ID, CONTENT_LENGTH, CSEQ, EXPIRES, FROM, TO, VIA } = ROW

/** What identifies and frames the message read last; one object for all calls. */
export const essentials = {
  method: '',
  callId: '',
  cseq: 0,
  fromTag: '',
  toTag: '',
  expiresSec: undefined as number | undefined,
  /** -1 when the header is absent. */
  contentLength: -1,
}

/**
 * Reads into `essentials` what every message needs (RFC 3261 8.1.1). `lines` and `firsts` are the scanner's: `firsts[row] - 1` is
 * the offset in `lines` of that header's first line. `startLine` is the message's own.
 */
export function readEssentials(bytes: Uint8Array, lines: Int32Array, firsts: Int32Array): 'found' | MalformedSip {
  const absent = missing(firsts)
  if (absent !== 'found') return absent
  const callId = firsts[CALL_ID]!
  essentials.callId = text(bytes, lines[callId + 2]!, lines[callId + 3]!)
  if (essentials.callId === '') return 'call-id-missing'
  const cseq = firsts[CSEQ]!
  const reason = readCseq(bytes, lines[cseq + 2]!, lines[cseq + 3]!)
  if (reason !== 'found') return reason
  const from = firsts[FROM]!
  if (!readTag(bytes, lines[from + 2]!, lines[from + 3]!)) return 'address-syntax'
  essentials.fromTag = tag
  const to = firsts[TO]!
  if (!readTag(bytes, lines[to + 2]!, lines[to + 3]!)) return 'address-syntax'
  essentials.toTag = tag
  const expires = firsts[EXPIRES]!
  const seconds = expires === 0 ? -1 : decimal(bytes, lines[expires + 2]!, lines[expires + 3]!)
  essentials.expiresSec = seconds < 0 || seconds > 0xffffffff ? undefined : seconds
  return readContentLength(bytes, lines, firsts[CONTENT_LENGTH]!)
}

function missing(firsts: Int32Array): 'found' | MalformedSip {
  if (firsts[CALL_ID] === 0) return 'call-id-missing'
  if (firsts[CSEQ] === 0) return 'cseq-missing'
  if (firsts[FROM] === 0) return 'from-missing'
  if (firsts[TO] === 0) return 'to-missing'
  return firsts[VIA] === 0 ? 'via-missing' : 'found'
}

function readContentLength(bytes: Uint8Array, lines: Int32Array, at: number): 'found' | MalformedSip {
  essentials.contentLength = at === 0 ? -1 : decimal(bytes, lines[at + 2]!, lines[at + 3]!)
  return at !== 0 && essentials.contentLength < 0 ? 'content-length-invalid' : 'found'
}

/** `1*DIGIT LWS Method`, below 2^31 (RFC 3261 8.1.1.5); in a request the method is the request line's. */
function readCseq(bytes: Uint8Array, start: number, end: number): 'found' | MalformedSip {
  let at = start
  while (at < end && isDigit(bytes[at]!)) at++
  const value = decimal(bytes, start, at)
  if (value < 0 || value >= 2 ** 31 || at >= end || !isSpace(bytes[at]!)) return 'cseq-invalid'
  essentials.cseq = value
  at = skipSpace(bytes, at, end)
  for (let i = at; i < end; i++) if (!isToken(bytes[i]!)) return 'cseq-invalid'
  essentials.method = methodText(bytes, at, end)
  const { isRequest, methodStart, methodEnd } = startLine
  return !isRequest || isSame(bytes, at, end, methodStart, methodEnd) ? 'found' : 'cseq-method-mismatch'
}

function isSame(bytes: Uint8Array, start: number, end: number, otherStart: number, otherEnd: number): boolean {
  if (end - start !== otherEnd - otherStart) return false
  for (let i = start, j = otherStart; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false
  return true
}

/** The tag that `readTag` found. */
let tag = ''

/** False when quotes or brackets never close: then nobody can say which dialog the message belongs to. */
function readTag(bytes: Uint8Array, start: number, end: number): boolean {
  const at = parametersStart(bytes, start, end)
  tag = ''
  if (at < 0) return false
  if (findParameter(bytes, at, end, 'tag')) tag = text(bytes, parameter.valueStart, parameter.valueEnd)
  return true
}

/** Branch of the first via-parm of a Via value; empty when it has none. */
export function branchOf(bytes: Uint8Array, start: number, end: number): string {
  for (let at = start; at < end; at++) {
    if (bytes[at] === COMMA) return ''
    if (bytes[at] !== SEMICOLON) continue
    return findParameter(bytes, at, end, 'branch') ? text(bytes, parameter.valueStart, parameter.valueEnd) : ''
  }
  return ''
}
