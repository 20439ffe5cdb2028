/**
 * How long one message takes, and whether time grows with the input and no faster. Prints one line a measurement.
 * Run: npx tsc -p . --noEmit false --outDir build/bench && node build/bench/bench/scan.js
 */
import { splicedLength } from '../lib/base/range.js'
import { locate, rebuild } from '../lib/packet/index.js'
import { scanSdp } from '../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies } from '../lib/sip/index.js'
import { typical } from '../test/corpus/messages.js'
import type { Edit } from '../types/range.js'
import { checkSink, measure, packetOf, print } from './measure.js'

/** The edits of a NAT: Via, From, Contact, o=, c=, m=, Content-Length and one more. */
function editsOf(packet: Uint8Array, at: number): Edit[] {
  const scan = scanMessage(packet, at, packet.length)
  if (scan.state !== 'found') throw new Error(scan.reason)
  const message = scan.value
  const [body] = sdpBodies(message)
  const sdp = scanSdp(packet, body!.start, body!.end)
  if (sdp.state !== 'found') throw new Error(sdp.reason)
  const { origin, connection, media } = sdp.value
  const edits: Edit[] = []
  for (const field of addressFields(message)) {
    if (field.address === '10.0.0.5') edits.push({ ...field.host, text: '203.0.113.77' })
  }
  edits.push({ ...message.contentLength!, text: '285' })
  edits.push({ ...origin!.range, text: '203.0.113.77' }, { ...connection!.range, text: '203.0.113.77' })
  edits.push({ ...media[0]!.port, text: '30000' })
  const requestUri = { ...addressFields(message)[0]!.port!, text: '5060' }
  return [requestUri, ...edits]
}

/** Everything the engine asks of a message before it decides; `all` adds what only some messages need. */
function scanAll(packet: Uint8Array, at: number, all: boolean): number {
  const scan = scanMessage(packet, at, packet.length)
  if (scan.state !== 'found') return 0
  const { body } = scan.value
  const fields = addressFields(scan.value).length
  if (!all) return fields + scanSdp(packet, body.start, body.end).state.length
  let count = fields + contactValues(scan.value).length
  for (const part of sdpBodies(scan.value)) count += scanSdp(packet, part.start, part.end).state.length
  return count
}

function typicalMessage(): void {
  const packet = packetOf(typical)
  const at = 28
  const end = packet.length
  const edits = editsOf(packet, at)
  const target = new Uint8Array(65536)
  console.log(
    `typical INVITE: ${typical.length} bytes, ${edits.length} edits, ${splicedLength(end, edits) - end} bytes longer`,
  )
  const scan = scanMessage(packet, at, end)
  const location = locate(packet)
  if (scan.state !== 'found' || location.state !== 'found') throw new Error('the sample does not scan')
  const { body } = scan.value
  const message = (): number => scanMessage(packet, at, end).state.length
  print('scanMessage', measure(message))
  const fields = (): number => {
    const scan = scanMessage(packet, at, end)
    return scan.state === 'found' ? addressFields(scan.value).length : 0
  }
  print('scanMessage + addressFields', measure(fields))
  print(
    'scanSdp',
    measure(() => scanSdp(packet, body.start, body.end).state.length),
  )
  print(
    'scanMessage + addressFields + scanSdp',
    measure(() => scanAll(packet, at, false)),
    'target 4',
  )
  print(
    'the same + contactValues + sdpBodies',
    measure(() => scanAll(packet, at, true)),
  )
  print(
    'locate',
    measure(() => locate(packet).state.length),
  )
  print(
    `rebuild, ${edits.length} edits`,
    measure(() => rebuild(packet, location, edits, target)),
    'target 1.5',
  )
  print(
    'rebuild, no edits',
    measure(() => rebuild(packet, location, [], target)),
  )
}

/** Inputs that tempt a scanner to look at a byte twice; each grows with `n`. */
const nasty: Readonly<Record<string, (n: number) => string>> = {
  'many commas': (n) => `Contact: ${'<sip:a@10.0.0.1>,'.repeat(n / 17)}<sip:b@10.0.0.2>`,
  'many semicolons': (n) => `Contact: <sip:a@10.0.0.1>${';'.repeat(n)}`,
  'many URI parameters': (n) => `Contact: <sip:a@10.0.0.1${';p=v'.repeat(n / 4)}>`,
  'many at signs': (n) => `Contact: <sip:${'a@'.repeat(n / 2)}10.0.0.1>`,
  'folded header': (n) => `Contact: ${'\r\n '.repeat(n / 3)}<sip:a@10.0.0.1>`,
  'unbalanced quotes': (n) => `Contact: ${'"a'.repeat(n / 2)}"`,
  'unbalanced brackets': (n) => `Contact: ${'<'.repeat(n)}`,
  'quotes in every value': (n) => `Contact: ${'"<,@" <sip:a@10.0.0.1>,'.repeat(n / 23)}"`,
  'many Vias in one line': (n) => `Via: ${'SIP/2.0/UDP 10.0.0.1;branch=z,'.repeat(n / 30)}SIP/2.0/UDP 10.0.0.2`,
  'white space': (n) => `Contact: ${' '.repeat(n)}<sip:a@10.0.0.1>`,
  'space before colons': (n) => `Contact: <sip:a@10.0.0.1>${' ;x'.repeat(n / 3)}`,
  'many boundaries': (n) => `Content-Type: multipart/mixed;boundary=b\r\nX: ${'-'.repeat(n)}`,
}

function messageWith(header: string, body = ''): Uint8Array {
  const head = `INVITE sip:a@10.0.0.9 SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1\r\nFrom: <sip:a@h>;tag=1\r\nTo: <sip:b@h>`
  return Buffer.from(`${head}\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n${header}\r\n\r\n${body}`, 'latin1')
}

function growth(name: string, make: (n: number) => Uint8Array, run: (bytes: Uint8Array) => number): void {
  const times = [8192, 16384, 32768, 65000].map((n) => {
    const bytes = make(n)
    return measure(() => run(bytes), 200, 4)
  })
  const ratio = times[3]! / times[0]!
  console.log(
    `${name.padEnd(28)} ${times.map((time) => time.toFixed(1).padStart(9)).join('')} us   x${ratio.toFixed(1)} for x7.9`,
  )
}

function nastyInputs(): void {
  console.log('\n8, 16, 32, 64 KiB of:')
  const wide = { maxBytes: 1 << 20 }
  for (const [name, header] of Object.entries(nasty)) {
    const body = name === 'many boundaries' ? '--b\r\n\r\n'.repeat(5000) : ''
    growth(
      name,
      (n) => messageWith(header(n), body),
      (bytes) => {
        const scan = scanMessage(bytes, 0, bytes.length, wide)
        if (scan.state !== 'found') throw new Error(scan.reason)
        return addressFields(scan.value).length + contactValues(scan.value).length + sdpBodies(scan.value).length
      },
    )
  }
  growth(
    'SDP attribute lines',
    (n) =>
      Buffer.from(`v=0\r\nm=audio 0 RTP/AVP 0\r\n${'a=candidate:1 1 udp 1 10.0.0.1 1 typ host\r\n'.repeat(n / 43)}`),
    (bytes) => scanSdp(bytes, 0, bytes.length, wide).state.length,
  )
  growth(
    'SDP one long line',
    (n) => Buffer.from(`v=0\r\na=candidate:${' '.repeat(n)}`),
    (bytes) => scanSdp(bytes, 0, bytes.length, wide).state.length,
  )
}

typicalMessage()
nastyInputs()
checkSink()
