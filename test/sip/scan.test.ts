import t from 'tap'
import { scanSdp } from '../../lib/sdp/index.js'
import { addressFields, scanMessage, sdpBodies, summary } from '../../lib/sip/index.js'
import type { AddressField, SipLimits } from '../../types/sip.js'
import { sampleOf, samples } from '../corpus/messages.js'
import { bytesOf, found, request } from './message.js'

const place = ({ header, index, part, address, portNumber }: AddressField): string =>
  part === 'rport' ? `${header}[${index}].rport ${portNumber}` : `${header}[${index}].${part} ${address}:${portNumber}`

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

t.test('identifiers', async (t) => {
  const sample = sampleOf('folded-and-spaced')
  const { callId, cseq, fromTag, toTag, branch, expiresSec } = found(sample.bytes)
  t.strictSame(
    { callId, cseq, fromTag, toTag, branch, expiresSec },
    { callId: 'folded@192.168.7.7', cseq: 7, fromTag: 'f1', toTag: 't1', branch: 'z9hG4bKfold', expiresSec: undefined },
  )
  t.equal(found(sampleOf('polycom-register').bytes).expiresSec, 3600)
  t.equal(found(request('Expires: soon')).expiresSec, undefined, 'a value that is no number counts as absent')
})

t.test('get and headers', async (t) => {
  const message = found(
    request('m: <sip:a@10.0.0.1>,\r\n\t<sip:b@10.0.0.2>\r\nX-Thing :  one\r\nSubject:\r\nx-thing: two'),
  )
  t.equal(message.get('contact'), '<sip:a@10.0.0.1>, <sip:b@10.0.0.2>', 'unfolded')
  t.equal(message.get('X-THING'), 'one', 'the first, also of a header outside the table')
  t.equal(message.get('subject'), '', 'empty')
  t.equal(message.get('expires'), undefined)
  const names = message.headers.map(({ header, name }) => `${header}=${bytesOf(message.bytes, name)}`)
  t.strictSame(names.slice(-4), ['contact=m', 'other=X-Thing', 'subject=Subject', 'other=x-thing'])
})

/** What a SIP port receives besides SIP, and SIP that breaks. Each row: why, bytes, expected reason, limits. */
const refused: readonly [why: string, bytes: string | Uint8Array, reason: string, limits?: SipLimits][] = [
  ['nothing', '', 'empty'],
  ['RFC 5626 ping', '\r\n\r\n', 'keep-alive'],
  ['RFC 5626 pong', '\r\n', 'keep-alive'],
  ['a NUL', '\0', 'keep-alive'],
  ['NULs', '\0\0\0\0', 'keep-alive'],
  ['STUN binding request', Buffer.from('000100002112a442000102030405060708090a0b', 'hex'), 'stun'],
  ['RTP', Buffer.from('80000001000000a000000001ffff', 'hex'), 'not-sip'],
  ['many NULs', '\0'.repeat(64), 'not-sip'],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'not-sip'],
  ['text', 'hello', 'not-sip'],
  ['two spaces', 'INVITE  sip:a@b SIP/2.0\r\n\r\n', 'start-line'],
  ['no URI', 'INVITE SIP/2.0\r\n\r\n', 'start-line'],
  ['URI without scheme', 'INVITE bob SIP/2.0\r\n\r\n', 'start-line'],
  ['another version', 'INVITE sip:a@b SIP/3.0\r\n\r\n', 'sip-version'],
  ['another version', 'SIP/1.0 200 OK\r\n\r\n', 'sip-version'],
  ['a version that begins like ours', 'SIP/2.01 200 OK\r\n\r\n', 'sip-version'],
  ['code too low', 'SIP/2.0 099 X\r\n\r\n', 'status-code'],
  ['code too high', 'SIP/2.0 700 X\r\n\r\n', 'status-code'],
  ['code too long', 'SIP/2.0 2000 X\r\n\r\n', 'status-code'],
  ['code cut off', 'SIP/2.0 20', 'status-code'],
  ['no colon', request('Nonsense'), 'header-line'],
  ['a name that is no token', request('Na(me: x'), 'header-line'],
  ['no name', request(': x'), 'header-line'],
  ['a fold before the first header', 'INVITE sip:a@b SIP/2.0\r\n Via: x\r\n\r\n', 'header-line'],
  ['a lone CR', request('Subject: a\rb'), 'header-line'],
  ['no empty line', request('').subarray(0, -2), 'headers-unterminated'],
  ['cut in a name', 'INVITE sip:a@b SIP/2.0\r\nVi', 'headers-unterminated'],
  ['one header too many', request('A: 1\r\nB: 2'), 'headers-too-many', { maxHeaders: 6 }],
  ['too long', request(''), 'message-too-large', { maxBytes: 100 }],
  ['no Call-ID', request('', { 'Call-ID': undefined }), 'call-id-missing'],
  ['empty Call-ID', request('', { 'Call-ID': '' }), 'call-id-missing'],
  ['no CSeq', request('', { CSeq: undefined }), 'cseq-missing'],
  ['CSeq without method', request('', { CSeq: '1' }), 'cseq-invalid'],
  ['CSeq without number', request('', { CSeq: 'INVITE' }), 'cseq-invalid'],
  ['CSeq above 2^31', request('', { CSeq: '2147483648 INVITE' }), 'cseq-invalid'],
  ['CSeq with junk', request('', { CSeq: '1 INVITE, 2' }), 'cseq-invalid'],
  ['CSeq of another method', request('', { CSeq: '1 BYE' }), 'cseq-method-mismatch'],
  ['methods are case-sensitive', request('', { CSeq: '1 invite' }), 'cseq-method-mismatch'],
  ['no From', request('', { From: undefined }), 'from-missing'],
  ['no To', request('', { To: undefined }), 'to-missing'],
  ['no Via', request('', { Via: undefined }), 'via-missing'],
  ['From never ends its quote', request('', { From: '"a <sip:a@b>;tag=1' }), 'address-syntax'],
  ['To never closes its bracket', request('', { To: '<sip:a@b;tag=1' }), 'address-syntax'],
  ['two Call-IDs', request('i: again'), 'header-repeated'],
  ['two Content-Lengths', request('l: 0\r\nContent-Length: 0'), 'header-repeated'],
  ['length no number', request('l: -1'), 'content-length-invalid'],
  ['length empty', request('l:'), 'content-length-invalid'],
  ['length beyond the datagram', request('l: 5'), 'content-length-mismatch'],
  ['length beyond every datagram', request('l: 99999'), 'content-length-too-large'],
  ['length beyond every number', request(`l: 1${'0'.repeat(40)}`), 'content-length-invalid'],
]

