import fc from 'fast-check'
import t from 'tap'
import { splice, splicedLength } from '../../lib/base/range.js'
import { scanSdp } from '../../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies, summary } from '../../lib/sip/index.js'
import type { Edit, Range } from '../../types/range.js'
import type { AddressField, SipMessage } from '../../types/sip.js'
import { samples } from '../corpus/messages.js'
import { tortureMessages } from '../corpus/torture.js'
import { runs } from '../law.js'

/** What must hold of whatever bytes, for the scanners and everything that reads their results. */
const corpus = [...samples.map(({ bytes }) => bytes), ...tortureMessages().map(([, bytes]) => bytes)]

function inside(what: string, range: Range, outer: Range): void {
  if (range.start > range.end || range.start < outer.start || range.end > outer.end)
    throw new Error(`${what} [${range.start}, ${range.end}) outside [${outer.start}, ${outer.end})`)
}

function checkFields(message: SipMessage): void {
  let last = message.range.start
  for (const field of addressFields(message)) {
    const { host, port, hostPortEnd, header, part } = field
    const end = port?.end ?? host.end
    inside(`${header} ${part}`, { start: host.start, end }, { start: last, end: message.body.start })
    if (port) inside('port', port, { start: host.end, end })
    if (hostPortEnd !== end) throw new Error('hostPortEnd')
    last = end
  }
  for (const { range } of message.addressProblems) inside('problem', range, message.range)
}

function checkSdp(bytes: Uint8Array, body: Range): void {
  const scan = scanSdp(bytes, body.start, body.end)
  if (scan.state !== 'found') return
  const { origin, connection, media } = scan.value
  for (const address of [origin, connection]) if (address) inside('address', address.range, body)
  let last = body.start
  for (const section of media) {
    inside('section', section.range, { start: last, end: body.end })
    last = section.range.end
    const { port, rtcp, candidates, remoteCandidates, path } = section
    for (const range of [port, section.connection?.range, rtcp?.port, rtcp?.address?.range])
      if (range) inside('field', range, section.range)
    for (const { host, port } of [...candidates, ...remoteCandidates, ...path]) {
      inside('host', host, section.range)
      inside('port', port, { start: host.end, end: section.range.end })
    }
    for (const { line } of candidates) inside('line', line, section.range)
  }
}

/** Scans and checks everything; true when the bytes are a message. */
function check(bytes: Uint8Array, start = 0, end = bytes.length): boolean {
  const scan = scanMessage(bytes, start, end)
  if (scan.state !== 'found') return false
  const message = scan.value
  inside('message', message.range, { start, end })
  inside('body', message.body, message.range)
  let last = message.range.start
  for (const { name, value } of message.headers) {
    inside('name', name, { start: last, end: message.body.start })
    inside('value', value, { start: name.end, end: message.body.start })
    last = value.end
  }
  checkFields(message)
  for (const { uri } of contactValues(message)) inside('contact', uri, message.range)
  for (const body of sdpBodies(message)) {
    inside('description', body, message.body)
    if (body.contentLength) inside('part length', body.contentLength, message.body)
    checkSdp(bytes, body)
  }
  if (/[^ -~]/.test(summary(message))) throw new Error('summary')
  return true
}

/** Pieces that scanners stumble over. */
const piece = fc.constantFrom(
  ...[
    '\r\n',
    '\r',
    '\n',
    ' ',
    '\t',
    ':',
    ';',
    ',',
    '<',
    '>',
    '"',
    '\\',
    '@',
    '[',
    ']',
    '=',
    '/',
    '?',
    '*',
    '\0',
    '--',
    '%00',
  ],
  ...[
    'sip:',
    'sips:',
    'tel:',
    '10.0.0.1',
    '[2001:db8::1]',
    ':5060',
    ':99999',
    'Via: ',
    'Contact: ',
    'SIP/2.0/UDP ',
    '\r\n\r\n',
  ],
  ...[
    'Content-Length: ',
    'v=0\r\n',
    'c=IN IP4 ',
    'm=audio ',
    'a=candidate:',
    'a=rtcp:',
    'received=',
    'maddr=',
    'rport=',
  ],
)

/** A corpus message with pieces inserted, or put in place of some bytes, and perhaps cut. */
const mutated = fc
  .tuple(
    fc.constantFrom(...corpus),
    fc.array(fc.tuple(fc.nat(), fc.nat({ max: 12 }), fc.oneof(piece, fc.string({ maxLength: 4 }))), {
      minLength: 1,
      maxLength: 6,
    }),
    fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, fc.nat()),
  )
  .map(([message, changes, cut]) => {
    let text = Buffer.from(message).toString('latin1')
    for (const [place, length, put] of changes) {
      const at = place % (text.length + 1)
      text = text.slice(0, at) + put + text.slice(at + length)
    }
    return Buffer.from(cut === null ? text : text.slice(0, cut % (text.length + 1)), 'latin1')
  })

