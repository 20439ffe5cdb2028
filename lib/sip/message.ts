import type { Range } from '../../types/range.js'
import type { AddressField, AddressProblem, HeaderField, HeaderName, SipMessage } from '../../types/sip.js'
import { equalsIgnoreCase, text } from '../base/ascii.js'
import { scanAddressFields } from './address-fields.js'
import { branchOf, essentials } from './essentials.js'
import { headerTable, ROW, rowOf } from './header.table.js'
import { startLine } from './start-line.js'

const { STRIDE, VIA } = ROW

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
  readonly expiresSec: number | undefined
  readonly lines: HeaderLines
  #headers: HeaderField[] | undefined
  #addresses: { fields: AddressField[]; problems: AddressProblem[] } | undefined

  /** Takes what `startLine` and `essentials` hold. */
  constructor(
    bytes: Uint8Array,
    lines: HeaderLines,
    start: number,
    end: number,
    bodyStart: number,
    contentLength: Range | undefined,
  ) {
    this.bytes = bytes
    this.lines = lines
    this.range = { start, end }
    this.kind = startLine.isRequest ? 'request' : 'response'
    this.method = essentials.method
    this.statusCode = startLine.statusCode
    this.requestUri = startLine.isRequest ? { start: startLine.uriStart, end: startLine.uriEnd } : undefined
    this.body = { start: bodyStart, end }
    this.contentLength = contentLength
    this.callId = essentials.callId
    this.cseq = essentials.cseq
    this.fromTag = essentials.fromTag
    this.toTag = essentials.toTag
    this.expiresSec = essentials.expiresSec
    this.#headers = undefined
    this.#addresses = undefined
  }

  get branch(): string {
    const { slab, start, end } = this.lines
    for (let i = start; i < end; i += STRIDE) {
      if (slab[i] === VIA) return branchOf(this.bytes, slab[i + 3]!, slab[i + 4]!)
    }
    return ''
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
    const { bytes } = this
    const { slab, start, end } = this.lines
    const row = rowOf(header) || rowOf(header.toLowerCase())
    for (let i = start; i < end; i += STRIDE) {
      if (slab[i] !== row) continue
      if (row === 0 && !equalsIgnoreCase(bytes, slab[i + 1]!, slab[i + 2]!, header.toLowerCase())) continue
      const value = text(bytes, slab[i + 3]!, slab[i + 4]!)
      return value.includes('\n') ? value.replace(/[ \t]*\r?\n[ \t]+/g, ' ') : value
    }
    return undefined
  }
}

/** A message's header lines, `STRIDE` numbers each, in slab[start, end). */
export interface HeaderLines {
  readonly slab: Int32Array
  readonly start: number
  readonly end: number
}

function headerFields({ slab, start, end }: HeaderLines): HeaderField[] {
  const fields: HeaderField[] = []
  for (let i = start; i < end; i += STRIDE) {
    fields.push({
      header: headerTable[slab[i]!]!.name,
      name: { start: slab[i + 1]!, end: slab[i + 2]! },
      value: { start: slab[i + 3]!, end: slab[i + 4]! },
    })
  }
  return fields
}

/** The lines of any message, also of one that a test or a caller made by hand. */
export function linesOf(message: SipMessage): HeaderLines {
  if (message instanceof ScannedMessage) return message.lines
  const slab = new Int32Array(message.headers.length * STRIDE)
  for (const [i, { header, name, value }] of message.headers.entries()) {
    slab.set([rowOf(header), name.start, name.end, value.start, value.end], i * STRIDE)
  }
  return { slab, start: 0, end: slab.length }
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
