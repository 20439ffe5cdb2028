import type { Endpoint, StreamContext } from 'cthelper'
import type { RtspMessage, Text } from './message.js'

const HEADERS = ['Content-Base', 'Content-Location', 'Location', 'RTP-Info']
const URI = /(rtsp[us]?:\/\/(?:[^@/\s",]*@)?)(\[[0-9a-f:.]+\]|[^:/?\s",;[\]]+)(?::(\d{1,5}))?/gi
/** RFC 7826 4.2. */
const STANDARD_PORT = 554

/**
 * Names the inside end of the connection as the outside knows it, and the other way about, where a URI names just that: in headers, and in
 * session descriptions (`a=control`, RFC 7826 D.1.1), whose length follows.
 */
export function mapUris(message: RtspMessage, context: StreamContext): void {
  const { inside, outside, way } = context
  const [from, to] = way === 'out' ? [inside, outside] : [outside, inside]
  const map = (value: Text) => mapValue(value, from, to, context)
  for (const value of [message.uri, ...HEADERS.flatMap((name) => message.headers(name))]) map(value)
  const { body } = message
  const [type] = message.headers('Content-Type')
  const grown = type && /^application\/sdp\b/i.test(type.text) ? map(body) : 0
  if (grown === 0) return
  for (const length of message.headers('Content-Length')) context.replace(length, `${body.text.length + grown}`)
}

/** Returns by how many bytes it grows. */
function mapValue({ start, text }: Text, from: Endpoint, to: Endpoint, context: StreamContext): number {
  let grown = 0
  for (const { 0: uri, 1: scheme = '', 2: host = '', 3: port, index } of text.matchAll(URI)) {
    if (host.replace(/[[\]]/g, '').toLowerCase() !== from.address) continue
    if (Number(port ?? STANDARD_PORT) !== from.port) continue
    const name = to.address.includes(':') ? `[${to.address}]` : to.address
    const mapped = port === undefined && to.port === STANDARD_PORT ? name : `${name}:${to.port}`
    context.replace({ start: start + index + scheme.length, end: start + index + uri.length }, mapped)
    grown += scheme.length + mapped.length - uri.length
  }
  return grown
}