t.test('any bytes', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void check(bytes)),
    runs(3000),
  )
  const shards = fc.array(piece, { maxLength: 80 }).map((pieces) => Buffer.from(pieces.join(''), 'latin1'))
  const started = shards.map((bytes) => Buffer.concat([Buffer.from('INVITE sip:a@b SIP/2.0\r\n'), bytes]))
  fc.assert(
    fc.property(started, (bytes) => void check(bytes)),
    runs(3000),
  )
  t.pass('no exception, ranges inside, fields ascending')
})

t.test('mutated messages', async (t) => {
  let found = 0
  fc.assert(
    fc.property(mutated, (bytes) => {
      if (check(bytes)) found++
    }),
    runs(6000),
  )
  t.ok(found > 500, `no exception, ranges inside; ${found} of 6000 still messages`)
})

t.test('mutated descriptions', async (t) => {
  const described = samples
    .map(({ bytes }) => Buffer.from(bytes).toString('latin1').split('\r\n\r\nv=0')[1])
    .filter((body) => body !== undefined)
  const arbitrary = fc
    .tuple(fc.constantFrom(...described), fc.array(fc.tuple(fc.nat(), fc.nat({ max: 8 }), piece), { maxLength: 5 }))
    .map(([body, changes]) => {
      let text = `v=0${body}`
      for (const [place, length, put] of changes) {
        const at = 3 + (place % (text.length - 2))
        text = text.slice(0, at) + put + text.slice(at + length)
      }
      return Buffer.from(text, 'latin1')
    })
  fc.assert(
    fc.property(arbitrary, (bytes) => checkSdp(bytes, { start: 0, end: bytes.length })),
    runs(4000),
  )
  t.pass('no exception, ranges inside')
})

t.test('position does not matter', async (t) => {
  for (const bytes of corpus) {
    const shifted = Buffer.concat([Buffer.alloc(28, 0x41), bytes, Buffer.alloc(5, 0x41)])
    const [here, there] = [scanMessage(bytes, 0, bytes.length), scanMessage(shifted, 28, 28 + bytes.length)]
    t.equal(here.state, there.state)
    if (here.state !== 'found' || there.state !== 'found') continue
    const starts = (message: SipMessage): number[] => addressFields(message).map(({ host }) => host.start)
    t.strictSame(
      starts(there.value).map((start) => start - 28),
      starts(here.value),
    )
    t.strictSame(
      [there.value.callId, there.value.branch, there.value.toTag],
      [here.value.callId, here.value.branch, here.value.toTag],
    )
  }
})

/** Replaces every literal address, as a NAT would, and says with which text. */
function edit(field: AddressField, text: string): Edit | undefined {
  return field.family === 0 ? undefined : { ...field.host, text }
}

t.test('edits touch their ranges only, and undo exactly', async (t) => {
  for (const bytes of corpus) {
    const scan = scanMessage(bytes, 0, bytes.length)
    if (scan.state !== 'found') continue
    const fields = addressFields(scan.value)
    const edits = fields.map((field) => edit(field, '203.0.113.200')).filter((one) => one !== undefined)
    const made = Buffer.alloc(splicedLength(bytes.length, edits))
    t.equal(splice(bytes, 0, bytes.length, edits, made, 0), made.length)
    const again = scanMessage(made, 0, made.length)
    // Without Content-Length fixed up, only a body that runs to the end can be shorter or longer.
    if (again.state !== 'found') throw new Error(again.reason)
    const places = addressFields(again.value)
    t.strictSame(
      places.map(({ header, part, index, portNumber, scheme, transport }) => [
        header,
        part,
        index,
        portNumber,
        scheme,
        transport,
      ]),
      fields.map(({ header, part, index, portNumber, scheme, transport }) => [
        header,
        part,
        index,
        portNumber,
        scheme,
        transport,
      ]),
    )
    const back = places.flatMap((place, i): Edit[] => {
      const { host, family } = fields[i]!
      return family === 0
        ? []
        : [{ ...place.host, text: Buffer.from(bytes.subarray(host.start, host.end)).toString('latin1') }]
    })
    const restored = Buffer.alloc(bytes.length)
    t.equal(splice(made, 0, made.length, back, restored, 0), bytes.length)
    t.ok(restored.equals(bytes), 'the same bytes')
  }
})
