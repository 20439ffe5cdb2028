/**
 * Whether time grows with the input and no faster: inputs that tempt a scanner to look at a byte twice, at 8 to 64 KiB, which is what the
 * budgets allow a message; through all the scanners, and through the engine's plan and edits with every address one of ours. Prints a
 * line an input and way, and what stands out.
 * Run: npx tsc -p . --noEmit false --outDir build/bench && node build/bench/bench/growth.js [PART OF A NAME]
 */
import { Engine } from '../lib/call/index.js'
import { scanSdp } from '../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies, uriBodies } from '../lib/sip/index.js'
import type { Flow } from '../types/flow.js'
import type { SipMessage } from '../types/sip.js'
import { checkSink, measure } from './measure.js'

const flow: Flow = {
  family: 4,
  binding: {
    inside: { address: '10.0.0.1', port: 5060 },
    outside: { address: '203.0.113.77', port: 40_000 },
    transport: 'udp',
    implied: undefined,
  },
  peer: { address: '198.51.100.20', port: 5060 },
}
const MAX_HEADERS = 4096
/** The highest that the budgets take; what goes beyond is refused, in no time. */
const STREAMS = 256
const PINHOLES = 1024

const SIZES = [8192, 16_384, 32_768, 65_000] as const
const WANTED = SIZES.at(-1)! / SIZES[0]
/** The largest input may take half as long again as its length says: rounds differ by a third on a machine that is not alone. */
const TOLERANCE = 1.5

/** What of a message grows with `n`: header lines and a body, or either. */
interface Grown {
  readonly headers?: string
  readonly body?: string
  readonly method?: string
}

const times = (n: number, text: string): string => text.repeat(Math.max(1, Math.floor(n / text.length)))
const sip = '<sip:a@10.0.0.1>'
const headers =
  (make: (n: number) => string, method = 'INFO') =>
  (n: number): Grown => ({ headers: make(n), method })
const body =
  (type: string, make: (n: number) => string, method = 'INFO') =>
  (n: number): Grown => ({ headers: `Content-Type: ${type}`, body: make(n), method })
const sdp = (make: (n: number) => string) => body('application/sdp', (n) => `${session}${make(n)}`, 'INVITE')
const session = 'v=0\r\no=- 1 1 IN IP4 10.0.0.1\r\ns=-\r\nc=IN IP4 10.0.0.1\r\nt=0 0\r\n'
const audio = 'm=audio 4000 RTP/AVP 0\r\n'
const mixed = 'multipart/mixed;boundary=b'

/** Streams on ports of their own, from 1024 on; as many as the budget allows in 64 KiB. */
function streams(n: number, section: (line: string) => string): string {
  const count = Math.floor((n / SIZES.at(-1)!) * STREAMS)
  return Array.from({ length: count }, (_, i) => section(`m=audio ${1024 + 2 * i} RTP/AVP 0\r\n`)).join('')
}

/** Parts within parts, `depth` deep, each with its own boundary; the text of the innermost is `inner`. */
function nested(depth: number, inner: string, at = 0): string {
  if (at === depth) return inner
  const type = `Content-Type: multipart/mixed;boundary=b${at}\r\n\r\n`
  return `${at === 0 ? '' : type}--b${at}\r\n${nested(depth, inner, at + 1)}\r\n--b${at}--\r\n`
}

