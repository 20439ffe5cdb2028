import type { Range } from './range.js'

/**
 * Result of looking for something in packet bytes. `absent`: it is not there, which is fine. `malformed`: it is there and
 * breaks its grammar; `reason` is a literal fit for a counter.
 */
export type Scan<T, A extends string, M extends string> =
  | { readonly state: 'found'; readonly value: T }
  | { readonly state: 'absent'; readonly reason: A }
  | { readonly state: 'malformed'; readonly reason: M }

/** Why a datagram on a SIP port is no SIP message, and none of our business. */
export type NotSip = 'empty' | 'keep-alive' | 'stun' | 'not-sip'

/** What is wrong with a message that does begin as SIP. */
export type MalformedSip =
  | 'start-line'
  | 'sip-version'
  | 'status-code'
  | 'header-line'
  | 'headers-unterminated'
  | 'headers-too-many'
  | 'message-too-large'
  | 'call-id-missing'
  | 'cseq-missing'
  | 'cseq-invalid'
  | 'cseq-method-mismatch'
  | 'from-missing'
  | 'to-missing'
  | 'via-missing'
  | 'header-repeated'
  | 'content-length-invalid'
  | 'content-length-mismatch'
  | 'content-length-too-large'
  | 'content-length-missing'
  | 'address-syntax'

/** Canonical lower-case header name of a row of lib/sip/header.table.ts; `other` for those it does not list. */
export type HeaderName = string

/** One header field line, folding included. `name` and `value` are trimmed of white space. */
export interface HeaderField {
  readonly header: HeaderName
  readonly name: Range
  readonly value: Range
}

/** A scanned message. Ranges point into `bytes`, which is the caller's and must not change while the message is in use. */
export interface SipMessage {
  readonly bytes: Uint8Array
  /** The whole message, body included (RFC 3261 18.3: what follows Content-Length in a datagram is not part of it). */
  readonly range: Range
  readonly kind: 'request' | 'response'
  /** Of the request line, or of a response's CSeq. */
  readonly method: string
  /** 100..699; 0 in a request. */
  readonly statusCode: number
  readonly requestUri: Range | undefined
  readonly headers: readonly HeaderField[]
  /** `start === end` when there is no body. */
  readonly body: Range
  /** The digits of Content-Length, when the header is there. */
  readonly contentLength: Range | undefined
  readonly callId: string
  readonly cseq: number
  /** Tag parameters; empty when absent. */
  readonly fromTag: string
  readonly toTag: string
  /** The topmost Via's branch; empty when absent (RFC 2543). */
  readonly branch: string
  /** Expires header, seconds (a value that is no number counts as absent). */
  readonly expiresSec: number | undefined
  /** Value of the first header of that name as latin1 text, unfolded and trimmed; undefined when absent. */
  get(header: HeaderName): string | undefined
  /** Address-bearing headers that break their grammar, in ascending order. Computed on first use. */
  readonly addressProblems: readonly AddressProblem[]
}

/**
 * What comes next in a stream. `filler`: empty lines between messages (RFC 3261 7.5, RFC 5626 3.5.1), and nothing else. `foreign` and
 * `malformed`: nobody can say where the next message begins, and nothing more is read.
 */
export type StreamPart =
  | { readonly kind: 'message'; readonly message: SipMessage }
  | { readonly kind: 'filler'; readonly bytes: Uint8Array }
  | { readonly kind: 'foreign'; readonly reason: NotSip }
  | { readonly kind: 'malformed'; readonly reason: MalformedSip }

/** Bounds of one message. */
export interface SipLimits {
  /** Header lines, default 256, at most 4096. More is `headers-too-many`. */
  readonly maxHeaders?: number
  /** Bytes of the whole message, default 65535. More is `message-too-large`, a larger Content-Length `content-length-too-large`. */
  readonly maxBytes?: number
}

/** A part of a message's body: the whole body, or one part of a multipart body (RFC 5621). */
export interface BodyPart extends Range {
  /** Media type in lower case, without parameters: `application/sdp`. */
  readonly type: string
  /** Digits of the part's own Content-Length header, where it has one; its value must follow edits in the part. */
  readonly contentLength: Range | undefined
  /** Content-Disposition type in lower case: `session` (the default), `early-session` (RFC 3959) ... */
  readonly disposition: string
}

/** A session description inside a message. */
export type SdpBody = BodyPart

/** Where in a header an address stands (RFC 3261 25.1: hostport of a URI, sent-by, via-received, response-port, via-maddr, warn-agent). */
export type AddressPart = 'uri' | 'sent-by' | 'received' | 'rport' | 'maddr' | 'warn-agent'

/**
 * One address-bearing place of a message. `host` spans the host text, brackets of an IPv6 reference included; `port` the digits,
 * when there are any. For part `rport`, `host` is empty and `port` spans the value. `hostPortEnd` is where `:port` could be inserted.
 */
export interface AddressField {
  /** Header name, or `request-uri`. */
  readonly header: HeaderName
  readonly part: AddressPart
  /** Which value of the header's list, counted over all lines of that name from the top: 0 is the topmost Via. */
  readonly index: number
  readonly host: Range
  /** The host's text: canonical address without brackets when it is one, the name in lower case otherwise; empty for rport. */
  readonly address: string
  /** 4, 6, or 0 for a host name. */
  readonly family: 0 | 4 | 6
  readonly port: Range | undefined
  /** The port's value, 0 when absent. */
  readonly portNumber: number
  readonly hostPortEnd: number
  /** Lower-case scheme (`sip`, `sips`), or the Via's transport (`udp`, `tcp`); empty elsewhere. */
  readonly scheme: string
  /** Lower-case `transport` parameter of a URI (RFC 3261 19.1.1); empty when absent and for other parts. */
  readonly transport: string
}

/** A header line whose addresses could not be read; none of them is in the list of fields, and nothing in it is edited. */
export interface AddressProblem {
  /** Header name, or `request-uri`. */
  readonly header: HeaderName
  /** The header's value. */
  readonly range: Range
}

/** One Contact value (RFC 3261 20.10). */
export interface ContactValue {
  /** `Contact: *`. */
  readonly isWildcard: boolean
  /** The URI without angle brackets; empty for the wildcard. */
  readonly uri: Range
  /** Undefined for the wildcard, for a URI that is neither sip: nor sips:, and in a line with an address problem. */
  readonly address: AddressField | undefined
  /** The `expires` parameter, seconds. */
  readonly expiresSec: number | undefined
}
