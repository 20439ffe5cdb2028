/**
 * How long one message takes in the scanners and the splice. Prints one line a measurement.
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

typicalMessage()
checkSink()
