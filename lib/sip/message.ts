import type { Range } from '../../types/range.js'
import type { AddressField, AddressProblem, HeaderField, HeaderName, SipMessage } from '../../types/sip.js'
import { equalsIgnoreCase, text } from '../base/ascii.js'
import { scanAddressFields } from './address-fields.js'
import { headerTable, rowOf, STRIDE } from './header.table.js'

/**
 * A scanned message. Header lines stay numbers until somebody asks for them as objects: the packet path asks for three or four of
 * twenty. Lists of addresses are made once, on first use.
 */
export class ScannedMessage implements SipMessage {
  readonly bytes: Uint8Array
  readonly range: Range
  readonly kind: 'request' | 'response'
  readonly method: string
  readonly statusCode: number
  readonly requestUri: Range | undefined
  readonly body: Range
  readonly contentLength: Range | undefined
  readonly callId: string
  readonly cseq: number
  readonly fromTag: string
  readonly toTag: string
  readonly branch: string
  readonly expiresSec: number | undefined
  readonly lines: Int32Array
  #headers: HeaderField[] | undefined
  #addresses: { fields: AddressField[]; problems: AddressProblem[] } | undefined

  constructor(bytes: Uint8Array, lines: Int32Array, parts: MessageParts) {
    this.bytes = bytes
    this.lines = lines
    this.range = { start: parts.start, end: parts.end }
    this.kind = parts.isRequest ? 'request' : 'response'
    this.method = parts.method
    this.statusCode = parts.statusCode
    this.requestUri = parts.isRequest ? { start: parts.uriStart, end: parts.uriEnd } : undefined
    this.body = { start: parts.bodyStart, end: parts.end }
    this.contentLength = parts.contentLength
    this.callId = parts.callId
    this.cseq = parts.cseq
    this.fromTag = parts.fromTag
    this.toTag = parts.toTag
    this.branch = parts.branch
    this.expiresSec = parts.expiresSec
    this.#headers = undefined
    this.#addresses = undefined
  }

  get headers(): readonly HeaderField[] {
    this.#headers ??= headerFields(this.lines)
    return this.#headers
  }

  get addressFields(): readonly AddressField[] {
    this.#addresses ??= scanAddressFields(this)
    return this.#addresses.fields
  }

  get addressProblems(): readonly AddressProblem[] {
    this.#addresses ??= scanAddressFields(this)
    return this.#addresses.problems
  }

  get(header: HeaderName): string | undefined {
    const { bytes, lines } = this
    const name = header.toLowerCase()
    const row = rowOf(name)
    for (let i = 0; i < lines.length; i += STRIDE) {
      if (lines[i] !== row) continue
      if (row === 0 && !equalsIgnoreCase(bytes, lines[i + 1]!, lines[i + 2]!, name)) continue
      return text(bytes, lines[i + 3]!, lines[i + 4]!).replace(/[ \t]*\r?\n[ \t]+/g, ' ')
    }
    return undefined
  }
}

/** What the scanner hands to a new message. */
export interface MessageParts {
  start: number
  end: number
  bodyStart: number
  isRequest: boolean
  method: string
  statusCode: number
  uriStart: number
  uriEnd: number
  contentLength: Range | undefined
  callId: string
  cseq: number
  fromTag: string
  toTag: string
  branch: string
  expiresSec: number | undefined
}

function headerFields(lines: Int32Array): HeaderField[] {
  const fields: HeaderField[] = []
  for (let i = 0; i < lines.length; i += STRIDE) {
    fields.push({
      header: headerTable[lines[i]!]!.name,
      name: { start: lines[i + 1]!, end: lines[i + 2]! },
      value: { start: lines[i + 3]!, end: lines[i + 4]! },
    })
  }
  return fields
}

/** The lines of any message, also of one that a test or a caller made by hand. */
export function linesOf(message: SipMessage): Int32Array {
  if (message instanceof ScannedMessage) return message.lines
  const lines = new Int32Array(message.headers.length * STRIDE)
  for (const [i, { header, name, value }] of message.headers.entries()) {
    lines.set([rowOf(header), name.start, name.end, value.start, value.end], i * STRIDE)
  }
  return lines
}

/**
 * All address-bearing places of a message, in ascending byte order and without overlap: Request-URI, then the headers that
 * lib/sip/header.table.ts marks. Made once a message; the array is shared, do not change it. A malformed header yields none, and
 * is in `message.addressProblems`.
 */
export function addressFields(message: SipMessage): readonly AddressField[] {
  if (message instanceof ScannedMessage) return message.addressFields
  const { bytes, requestUri } = message
  return scanAddressFields({ bytes, requestUri, lines: linesOf(message) }).fields
}