const nasty: Readonly<Record<string, (n: number) => Grown>> = {
  'many Vias, a line each': headers((n) => `${times(n, 'Via: SIP/2.0/UDP 10.0.0.1;rport=1\r\n')}X: y`),
  'many Vias in one line': headers((n) => `Via: ${times(n, 'SIP/2.0/UDP 10.0.0.1;branch=z,')}SIP/2.0/UDP 10.0.0.2`),
  'many header lines': headers((n) => `${times(n, 'X: y\r\n').slice(0, 6 * (MAX_HEADERS - 20))}X: y`),
  'many commas': headers((n) => `Contact: ${times(n, `${sip},`)}${sip}`),
  'commas alone': headers((n) => `Contact: ${','.repeat(n)}${sip}`),
  'many semicolons': headers((n) => `Contact: ${sip}${';'.repeat(n)}`),
  'many URI parameters': headers((n) => `Contact: <sip:a@10.0.0.1${times(n, ';p=v')}>`),
  'many at signs': headers((n) => `Contact: <sip:${times(n, 'a@')}10.0.0.1>`),
  'many colons': headers((n) => `Contact: <sip:a@10.0.0.1${':'.repeat(n)}>`),
  'escaped URIs': headers((n) => `Contact: ${times(n, '<sip:%61%40%31@10.0.0.1?a=%3Csip%3A>,')}${sip}`),
  'one long escaped URI': headers((n) => `Contact: <sip:${times(n, '%61')}@10.0.0.1>`),
  'folded header': headers((n) => `Contact: ${times(n, '\r\n ')}${sip}`),
  'folded Via': headers((n) => `Via: SIP/2.0/UDP${times(n, '\r\n\t')}10.0.0.1`),
  'unclosed quotes': headers((n) => `Contact: ${times(n, `"a" ${sip},`)}"${'a\\"'.repeat(9)}`),
  'quotes, quotes': headers((n) => `Contact: ${times(n, '"a')}"`),
  'backslashes in quotes': headers((n) => `Contact: "${'\\'.repeat(n & ~1)}" ${sip}`),
  'unbalanced brackets': headers((n) => `Contact: ${'<'.repeat(n)}`),
  'quotes in every value': headers((n) => `Contact: ${times(n, `"<,@" ${sip},`)}${sip}`),
  'white space': headers((n) => `Contact: ${' '.repeat(n)}${sip}`),
  'space before parameters': headers((n) => `Contact: ${sip}${times(n, ' ;x')}`),
  'REGISTER, many contacts': headers((n) => `Contact: ${times(n, `${sip};expires=60,`)}${sip}`, 'REGISTER'),
  Warnings: headers((n) => `Warning: ${times(n, '399 10.0.0.1 "a, b",')}399 10.0.0.1 "c"`),
  'multipart, many parts': body(mixed, (n) => times(n, '--b\r\n\r\n')),
  'multipart, boundaries nearly': body(mixed, (n) => `--b\r\n\r\n${times(n, '--c\r\n--\r\n-\r\n--b-\r\n')}`),
  'multipart, a long boundary nearly': body(`multipart/mixed;boundary=${'-'.repeat(70)}`, (n) =>
    times(n, `--${'-'.repeat(69)}+\r\n`),
  ),
  'multipart, headers of a part': body(mixed, (n) => `--b\r\n${times(n, 'a: b\r\n')}\r\n--b--`),
  'multipart, a header folded': body(mixed, (n) => `--b\r\nContent-Type:${times(n, '\r\n ')}text/plain\r\n\r\n--b--`),
  'multipart, nested': body('multipart/mixed;boundary=b0', (n) => nested(4, times(n, '--b4\r\n'))),
  'multipart, deeper than is read': body('multipart/mixed;boundary=b0', (n) => nested(Math.floor(n / 96), 'a')),
  'multipart, parameters': headers((n) => `Content-Type: ${mixed}${times(n, ';a="b')}"`),
  'multipart, parts with URIs': body(mixed, (n) =>
    times(
      n,
      `--b\r\nContent-Type: message/sipfrag\r\nContent-Length: ${Math.floor(n / 64)}\r\n\r\n${times(n / 64, `${sip} `)}\r\n`,
    ),
  ),
  'body URIs': body('message/sipfrag', (n) => times(n, `${sip}\r\n`)),
  'body URIs, white space': body('message/sipfrag', (n) => times(n, `> ${' '.repeat(200)}sip:a@10.0.0.1`)),
  'body URIs, long tags': body('application/pidf+xml', (n) => times(n, `<${'a '.repeat(120)}>sip:a@10.0.0.1`)),
  'body URIs, colons alone': body('message/sipfrag', (n) => times(n, 'sip:')),
  'body URIs, one long': body('message/sipfrag', (n) => `sip:${times(n, 'a@')}`),
  'SDP, a= lines': sdp((n) => `${audio}${times(n, 'a=x\r\n')}`),
  'SDP, candidates': sdp((n) => `${audio}${times(n, 'a=candidate:1 1 udp 1 10.0.0.1 4000 typ host\r\n')}`),
  'SDP, remote candidates': sdp((n) => `${audio}a=remote-candidates:${times(n, '1 10.0.0.1 4000 ')}\r\n`),
  'SDP, groups': sdp((n) => `${times(n, 'a=group:BUNDLE a b\r\n')}${audio}`),
  'SDP, one long group': sdp((n) => `a=group:BUNDLE${times(n, ' a')}\r\n${audio}`),
  'SDP, one long path': sdp(
    (n) => `m=message 4000 TCP/MSRP *\r\na=path:${times(n, 'msrp://10.0.0.1:4000/a;tcp ')}\r\n`,
  ),
  'SDP, one long line': sdp((n) => `${audio}a=candidate:${' '.repeat(n)}\r\n`),
  'SDP, streams': sdp((n) => streams(n, (line) => line)),
  'SDP, streams with c=': sdp((n) => streams(n, (line) => `${line}c=IN IP4 10.0.0.1\r\n`)),
  'SDP, streams with much in them': sdp((n) => streams(n, (line) => `${line}${'a=x\r\n'.repeat(20)}`)),
  'SDP, streams on one port': sdp((n) => times(n, 'm=audio 4000 RTP/AVP 0\r\n').slice(0, 24 * STREAMS)),
}

