import t from 'tap'
import { locate, rebuild } from '../../lib/packet/index.js'
import { scanSdp } from '../../lib/sdp/index.js'
import { addressFields, contactValues, scanMessage, sdpBodies, summary } from '../../lib/sip/index.js'
import { judged, missing, tortureMessages } from '../corpus/torture.js'
import { packetV4 } from '../packet/packets.js'

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
