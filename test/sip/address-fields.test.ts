import t from 'tap'
import { addressFields } from '../../lib/sip/index.js'
import type { AddressField } from '../../types/sip.js'
import { bytesOf, found, request } from './message.js'

/** `part address:port "host text"`, and scheme or transport where there is one. */
function show(bytes: Uint8Array, field: AddressField): string {
  const { part, address, family, portNumber, host, scheme, transport } = field
  const kind = [scheme, transport].filter(Boolean).join('/')
  return `${part} ${address}/${family}:${portNumber} "${bytesOf(bytes, host)}"${kind ? ` ${kind}` : ''}`
}

/** Each row: a header line, and what it yields; undefined for a line whose addresses cannot be read. */
const lines: readonly [line: string, fields: readonly string[] | undefined][] = [
  // URIs (RFC 3261 19.1.1)
  ['Contact: sip:10.0.0.1', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: SIP:bob@10.0.0.1:5070;tag=x', ['uri 10.0.0.1/4:5070 "10.0.0.1" sip']],
  ['Contact: <sips:bob:secret@10.0.0.1:5061>', ['uri 10.0.0.1/4:5061 "10.0.0.1" sips']],
  ['Contact: <sip:bob@[2001:DB8:0:0::1]:5070>', ['uri 2001:db8::1/6:5070 "[2001:DB8:0:0::1]" sip']],
  ['Contact: <sip:bob@[2001:db8::1:5070]>', ['uri 2001:db8::1:5070/6:0 "[2001:db8::1:5070]" sip']],
  ['Contact: <sip:bob@[::ffff:192.0.2.1]>', ['uri ::ffff:192.0.2.1/6:0 "[::ffff:192.0.2.1]" sip']],
  ['Contact: <sip:bob@Phone_1.Example.COM.>', ['uri phone_1.example.com./0:0 "Phone_1.Example.COM." sip']],
  ['Contact: <sip:bob@10.0.0.1;transport=TCP>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip/tcp']],
  [
    'Contact: <sip:bob@example.com:5060;maddr=10.0.0.9;ttl=1;lr?X=y>;q=1',
    ['uri example.com/0:5060 "example.com" sip', 'maddr 10.0.0.9/4:0 "10.0.0.9"'],
  ],
  ['Contact: <sip:b@h;maddr=[2001:db8::9]>', ['uri h/0:0 "h" sip', 'maddr 2001:db8::9/6:0 "[2001:db8::9]"']],
  ['Route: <sip:h;received=10.0.0.2>', ['uri h/0:0 "h" sip', 'received 10.0.0.2/4:0 "10.0.0.2"']],
  ['Route: <sip:h;received=sip:10.0.0.2:99>', ['uri h/0:0 "h" sip', 'received 10.0.0.2/4:99 "10.0.0.2"']],
  ['Route: <sip:h;received=%zz>', ['uri h/0:0 "h" sip']],
  ['Contact: <sip:a;b=c%40d@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: <sip:a@realm@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Refer-To: <sip:b@10.0.0.1?Replaces=x%4010.0.0.9%3Bto-tag%3D1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: < sip:b@10.0.0.1 >', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: <tel:+1;phone-context=10.0.0.1>', []],
  ['Contact: <urn:uuid:1>, <sip:b@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: <sip:b@10.0.0.256>', ['uri 10.0.0.256/0:0 "10.0.0.256" sip']],
  ['Contact: <sip:b@10.0.0.01>', ['uri 10.0.0.01/0:0 "10.0.0.01" sip']],
  ['Contact: <sip:b@10.0.0.1.example.com>', ['uri 10.0.0.1.example.com/0:0 "10.0.0.1.example.com" sip']],
  ['Contact: *', []],
  ['Contact: <sip:b@>', undefined],
  ['Contact: <sip:>', undefined],
  ['Contact: <sip:b@[2001:db8::1>', undefined],
  ['Contact: <sip:b@[10.0.0.1]>', undefined],
  ['Contact: <sip:b@[fe80::1%25eth0]>', undefined],
  ['Contact: <sip:b@2001:db8::1>', undefined],
  ['Contact: <sip:b@10.0.0.1:>', undefined],
  ['Contact: <sip:b@10.0.0.1:65536>', undefined],
  ['Contact: <sip:b@10.0.0.1:x>', undefined],
  ['Contact: <sip:b@10.0.0.1 x>', undefined],
  ['Contact: <sip:b@h;maddr=>', ['uri h/0:0 "h" sip']],
  ['Contact: <sip:b@h;maddr=/>', undefined],
  // name-addr (RFC 3261 25.1)
  ['Contact: "a \\" <sip:x@1.1.1.1>, b" <sip:b@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: Bob Smith <sip:b@10.0.0.1>;expires=60;+x="<sip:1.1.1.1>,;"', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Contact: "a"<sip:b@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  ['Reply-To: Bell, Alexander <sip:b@10.0.0.1>', ['uri 10.0.0.1/4:0 "10.0.0.1" sip']],
  [
    'Contact: <sip:b@10.0.0.1>;received="sip:10.0.0.2:41"',
    ['uri 10.0.0.1/4:0 "10.0.0.1" sip', 'received 10.0.0.2/4:41 "10.0.0.2"'],
  ],
  [
    'Contact: <sip:b@10.0.0.1>;received=10.0.0.2;q=1',
    ['uri 10.0.0.1/4:0 "10.0.0.1" sip', 'received 10.0.0.2/4:0 "10.0.0.2"'],
  ],
  ['Contact: "open <sip:b@10.0.0.1>', undefined],
  ['Contact: <sip:b@10.0.0.1', undefined],
  ['Contact: <sip:b@10.0.0.1>;x="open', undefined],
  ['Contact: <sip:b@10.0.0.1> junk', undefined],
  ['Contact: <sip:b@10.0.0.1>,', undefined],
  ['Contact: ,<sip:b@10.0.0.1>', undefined],
  ['Contact: <sip:b@10.0.0.1>, bob', undefined],
  ['Contact:', undefined],
  ['Reply-To: <sip:b@10.0.0.1>, <sip:c@10.0.0.2>', undefined],
  // Via (RFC 3261 20.42, RFC 3581)
  ['Via: SIP/2.0/TCP 10.0.0.1 : 5070 ; branch=z', ['sent-by 10.0.0.1/4:5070 "10.0.0.1" tcp']],
  ['Via: SIP / 2.0 / WSS df7jal.invalid;branch=z', ['sent-by df7jal.invalid/0:0 "df7jal.invalid" wss']],
  [
    'v: SIP/2.0/UDP h:5060;received=10.0.0.2;rport=1024;maddr=10.0.0.3',
    [
      'sent-by h/0:5060 "h" udp',
      'received 10.0.0.2/4:0 "10.0.0.2"',
      'rport /0:1024 ""',
      'maddr 10.0.0.3/4:0 "10.0.0.3"',
    ],
  ],
  ['Via: SIP/2.0/UDP h;received=2001:db8::9', ['sent-by h/0:0 "h" udp', 'received 2001:db8::9/6:0 "2001:db8::9"']],
  ['Via: SIP/2.0/UDP h;received=[2001:db8::9]', ['sent-by h/0:0 "h" udp', 'received 2001:db8::9/6:0 "[2001:db8::9]"']],
  ['Via: SIP/2.0/UDP h;rport;rport=', ['sent-by h/0:0 "h" udp']],
  ['Via: SIP/2.0/UDP h,SIP/2.0/UDP 10.0.0.1', ['sent-by h/0:0 "h" udp', 'sent-by 10.0.0.1/4:0 "10.0.0.1" udp']],
  ['Via: SIP/2.0 10.0.0.1', undefined],
  ['Via: SIP/2.0/UDP', undefined],
  ['Via: SIP/2.0/UDP 10.0.0.1;rport=70000', undefined],
  ['Via: SIP/2.0/UDP 10.0.0.1;received=', ['sent-by 10.0.0.1/4:0 "10.0.0.1" udp']],
  ['Via: SIP/2.0/UDP 10.0.0.1;received=no/host', undefined],
  ['Via: SIP/2.0/UDP 10.0.0.1,', undefined],
  // Warning (RFC 3261 20.43)
  ['Warning: 399 10.0.0.1:5060 "x"', ['warn-agent 10.0.0.1/4:5060 "10.0.0.1"']],
  ['Warning: 399 10.0.0.1', undefined],
  ['Warning: 399 10.0.0.1 "x" y', undefined],
  // No addresses, whatever they look like
  ['Authorization: Digest uri="sip:10.0.0.1"', []],
  ['X-Route: <sip:b@10.0.0.1>', []],
  ['Replaces: 1@10.0.0.1;to-tag=1;from-tag=2', []],
]

for (const [line, expected] of lines) {
  t.test(line, async (t) => {
    const bytes = request(line)
    const message = found(bytes)
    // The four of the bare request come first.
    const fields = addressFields(message)
    t.strictSame(
      fields.slice(0, 4).map(({ address }) => address),
      ['example.com', '192.0.2.1', 'example.com', 'example.com'],
    )
    t.strictSame(
      fields.slice(4).map((field) => show(bytes, field)),
      expected ?? [],
    )
    const header = line.slice(0, line.indexOf(':')).toLowerCase()
    const range = {
      start: bytes.lastIndexOf(line) + line.length - line.replace(/^[^:]*: ?/, '').length,
      end: bytes.length - 4,
    }
    t.strictSame(message.addressProblems, expected ? [] : [{ header, range }])
  })
}

/** Every header of the design's list carries addresses, in its full and compact form. */
const carriers = `Via v Contact m From f To t Route Record-Route Path Service-Route Refer-To r Referred-By b Reply-To Alert-Info
  Call-Info P-Asserted-Identity P-Preferred-Identity Remote-Party-ID Diversion History-Info`

for (const name of carriers.trim().split(/\s+/)) {
  t.test(`${name} carries addresses`, async (t) => {
    const value = /^v/i.test(name) ? 'SIP/2.0/UDP 10.9.9.9:999' : '<sip:x@10.9.9.9:999>;tag=1'
    const single: Readonly<Record<string, string>> = { f: 'From', from: 'From', t: 'To', to: 'To' }
    const replaced = single[name.toLowerCase()]
    const bytes = request(`${name}: ${value}`, replaced ? { [replaced]: undefined } : {})
    const field = addressFields(found(bytes)).find(({ address }) => address === '10.9.9.9')
    t.equal(field && bytesOf(bytes, { start: field.host.start, end: field.hostPortEnd }), '10.9.9.9:999')
    t.equal(field && bytesOf(bytes, field.port!), '999')
  })
}

t.test('places of a field', async (t) => {
  const bytes = request(
    'Contact: <sip:b@10.0.0.1>, <sip:b@[2001:db8::1]:70>\r\nm: <sip:b@10.0.0.3>\r\nVia: SIP/2.0/UDP h;rport=7',
  )
  const fields = addressFields(found(bytes)).slice(4)
  t.strictSame(
    fields.map(({ header, index }) => `${header}[${index}]`),
    ['contact[0]', 'contact[1]', 'contact[2]', 'via[1]', 'via[1]'],
    'values are counted over all lines',
  )
  const insert = fields.map(({ hostPortEnd }) => bytesOf(bytes, { start: hostPortEnd - 1, end: hostPortEnd + 1 }))
  t.strictSame(insert, ['1>', '0>', '3>', 'h;', '7\r'], 'where a port goes')
  const rport = fields[4]!
  t.equal(rport.host.start, rport.host.end, 'an rport has no host')
  t.equal(bytesOf(bytes, rport.port!), '7')
})

t.test('a message made by hand', async (t) => {
  const message = found(request('Contact: <sip:b@10.0.0.1>'))
  const { bytes, requestUri, headers } = message
  const made = { ...message, bytes, requestUri, headers, addressProblems: [], get: () => undefined }
  t.strictSame(addressFields(made), addressFields(message))
})
