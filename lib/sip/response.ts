import type { Endpoint } from '../../types/endpoint.js'
import type { SipMessage } from '../../types/sip.js'

/** Headers that a response has of its request (RFC 3261 8.2.6.2), and those of which there is one. */
const COPIED = ['via', 'from', 'to', 'call-id', 'cseq'] as const
const NAMES = { via: 'Via', from: 'From', to: 'To', 'call-id': 'Call-ID', cseq: 'CSeq' } as const

/**
 * A response without a body to `request`, latin1 text: every Via, From, To (with a tag), Call-ID and CSeq as they are, the topmost Via
 * with `received` and `rport` of the sender where it asks for them (RFC 3581 4). `tag` is the To tag of a dialog there will not be.
 */
export function responseTo(request: SipMessage, status: number, reason: string, sender: Endpoint, tag: string): string {
  const lines = [`SIP/2.0 ${status} ${reason}`]
  let isTopmost = true
  for (const { header, value } of request.headers) {
    const name = COPIED.find((it) => it === header)
    if (!name) continue
    let text = latin1(request.bytes, value.start, value.end)
    if (name === 'via' && isTopmost) {
      text = withSender(text, sender)
      isTopmost = false
    }
    if (name === 'to' && request.toTag === '') text += `;tag=${tag}`
    lines.push(`${NAMES[name]}: ${text}`)
  }
  return [...lines, 'Content-Length: 0', '', ''].join('\r\n')
}

/** An empty rport of the first value. */
function withSender(via: string, { address, port }: Endpoint): string {
  return via.replace(/^([^,]*);\s*rport(?=\s*(?:[;,]|$))/i, `$1;rport=${port};received=${address}`)
}

const latin1 = (bytes: Uint8Array, start: number, end: number): string =>
  Buffer.prototype.latin1Slice.call(bytes, start, end)
