import t from 'tap'
import { locate, rebuild } from '../../lib/packet/index.js'
import { scanSdp } from '../../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies, summary } from '../../lib/sip/index.js'
import { missing, tortureMessages } from '../corpus/shared.js'
import { packetV4 } from '../packet/packets.js'

/**
 * The messages that are not simply `found`, each with what a middlebox makes of it. `found` with problems: it can be forwarded,
 * its malformed header goes on as it is, and the far end refuses it (RFC 4475 asks the end points to answer 400, not the middle).
 * `malformed`: nobody can say where the message ends or to which dialog and transaction it belongs, so nothing may be opened for it.
 */
const judged: Readonly<Record<string, { reason: string; why: string } | { problems: readonly string[]; why: string }>> =
  {
    // RFC 4475 3.1.1, valid, and 3.1.2, invalid where an end point looks and the middle need not
    'badaspec.dat': { problems: [], why: 'spaces in angle brackets do not hide the address' },
    'baddate.dat': { problems: [], why: 'the time zone of a Date is no business of the path' },
    'badinv01.dat': { problems: ['via'], why: 'empty values in the Via list: no field of it is trusted' },
    'escruri.dat': { problems: [], why: 'headers in the Request-URI are for its owner to ignore' },
    'regbadct.dat': { problems: [], why: 'a bare URI with headers: where it ends is in doubt, where its host is, not' },
    'baddn.dat': {
      reason: 'headers-unterminated',
      why: 'this copy ends behind the last header, without the empty line',
    },
    'badvers.dat': { reason: 'sip-version', why: 'another protocol version' },
    'bigcode.dat': { reason: 'status-code', why: 'no three digits' },
    'clerr.dat': { reason: 'content-length-mismatch', why: 'more body announced than the datagram holds' },
    'ltgtruri.dat': { reason: 'start-line', why: 'Request-URI in angle brackets' },
    'lwsruri.dat': { reason: 'start-line', why: 'spaces in the Request-URI' },
    'lwsstart.dat': { reason: 'start-line', why: 'several spaces in the request line' },
    'trws.dat': { reason: 'start-line', why: 'spaces behind the request line' },
    'mismatch01.dat': { reason: 'cseq-method-mismatch', why: 'which transaction?' },
    'mismatch02.dat': { reason: 'cseq-method-mismatch', why: 'which transaction?' },
    'ncl.dat': { reason: 'content-length-invalid', why: 'negative' },
    'quotbal.dat': { reason: 'address-syntax', why: 'To never ends its quotes: which dialog?' },
    'scalar02.dat': { reason: 'cseq-invalid', why: 'beyond 2^31' },
    'scalarlg.dat': { reason: 'cseq-invalid', why: 'beyond 2^31' },
    // RFC 4475 3.3, to be refused by applications
    'insuf.dat': { reason: 'call-id-missing', why: 'no Call-ID, From or To: which dialog?' },
    'mcl01.dat': { reason: 'header-repeated', why: 'two Content-Lengths: where does it end?' },
    'multi01.dat': { reason: 'header-repeated', why: 'two Call-IDs, two CSeqs: which?' },
    // RFC 5118
    'ipv6-bad': { problems: ['request-uri'], why: '4.2: IPv6 without brackets, no telling host from port' },
  }

const shared = { skip: missing }

t.test('torture messages', shared, async (t) => {
  const messages = tortureMessages()
  const names = new Set(messages.map(([name]) => name.split('/')[1]))
  for (const name of Object.keys(judged)) t.ok(names.has(name), `${name} is there`)
  for (const [name, bytes] of messages) {
    const verdict = judged[name.split('/')[1]!]
    const scan = scanMessage(bytes, 0, bytes.length)
    if (verdict && 'reason' in verdict) {
      t.strictSame(scan, { state: 'malformed', reason: verdict.reason }, `${name}: ${verdict.why}`)
      continue
    }
    if (!t.equal(scan.state, 'found', `${name}: ${verdict?.why ?? 'found'}`) || scan.state !== 'found') continue
    const problems = scan.value.addressProblems.map(({ header }) => header)
    t.strictSame(problems, verdict?.problems ?? [], `${name}: address problems`)
    t.ok(summary(scan.value).length < 700)
    contactValues(scan.value)
    for (const body of sdpBodies(scan.value)) {
      t.equal(scanSdp(bytes, body.start, body.end).state, 'found', `${name}: session description`)
    }
  }
})

