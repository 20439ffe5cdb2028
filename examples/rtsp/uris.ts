import type { Endpoint, StreamContext } from 'cthelper'
import type { RtspMessage, Text } from './message.js'

const HEADERS = ['Content-Base', 'Content-Location', 'Location', 'RTP-Info']
const URI = /(rtsp[us]?:\/\/(?:[^@/\s",]*@)?)(\[[0-9a-f:.]+\]|[^:/?\s",;[\]]+)(?::(\d{1,5}))?/gi
/** RFC 7826 4.2. */
const STANDARD_PORT = 554

/** Names the inside end of the connection as the outside knows it, and the other way about, where a URI names just that. */
export function mapUris(message: RtspMessage, context: StreamContext): void {
  const { inside, outside, way } = context
  const [from, to] = way === 'out' ? [inside, outside] : [outside, inside]
  for (const value of [message.uri, ...HEADERS.flatMap((name) => message.headers(name))])
    mapValue(value, from, to, context)
}

function mapValue({ start, text }: Text, from: Endpoint, to: Endpoint, context: StreamContext): void {
  for (const { 0: uri, 1: scheme = '', 2: host = '', 3: port, index } of text.matchAll(URI)) {
    if (host.replace(/[[\]]/g, '').toLowerCase() !== from.address) continue
    if (Number(port ?? STANDARD_PORT) !== from.port) continue
    const name = to.address.includes(':') ? `[${to.address}]` : to.address
    const isShort = port === undefined && to.port === STANDARD_PORT
    const range = { start: start + index + scheme.length, end: start + index + uri.length }
    context.replace(range, isShort ? name : `${name}:${to.port}`)
  }
}