for (const [why, bytes, reason, limits] of refused) {
  t.test(`${reason}: ${why}`, async (t) => {
    const buffer = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    const scan = scanMessage(buffer, 0, buffer.length, limits)
    t.not(scan.state, 'found')
    t.equal(scan.state === 'found' ? '' : scan.reason, reason)
    const isAbsent = ['empty', 'keep-alive', 'stun', 'not-sip'].includes(reason)
    t.equal(scan.state, isAbsent ? 'absent' : 'malformed')
  })
}

t.test('framing', async (t) => {
  const withoutLength = Buffer.concat([request(''), Buffer.from('rest')])
  t.equal(bytesOf(withoutLength, found(withoutLength).body), 'rest', 'no Content-Length: to the end of the datagram')
  t.equal(found(withoutLength).contentLength, undefined)
  const cut = Buffer.concat([request('l: 002'), Buffer.from('rest')])
  t.equal(bytesOf(cut, found(cut).body), 're', 'the rest is no part of the message')
  t.equal(found(cut).range.end, cut.length - 2)
  t.equal(bytesOf(cut, found(cut).contentLength!), '002')
  const lines = Buffer.from(request('').toString('latin1').replaceAll('\r\n', '\n'))
  t.equal(found(lines).callId, 'c', 'line feeds alone')
  const late = Buffer.concat([Buffer.from('\r\n\r\n'), request('')])
  t.equal(found(late).range.start, 4, 'empty lines in front are read over')
  const shifted = Buffer.concat([Buffer.alloc(9, 255), cut, Buffer.alloc(9, 255)])
  const scan = scanMessage(shifted, 9, 9 + cut.length)
  t.equal(
    scan.state === 'found' && bytesOf(shifted, scan.value.body),
    're',
    'ranges count from the first byte of the array',
  )
})

t.test('summary', async (t) => {
  const folded = sampleOf('folded-and-spaced')
  t.equal(
    summary(found(folded.bytes)),
    'BYE sip:user:***@192.0.2.77:5070;lr call-id=folded@192.168.7.7 cseq=7',
    'no password',
  )
  t.match(summary(found(sampleOf('cisco-invite-ok').bytes)), /^200 INVITE call-id=/)
  t.notMatch(summary(found(sampleOf('polycom-register').bytes)), /nonce|response/, 'no credentials')
  const odd = found(request('', { 'Call-ID': `a\u0007\u00e9${'x'.repeat(500)}` }))
  t.match(summary(odd), /^INVITE \S+ call-id=a\?\?x{125}\.\.\. cseq=1$/, 'one line, of bounded length')
})