t.test('same bytes through an empty plan', shared, async (t) => {
  for (const [name, bytes] of tortureMessages()) {
    const packet = packetV4(bytes)
    const location = locate(packet)
    if (location.state !== 'found') throw new Error(location.reason)
    const target = new Uint8Array(packet.length)
    t.equal(rebuild(packet, location, [], target), packet.length)
    t.ok(Buffer.compare(packet, target) === 0, name)
  }
})

t.test('details', shared, async (t) => {
  const byName = new Map(tortureMessages().map(([name, bytes]) => [name.split('/')[1]!, bytes]))
  const message = (name: string) => {
    const bytes = byName.get(name)!
    const scan = scanMessage(bytes, 0, bytes.length)
    if (scan.state !== 'found') throw new Error(`${name} ${scan.reason}`)
    return scan.value
  }
  const hosts = (name: string, header: string): string[] =>
    addressFields(message(name))
      .filter((field) => field.header === header)
      .map(({ address, portNumber }) => `${address}:${portNumber}`)

  t.strictSame(hosts('wsinv.dat', 'via'), ['192.0.2.2:0', 'spindle.example.com:0', '192.168.255.111:0'], '3.1.1.1')
  t.equal(message('wsinv.dat').branch, '390skdjuw')
  t.equal(message('wsinv.dat').fromTag, '98asjd8', 'behind quotes, backslashes and folds')
  t.equal(message('intmeth.dat').method, "!interesting-Method0123456789_*+`.%indeed'~", '3.1.1.2')
  t.equal(message('esc02.dat').method, 'RE%47IST%45R', '3.1.1.4: escapes in a method are not decoded')
  t.equal(
    byName.get('dblreq.dat')!.length - message('dblreq.dat').range.end,
    450,
    '3.1.1.8: a second request is not read',
  )
  t.strictSame(hosts('semiuri.dat', 'request-uri'), ['example.com:0'], '3.1.1.9: the host is behind the @')
  t.strictSame(hosts('unkscm.dat', 'request-uri'), [], '3.3.3')
  t.equal(hosts('longreq.dat', 'via').length, 35, '3.1.1.7: 34 Vias and one received')
  t.strictSame(
    hosts('port-ambiguous', 'request-uri'),
    ['2001:db8::10:5070:0'],
    'RFC 5118 4.3: the port is part of the address',
  )
  t.strictSame(hosts('port-unambiguous', 'request-uri'), ['2001:db8::10:5070'], '4.4')
  t.strictSame(hosts('via-received-param-no-delim', 'via'), ['2001:db8::9:1:0', '2001:db8::9:255:0'], '4.5')
  t.strictSame(hosts('via-received-param-with-delim', 'via'), ['2001:db8::9:1:0', '2001:db8::9:255:0'], '4.5')
  t.strictSame(
    hosts('mult-ip-in-header', 'via'),
    ['2001:db8::9:1:6050', '192.0.2.1:0', '2001:db8::9:255:0', '192.0.2.200:0'],
    '4.8',
  )
  t.strictSame(hosts('ipv4-mapped-ipv6', 'contact'), ['::ffff:192.0.2.2:0'], '4.9')
  for (const name of ['ipv6-bug-abnf-3-colons', 'ipv6-correct-abnf-2-colons']) {
    t.strictSame(hosts(name, 'request-uri'), ['2001:db8::c000:201:0'], `4.10: ${name}`)
  }
})
