import t from 'tap'
import { scanSdp } from '../../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies, summary } from '../../lib/sip/index.js'
import type { AddressField, SipMessage } from '../../types/sip.js'
import { compose, samples } from '../corpus/messages.js'

function found(bytes: Uint8Array): SipMessage {
  const scan = scanMessage(bytes, 0, bytes.length)
  if (scan.state !== 'found') throw new Error(`${scan.state} ${scan.reason}`)
  return scan.value
}

const place = ({ header, index, part, address, portNumber }: AddressField): string =>
  part === 'rport' ? `${header}[${index}].rport ${portNumber}` : `${header}[${index}].${part} ${address}:${portNumber}`

/** The part of a text message that a range spans. */
const slice = (bytes: Uint8Array, range: { start: number; end: number }): string =>
  Buffer.from(bytes.subarray(range.start, range.end)).toString('latin1')

for (const { name, bytes, method, statusCode, fields, media } of samples) {
  t.test(name, async (t) => {
    const message = found(bytes)
    t.equal(message.method, method)
    t.equal(message.statusCode, statusCode)
    t.equal(message.kind, statusCode === 0 ? 'request' : 'response')
    t.strictSame(message.range, { start: 0, end: bytes.length }, 'the whole datagram')
    t.strictSame(addressFields(message).map(place), fields)
    t.strictSame(message.addressProblems, [])
    const described = sdpBodies(message).flatMap((body) => {
      const scan = scanSdp(bytes, body.start, body.end)
      if (scan.state !== 'found') throw new Error(scan.reason)
      const { connection, media } = scan.value
      return media.map((m) => `${m.type} ${m.portNumber} ${(m.connection ?? connection)?.address}`)
    })
    t.strictSame(described, media)
  })
}