/** A message of at most 65,535 bytes; `n` is brought down to what is left beside the rest. */
function messageOf(make: (n: number) => Grown, n: number): Uint8Array {
  const { headers = 'X: y', body = '', method = 'INFO' } = make(n - 400)
  const head = `${method} sip:a@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>`
  return Buffer.from(`${head}\r\nCall-ID: c\r\nCSeq: 1 ${method}\r\n${headers}\r\n\r\n${body}`, 'latin1')
}

function scanned(bytes: Uint8Array): SipMessage {
  const scan = scanMessage(bytes, 0, bytes.length, { maxHeaders: MAX_HEADERS })
  if (scan.state !== 'found') throw new Error(scan.reason)
  return scan.value
}

/** Everything that reads a message. */
function throughScanners(bytes: Uint8Array): number {
  const message = scanned(bytes)
  let count = addressFields(message).length + contactValues(message).length
  for (const { start, end } of sdpBodies(message))
    count += scanSdp(bytes, start, end, { maxMedia: STREAMS }).state.length
  for (const { fields } of uriBodies(message)) count += fields.length
  return count
}

/** As the first message of its call, so that nothing is known yet. */
function throughEngine(bytes: Uint8Array): number {
  const engine = new Engine({
    source: 'latch',
    early: 'peer',
    budgets: { streams: STREAMS, pinholesPerCall: PINHOLES },
  })
  const plan = engine.plan(scanned(bytes), flow, 'out', 1_700_000_000_000)
  return plan.edits().length + plan.open.length
}

function growth(name: string, messages: readonly Uint8Array[], run: (bytes: Uint8Array) => number): void {
  const times = messages.map((bytes) => measure(() => run(bytes), 40, 8))
  const ratio = times.at(-1)! / times[0]!
  const note = ratio > WANTED * TOLERANCE ? '  grows faster' : ''
  const shown = times.map((time) => time.toFixed(1).padStart(9)).join('')
  console.log(`${name.padEnd(44)}${shown} us   x${ratio.toFixed(1)}${note}`)
}

console.log(`8, 16, 32, 64 KiB; a line is linear up to x${WANTED.toFixed(1)}:`)
const wanted = process.argv[2] ?? ''
for (const [name, make] of Object.entries(nasty)) {
  if (!name.includes(wanted)) continue
  const messages = SIZES.map((n) => messageOf(make, n))
  growth(`${name}, scanners`, messages, throughScanners)
  growth(`${name}, engine`, messages, throughEngine)
}
checkSink()
