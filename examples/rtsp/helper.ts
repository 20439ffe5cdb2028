import { isIP } from 'node:net'
import type { MediaWay, OnStreamMessage, StreamContext } from 'cthelper'
import { type RtspMessage, readMessage } from './message.js'
import { type Ends, type Transport, transportsOf } from './transport.js'
import { mapUris } from './uris.js'

export { frame } from './message.js'

/** A media stream of a host inside, and its way. */
interface Stream {
  readonly uri: string
  readonly port: number
  readonly rtcpPort: number
  way: MediaWay
  /** The session that holds it; empty: none yet. */
  session: string
}

/** A request that waits for its response. */
interface Pending {
  readonly method: string
  readonly uri: string
  readonly session: string
  /** Of a SETUP: what the client offered, and the streams it made. */
  readonly offered: readonly Transport[]
  readonly streams: readonly Stream[]
}

/** What is known of a connection: requests by who asked and CSeq, and the streams that stand. */
interface Known {
  readonly pending: Map<string, Pending>
  streams: Stream[]
}

const MOST_PENDING = 64
/** That a message may offer. */
const MOST_TRANSPORTS = 16
/** RFC 2326 7.1.1: the server does not know the session (any more). */
const SESSION_NOT_FOUND = 454
const known = new WeakMap<object, Known>()

/** Media of RTSP sessions (RFC 2326, RFC 7826), whichever side the server is on. Every other message passes with its URIs mapped. */
export const onMessage: OnStreamMessage = ({ bytes, way }, context) => {
  const message = readMessage(bytes)
  mapUris(message, context)
  const { connection } = context
  const state = known.get(connection) ?? { pending: new Map(), streams: [] }
  known.set(connection, state)
  const cseq = message.headers('CSeq')[0]?.text.trim()
  if (cseq === undefined) return
  if (message.status === 0) return request(message, `${way} ${cseq}`, state, context)
  const key = `${way === 'out' ? 'in' : 'out'} ${cseq}`
  const asked = state.pending.get(key)
  if (!asked || message.status < 200) return
  state.pending.delete(key)
  if (asked.method === 'SETUP') setUp(message, asked, state, context)
  else if (isSuccess(message) || message.status === SESSION_NOT_FOUND) tearDown(asked, state)
}

const isSuccess = ({ status }: RtspMessage): boolean => status >= 200 && status < 300
const sessionOf = (message: RtspMessage): string =>
  (message.headers('Session')[0]?.text ?? '').split(';', 1).join().trim()
const transports = (message: RtspMessage): Transport[] =>
  message.headers('Transport').flatMap(transportsOf).slice(0, MOST_TRANSPORTS)

function request(message: RtspMessage, key: string, { pending, streams }: Known, context: StreamContext): void {
  const { method, uri } = message
  if (method !== 'SETUP' && method !== 'TEARDOWN') return
  const offered = method === 'SETUP' ? transports(message) : []
  const asked: Stream[] = []
  // A client outside has ports of its own, which are nobody's to map.
  for (const it of context.way === 'out' ? offered : []) offer(it, uri.text, streams, asked, context)
  pending.set(key, { method, uri: uri.text, session: sessionOf(message), offered, streams: asked })
  if (pending.size > MOST_PENDING) pending.delete(pending.keys().next().value!)
}

/** A client inside names its ports. The server may be any of its own, until it says which. */
function offer(
  { isUnicastUdp, client }: Transport,
  uri: string,
  streams: readonly Stream[],
  asked: Stream[],
  context: StreamContext,
): void {
  if (!isUnicastUdp || !isInside(client, context)) return
  const { port, rtcpPort } = client
  const standing = [...streams, ...asked].find((it) => it.port === port && it.rtcpPort === rtcpPort)
  const from = { address: context.peer.address, port: 0 }
  const way = standing?.way ?? context.expectMedia({ from, to: port, rtcpPort })
  if (!way) return
  write(client, way, context)
  const stream = standing ?? { uri, port, rtcpPort, way, session: '' }
  if (!asked.includes(stream)) asked.push(stream)
}

/** Whether these are ports of the host inside itself, which it may have media at. */
function isInside({ host, port, rtcpPort }: Ends, { inside }: StreamContext): boolean {
  return (host === '' || host === inside.address) && port >= 1024 && (rtcpPort === 0 || rtcpPort >= 1024)
}

/** Writes a way's outside place, which may move until it stands, in place of an end. */
function write(ends: Ends, way: MediaWay, context: StreamContext): void {
  for (const [index, range] of ends.at(way).entries()) context.replace(range, () => ends.at(way)[index]!.text)
}

function setUp(message: RtspMessage, asked: Pending, state: Known, context: StreamContext): void {
  const [granted] = isSuccess(message) ? transports(message) : []
  const taken = granted?.isUnicastUdp && (context.way === 'in' ? grant : serve)(granted, asked, context)
  // What was offered besides, or in vain, is over; what a session holds is not.
  for (const stream of asked.streams) if (stream !== taken && stream.session === '') stream.way.close()
  if (!taken) return
  taken.session = sessionOf(message)
  state.streams = [...state.streams.filter((it) => it.port !== taken.port), taken]
}

/** The server, outside, takes one of the transports, and names its ports. The client gets its own back. */
function grant({ client, server }: Transport, { streams }: Pending, context: StreamContext): Stream | undefined {
  const stream = streams.find(({ way }) => way.port === client.port) ?? (client.port === 0 ? streams[0] : undefined)
  if (!stream) return undefined
  const { port, rtcpPort } = stream
  for (const edit of client.at({ address: context.inside.address, port, rtcpPort })) context.replace(edit, edit.text)
  const address = reachable(server.host, context)
  const from = { address, port: server.port, rtcpPort: server.rtcpPort }
  stream.way = context.expectMedia({ from, to: port, rtcpPort }) ?? stream.way
  return stream
}

/** The server, inside, names its ports, and the client, outside, has named its own. */
function serve({ client, server }: Transport, asked: Pending, context: StreamContext): Stream | undefined {
  const { peer } = context
  const far = client.port === 0 ? asked.offered.find((it) => it.isUnicastUdp)?.client : client
  if (!far || !isInside(server, context)) return undefined
  const from = { address: peer.address, port: far.port, rtcpPort: far.rtcpPort }
  const { port, rtcpPort } = server
  const way = context.expectMedia({ from, to: port, rtcpPort })
  if (!way) return undefined
  write(server, way, context)
  return { uri: asked.uri, port, rtcpPort, way, session: '' }
}

const PRIVATE = /^(10|127|192\.168|169\.254|172\.(1[6-9]|2\d|3[01]))\.|^f[cd]|^fe[89ab]/i

/** Where the server's media comes from: another host that it names, unless that is private and the server is not. */
function reachable(host: string, { peer, inside }: StreamContext): string {
  if (isIP(host) !== isIP(inside.address) || (PRIVATE.test(host) && !PRIVATE.test(peer.address))) return peer.address
  return host
}

/** One stream where the URI is that of its SETUP, else the whole session. */
function tearDown({ uri, session }: Pending, state: Known): void {
  const held = state.streams.filter((it) => it.session === session)
  const one = held.filter((it) => it.uri === uri)
  const over = one.length > 0 ? one : held
  for (const { way } of over) way.close()
  state.streams = state.streams.filter((it) => !over.includes(it))
}
