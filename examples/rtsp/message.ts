import type { Frame } from 'cthelper'

/** A part of a message: where it stands, a byte a character. */
export interface Text {
  readonly start: number
  readonly end: number
  readonly text: string
}

export interface RtspMessage {
  /** Empty: a response. */
  readonly method: string
  readonly uri: Text
  /** 0: a request. */
  readonly status: number
  /** The values of all lines with that name, folded ones with their line ends. */
  headers(name: string): Text[]
  readonly body: Text
}

const [CR, LF, DOLLAR] = [13, 10, 36]
/** RFC 2326 10.12, RFC 7826 14: `$`, a channel, two bytes of length. */
const INTERLEAVED_HEAD = 4
/** Nobody writes longer URIs. */
const LONGEST_LINE = 8192
const REQUEST = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+) (\S+) RTSP\/\d\.\d\r?\n$/
const STATUS = /^RTSP\/\d\.\d (\d{3})(?: .*)?\r?\n$/

/** Cuts a connection into RTSP messages; interleaved media, and empty lines between messages, pass as they are. */
export const frame: Frame = (bytes, from) => {
  const first = bytes[0]!
  if (first === DOLLAR) {
    if (bytes.length < INTERLEAVED_HEAD) return { state: 'incomplete', size: INTERLEAVED_HEAD }
    return { state: 'filler', end: INTERLEAVED_HEAD + ((bytes[2]! << 8) | bytes[3]!) }
  }
  if (first === CR || first === LF) {
    const end = bytes.findIndex((byte) => byte !== CR && byte !== LF)
    return { state: 'filler', end: end < 0 ? bytes.length : end }
  }
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lineEnd = text.indexOf(LF)
  if (lineEnd < 0) return { state: mayBeStartLine(text) ? 'incomplete' : 'foreign' }
  if (from === 0 && !isStartLine(text.toString('latin1', 0, lineEnd + 1))) return { state: 'foreign' }
  const headEnd = endOfHead(text, Math.max(lineEnd, from))
  // The last three bytes may be the beginning of the empty line.
  if (headEnd < 0) return { state: 'incomplete', from: Math.max(lineEnd, text.length - 3) }
  const length = contentLength(text.toString('latin1', lineEnd + 1, headEnd))
  if (length === undefined) return { state: 'foreign' }
  const end = headEnd + length
  return bytes.length < end ? { state: 'incomplete', size: end, from: headEnd - 3 } : { state: 'message', end }
}

const isStartLine = (line: string): boolean => REQUEST.test(line) || STATUS.test(line)

/** No control character has come yet, and not too much. */
function mayBeStartLine(text: Buffer): boolean {
  return text.length <= LONGEST_LINE && text.every((byte) => byte >= 32 || byte === CR)
}

/** Behind the empty line, found from a line's end on; -1 while it has not come. */
function endOfHead(text: Buffer, from: number): number {
  for (let at = text.indexOf(LF, from); at >= 0; at = text.indexOf(LF, at + 1)) {
    const next = text[at + 1] === CR ? at + 2 : at + 1
    if (text[next] === LF) return next + 1
  }
  return -1
}

/** Undefined: nobody can say where the body ends. */
function contentLength(head: string): number | undefined {
  const values = [...head.matchAll(/^content-length[ \t]*:(.*)$/gim)].map(([, value]) => value!.trim())
  if (values.length === 0) return 0
  const [value] = values
  return values.every((it) => it === value) && /^\d{1,9}$/.test(value!) ? Number(value) : undefined
}

/** Reads what `frame` has cut. */
export function readMessage(bytes: Uint8Array): RtspMessage {
  const whole = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const lineEnd = whole.indexOf(LF) + 1
  const line = whole.toString('latin1', 0, lineEnd)
  const headEnd = endOfHead(whole, lineEnd - 1)
  const head = whole.toString('latin1', lineEnd, headEnd)
  const [, method = '', uri = ''] = REQUEST.exec(line) ?? []
  return {
    method,
    uri: { start: method.length + 1, end: method.length + 1 + uri.length, text: uri },
    status: Number(STATUS.exec(line)?.[1] ?? 0),
    body: { start: headEnd, end: whole.length, text: whole.toString('latin1', headEnd) },
    headers: (name) =>
      [...head.matchAll(headerLine(name))].map(({ 0: line, 1: value = '', index }) => {
        const end = lineEnd + index + line.length
        return { start: end - value.length, end, text: value }
      }),
  }
}

/** A header and its continuation lines (RFC 2326 4.2), without the last line's end. */
const headerLine = (name: string): RegExp =>
  new RegExp(`^${name}[ \\t]*:[ \\t]*((?:[^\\r\\n]|\\r?\\n(?=[ \\t]))*)`, 'gim')
