import fc from 'fast-check'
import t from 'tap'
import { scanMessage } from '../../lib/sip/index.js'
import { sipText } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import { samples } from '../corpus/messages.js'
import { missing, tortureMessages } from '../corpus/torture.js'
import { runs } from '../law.js'
import { edited, endpoint, flowOf, INSIDE, OUTSIDE, PEER, scanned, World } from './world.js'

const natted: Flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))
const kept: Flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 5060), endpoint(PEER, 5060))
const v6: Flow = flowOf(endpoint('fd00::10', 5060), endpoint('2001:db8::1', 40000), endpoint('2001:db8::20', 5060))

/** A new engine's edits of `text`, and of the result on its way back. */
function there(world: World, text: string, flow: Flow, way: Way): string {
  return edited(text, world.engine.plan(scanned(text), flow, way, world.now))
}

const fresh = (flow: Flow): Flow => ({ ...flow, binding: { ...flow.binding, implied: undefined } })

function message(lines: readonly string[], startLine = 'OPTIONS sip:two@test.invalid SIP/2.0'): string {
  const names = new Set(lines.map((line) => line.slice(0, line.indexOf(':')).trim().toLowerCase()))
  const compact: Record<string, string> = { via: 'v', from: 'f', to: 't', 'call-id': 'i' }
  const standard = [
    ['Via', 'SIP/2.0/UDP other.invalid;branch=z9hG4bK1'],
    ['From', '<sip:one@test.invalid>;tag=a'],
    ['To', '<sip:two@test.invalid>'],
    ['Call-ID', `call@${INSIDE}`],
    ['CSeq', '1 OPTIONS'],
  ].filter(([name]) => !names.has(name!.toLowerCase()) && !names.has(compact[name!.toLowerCase()] ?? '-'))
  return [startLine, ...lines, ...standard.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}

/** Flow, way, the line as it comes, the line as it goes. `=`: it stays. */
const rows: readonly [string, Flow, Way, string, string][] = [
  [
    'Via',
    natted,
    'out',
    `Via: SIP/2.0/UDP ${INSIDE}:5060;branch=b;rport`,
    `Via: SIP/2.0/UDP ${OUTSIDE}:40000;branch=b;rport`,
  ],
  ['Via, no port', natted, 'out', `Via: SIP/2.0/UDP ${INSIDE};branch=b`, `Via: SIP/2.0/UDP ${OUTSIDE}:40000;branch=b`],
  [
    'Via, compact, spaced',
    natted,
    'out',
    `v : SIP / 2.0 / UDP ${INSIDE} : 5060 ;branch=b`,
    `v : SIP / 2.0 / UDP ${OUTSIDE} : 40000 ;branch=b`,
  ],
  [
    'Via, folded',
    natted,
    'out',
    `VIA:\r\n SIP/2.0/UDP\r\n ${INSIDE}:5060;branch=b`,
    `VIA:\r\n SIP/2.0/UDP\r\n ${OUTSIDE}:40000;branch=b`,
  ],
  [
    'Via, a list',
    natted,
    'out',
    `Via: SIP/2.0/UDP p.invalid;branch=a, SIP/2.0/UDP ${INSIDE};branch=b`,
    `Via: SIP/2.0/UDP p.invalid;branch=a, SIP/2.0/UDP ${OUTSIDE}:40000;branch=b`,
  ],
  ['Via of another port', natted, 'out', `Via: SIP/2.0/UDP ${INSIDE}:5062;branch=b`, '='],
  ['Via of another host', natted, 'out', 'Via: SIP/2.0/UDP 192.168.7.11:5060;branch=b', '='],
  [
    'Via back, with received and rport',
    natted,
    'in',
    `Via: SIP/2.0/UDP ${OUTSIDE}:40000;received=${OUTSIDE};rport=40000`,
    `Via: SIP/2.0/UDP ${INSIDE}:5060;received=${INSIDE};rport=5060`,
  ],
  [
    'Via back, rport first',
    natted,
    'in',
    `Via: SIP/2.0/UDP ${OUTSIDE}:40000;rport=40000;received=${OUTSIDE}`,
    `Via: SIP/2.0/UDP ${INSIDE}:5060;rport=5060;received=${INSIDE}`,
  ],
  [
    'Via back of a host name',
    natted,
    'in',
    `Via: SIP/2.0/UDP phone.invalid;rport=40000;received=${OUTSIDE}`,
    `Via: SIP/2.0/UDP phone.invalid;rport=5060;received=${INSIDE}`,
  ],
  ["a proxy's received and rport", natted, 'in', `Via: SIP/2.0/UDP p.invalid;received=198.51.100.9;rport=40000`, '='],
  [
    'rport of another Via',
    natted,
    'in',
    `Via: SIP/2.0/UDP 198.51.100.9;rport=40000,SIP/2.0/UDP ${OUTSIDE}:40000`,
    `Via: SIP/2.0/UDP 198.51.100.9;rport=40000,SIP/2.0/UDP ${INSIDE}:5060`,
  ],
  [
    'Via maddr',
    natted,
    'out',
    `Via: SIP/2.0/UDP x.invalid;maddr=${INSIDE}`,
    `Via: SIP/2.0/UDP x.invalid;maddr=${OUTSIDE}`,
  ],
  ['Via IPv6', v6, 'out', 'Via: SIP/2.0/UDP [fd00::10]:5060;branch=b', 'Via: SIP/2.0/UDP [2001:db8::1]:40000;branch=b'],
  [
    'Via IPv6, no port',
    v6,
    'out',
    'Via: SIP/2.0/UDP [fd00::10];branch=b',
    'Via: SIP/2.0/UDP [2001:db8::1]:40000;branch=b',
  ],
  [
    'Via IPv6 received, bare',
    v6,
    'in',
    'Via: SIP/2.0/UDP [2001:db8::1]:40000;received=2001:db8::1;rport=40000',
    'Via: SIP/2.0/UDP [fd00::10]:5060;received=fd00::10;rport=5060',
  ],
  [
    'Via IPv6 received, in brackets',
    v6,
    'in',
    'Via: SIP/2.0/UDP [2001:db8::1]:40000;received=[2001:db8::1]',
    'Via: SIP/2.0/UDP [fd00::10]:5060;received=[fd00::10]',
  ],
  [
    'Contact',
    natted,
    'out',
    `Contact: <sip:one@${INSIDE}:5060;transport=udp>;expires=60`,
    `Contact: <sip:one@${OUTSIDE}:40000;transport=udp>;expires=60`,
  ],
  [
    'Contact, compact, no brackets',
    natted,
    'out',
    `m: sip:one@${INSIDE};expires=60`,
    `m: sip:one@${OUTSIDE}:40000;expires=60`,
  ],
  ['Contact, no user', natted, 'out', `Contact: "x" <SIP:${INSIDE}>`, `Contact: "x" <SIP:${OUTSIDE}:40000>`],
  [
    'Contact, several',
    natted,
    'out',
    `Contact: <sip:a@${INSIDE}>, <sip:b@h.invalid>, <sip:c@${INSIDE}:5060>`,
    `Contact: <sip:a@${OUTSIDE}:40000>, <sip:b@h.invalid>, <sip:c@${OUTSIDE}:40000>`,
  ],
  ['Contact *', natted, 'out', 'Contact: *', '='],
  ['Contact, same ports, no port', kept, 'out', `Contact: <sip:one@${INSIDE}>`, `Contact: <sip:one@${OUTSIDE}>`],
  ['Contact, sips: another default', kept, 'out', `Contact: <sips:one@${INSIDE}>`, '='],
  ['Contact, tel', natted, 'out', 'Contact: <tel:+15550100>', '='],
  ['Contact, the address in the user part alone', natted, 'out', `Contact: <sip:${INSIDE}@h.invalid>`, '='],
  ['Contact IPv6', v6, 'out', 'Contact: <sip:one@[fd00::10]>', 'Contact: <sip:one@[2001:db8::1]:40000>'],
  ['From: a host', natted, 'out', `From: <sip:one@${INSIDE}>;tag=a`, `From: <sip:one@${OUTSIDE}>;tag=a`],
  ['From: an endpoint', natted, 'out', `f: sip:one@${INSIDE}:5060;tag=a`, `f: sip:one@${OUTSIDE}:40000;tag=a`],
  ['From: a port that is not ours', natted, 'out', `From: <sip:one@${INSIDE}:5099>;tag=a`, '='],
  ['To, in', natted, 'in', `To: <sip:one@${OUTSIDE}>;tag=b`, `To: <sip:one@${INSIDE}>;tag=b`],
  ['To, in, an endpoint', natted, 'in', `t: <sip:one@${OUTSIDE}:40000>`, `t: <sip:one@${INSIDE}:5060>`],
  [
    'Route',
    natted,
    'in',
    `Route: <sip:p.invalid;lr>,<sip:${OUTSIDE}:40000;lr>`,
    `Route: <sip:p.invalid;lr>,<sip:${INSIDE}:5060;lr>`,
  ],
  ['Record-Route', natted, 'out', `Record-Route: <sip:${INSIDE};lr>`, `Record-Route: <sip:${OUTSIDE}:40000;lr>`],
  ['Path', natted, 'out', `Path: <sip:term@${INSIDE};lr>`, `Path: <sip:term@${OUTSIDE}:40000;lr>`],
  [
    'Refer-To',
    natted,
    'out',
    `r: <sip:two@${INSIDE}:5060?Replaces=x%40${INSIDE}>`,
    `r: <sip:two@${OUTSIDE}:40000?Replaces=x%40${INSIDE}>`,
  ],
  [
    'P-Asserted-Identity',
    natted,
    'out',
    `P-Asserted-Identity: "x" <sip:one@${INSIDE}>`,
    `P-Asserted-Identity: "x" <sip:one@${OUTSIDE}>`,
  ],
  [
    'Diversion',
    natted,
    'out',
    `Diversion: <sip:one@${INSIDE}>;reason=busy`,
    `Diversion: <sip:one@${OUTSIDE}>;reason=busy`,
  ],
  [
    'P-Preferred-Identity: a host',
    natted,
    'out',
    `P-Preferred-Identity: <sip:one@${INSIDE}>`,
    `P-Preferred-Identity: <sip:one@${OUTSIDE}>`,
  ],
  [
    'P-Preferred-Identity: an endpoint',
    natted,
    'out',
    `P-Preferred-Identity: <sip:one@${INSIDE}:5060>`,
    `P-Preferred-Identity: <sip:one@${OUTSIDE}:40000>`,
  ],
  [
    'Remote-Party-ID: a host',
    natted,
    'out',
    `Remote-Party-ID: <sip:one@${INSIDE}>`,
    `Remote-Party-ID: <sip:one@${OUTSIDE}>`,
  ],
  [
    'Remote-Party-ID: an endpoint',
    natted,
    'out',
    `Remote-Party-ID: <sip:one@${INSIDE}:5060>`,
    `Remote-Party-ID: <sip:one@${OUTSIDE}:40000>`,
  ],
  ['History-Info: a host', natted, 'out', `History-Info: <sip:one@${INSIDE}>`, `History-Info: <sip:one@${OUTSIDE}>`],
  [
    'History-Info: an endpoint',
    natted,
    'out',
    `History-Info: <sip:one@${INSIDE}:5060>`,
    `History-Info: <sip:one@${OUTSIDE}:40000>`,
  ],
  ['Referred-By: a host', natted, 'out', `Referred-By: <sip:one@${INSIDE}>`, `Referred-By: <sip:one@${OUTSIDE}>`],
  [
    'Referred-By: an endpoint',
    natted,
    'out',
    `Referred-By: <sip:one@${INSIDE}:5060>`,
    `Referred-By: <sip:one@${OUTSIDE}:40000>`,
  ],
  ['Reply-To: a host', natted, 'out', `Reply-To: <sip:one@${INSIDE}>`, `Reply-To: <sip:one@${OUTSIDE}>`],
  [
    'Reply-To: an endpoint',
    natted,
    'out',
    `Reply-To: <sip:one@${INSIDE}:5060>`,
    `Reply-To: <sip:one@${OUTSIDE}:40000>`,
  ],
  ['Service-Route', natted, 'out', `Service-Route: <sip:${INSIDE};lr>`, `Service-Route: <sip:${OUTSIDE}:40000;lr>`],
  ['Alert-Info', natted, 'out', `Alert-Info: <sip:${INSIDE};lr>`, `Alert-Info: <sip:${OUTSIDE}:40000;lr>`],
  ['Call-Info', natted, 'out', `Call-Info: <sip:${INSIDE};lr>`, `Call-Info: <sip:${OUTSIDE}:40000;lr>`],
  ['Call-Info: another scheme stays', natted, 'out', `Call-Info: <http://${INSIDE}:5060/>`, '='],
  ['Warning', natted, 'out', `Warning: 399 ${INSIDE}:5060 "${INSIDE}"`, `Warning: 399 ${OUTSIDE}:40000 "${INSIDE}"`],
  ['Call-ID stays', natted, 'out', `Call-ID: x@${INSIDE}`, '='],
  ['Authorization stays', natted, 'out', `Authorization: Digest uri="sip:${INSIDE}:5060"`, '='],
  ['Subject stays', natted, 'out', `Subject: sip:${INSIDE}:5060`, '='],
  ['a host name stays', natted, 'out', 'Contact: <sip:one@phone.invalid:5060>', '='],
  ['our outside address, going out, stays', natted, 'out', `Contact: <sip:one@${OUTSIDE}:40000>`, '='],
  ['our inside address, coming in, stays', natted, 'in', `Contact: <sip:one@${INSIDE}:5060>`, '='],
  [
    'without translation nothing changes',
    flowOf(endpoint(PEER, 5060), endpoint(PEER, 5060), endpoint(PEER, 5060)),
    'out',
    `Contact: <sip:one@${PEER}>`,
    '=',
  ],
]

for (const [name, flow, way, given, expected] of rows) {
  t.test(`${name}, ${way}`, async (t) => {
    const world = new World()
    const text = message([given])
    const changed = there(world, text, fresh(flow), way)
    t.equal(changed, text.replace(given, expected === '=' ? given : expected))
  })
}

t.test('Request-URI', async (t) => {
  const world = new World()
  const flow = fresh(natted)
  const invite = message([], `OPTIONS sip:one@${OUTSIDE}:40000;x=1 SIP/2.0`)
  t.match(there(world, invite, flow, 'in'), `OPTIONS sip:one@${INSIDE}:5060;x=1 SIP/2.0`)
  there(world, message([`Contact: <sip:one@${INSIDE};x=1>`]), flow, 'out')
  t.match(there(world, invite, flow, 'in'), `OPTIONS sip:one@${INSIDE};x=1 SIP/2.0`, 'as the phone wrote its Contact')
  const standard = message([], `OPTIONS sip:one@${OUTSIDE} SIP/2.0`)
  t.equal(there(world, standard, flow, 'in'), standard, 'port 5060 is not ours')
  const onStandard = flowOf(endpoint(INSIDE, 5062), endpoint(OUTSIDE, 5060), endpoint(PEER, 5060))
  t.match(there(world, standard, onStandard, 'in'), `OPTIONS sip:one@${INSIDE}:5062 SIP/2.0`)
})

t.test('endpoints of other bindings, while they are held', async (t) => {
  const world = new World()
  const other = world.engine.bindingOf(endpoint('192.168.7.11', 5060), endpoint(OUTSIDE, 40010))
  const lines = [`Contact: <sip:a@192.168.7.11>, <sip:b@192.168.7.11:5062>`]
  const text = message(lines)
  t.equal(there(world, text, fresh(natted), 'out'), text)
  world.engine.bindings.hold(other)
  const out = there(world, text, fresh(natted), 'out')
  t.match(out, `Contact: <sip:a@${OUTSIDE}:40010>, <sip:b@192.168.7.11:5062>`)
  t.equal(there(world, out, fresh(natted), 'in'), text)
  world.engine.bindings.release(other)
  t.equal(there(world, text, fresh(natted), 'out'), text)
})

t.test('session descriptions', async (t) => {
  const base = ['v=0', `o=- 1 1 IN IP4 ${INSIDE}`, 's=-', `c=IN IP4 ${INSIDE}`, 't=0 0']
  const cases: readonly [string, string[], string[]][] = [
    ['o=, c= and m=', ['m=audio 4000 RTP/AVP 0'], ['m=audio 30000 RTP/AVP 0']],
    ['a=rtcp', ['m=audio 4000 RTP/AVP 0', 'a=rtcp:4009'], ['m=audio 30000 RTP/AVP 0', 'a=rtcp:30001']],
    [
      'a=rtcp with an address',
      ['m=audio 4000 RTP/AVP 0', `a=rtcp:4009 IN IP4 ${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `a=rtcp:30001 IN IP4 ${OUTSIDE}`],
    ],
    [
      'a=rtcp on the RTP port',
      ['m=audio 4000 RTP/AVP 0', 'a=rtcp-mux', 'a=rtcp:4000'],
      ['m=audio 30000 RTP/AVP 0', 'a=rtcp-mux', 'a=rtcp:30000'],
    ],
    [
      'c= of a stream',
      ['m=audio 4000 RTP/AVP 0', `c=IN IP4 ${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `c=IN IP4 ${OUTSIDE}`],
    ],
    ['port/n', ['m=audio 4000/2 RTP/AVP 0'], ['m=audio 30000/2 RTP/AVP 0']],
    ['port 0', ['m=audio 0 RTP/AVP 0', 'm=video 4002 RTP/AVP 96'], ['m=audio 0 RTP/AVP 0', 'm=video 30000 RTP/AVP 96']],
    [
      'streams',
      ['m=audio 4000 RTP/AVP 0', 'm=video 4002 RTP/AVP 96'],
      ['m=audio 30000 RTP/AVP 0', 'm=video 30002 RTP/AVP 96'],
    ],
    ['fax', ['m=image 4000 udptl t38'], ['m=image 30000 udptl t38']],
    ['what is neither UDP nor TCP stays', ['m=audio 4000 SCTP x'], ['m=audio 4000 SCTP x']],
    [
      'a foreign stream stays',
      ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.168.7.99'],
      ['m=audio 4000 RTP/AVP 0', 'c=IN IP4 192.168.7.99'],
    ],
    [
      'text stays',
      ['m=audio 4000 RTP/AVP 0', `a=note:${INSIDE} 4000`, `i=${INSIDE}`],
      ['m=audio 30000 RTP/AVP 0', `a=note:${INSIDE} 4000`, `i=${INSIDE}`],
    ],
  ]
  for (const [name, given, expected] of cases) {
    const world = new World({ ports: [30000, 30999] })
    const wrap = (lines: readonly string[]) =>
      sipText(
        'INVITE sip:two@test.invalid SIP/2.0',
        [
          ['Via', 'SIP/2.0/UDP h.invalid'],
          ['From', '<sip:a@h.invalid>;tag=a'],
          ['To', '<sip:b@h.invalid>'],
          ['Call-ID', 'c'],
          ['CSeq', '1 INVITE'],
          ['Content-Type', 'application/sdp'],
        ],
        `${lines.join('\r\n')}\r\n`,
      )
    const text = wrap([...base, ...given])
    const out = there(world, text, fresh(natted), 'out')
    const outside = base.map((line) => line.replace(INSIDE, OUTSIDE))
    t.equal(out, wrap([...outside, ...expected]), name)
    t.equal(there(world, text, fresh(natted), 'out'), out, `${name}: again`)
    if (name !== 'a foreign stream stays') t.equal(there(world, out, fresh(natted), 'in'), text, `${name}: and back`)
  }
})

t.test('Content-Length', async (t) => {
  const world = new World({ ports: [30000, 30999] })
  const body = `v=0\r\no=- 1 1 IN IP4 ${INSIDE}\r\ns=-\r\nc=IN IP4 ${INSIDE}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`
  const head = 'CSeq: 1 INVITE\r\nContent-Type: application/sdp\r\n'
  for (const length of [`Content-Length: ${body.length}\r\n`, `l:  00${body.length} \r\n`, '']) {
    const text = `${message([], 'INVITE sip:a@h.invalid SIP/2.0').slice(0, -2).replace('CSeq: 1 OPTIONS\r\n', head)}${length}\r\n${body}`
    const out = there(world, text, fresh(natted), 'out')
    const written = /^(?:Content-Length|l):\s*(\d+)/m.exec(out)?.[1]
    const sent = out.slice(out.indexOf('\r\n\r\n') + 4)
    if (length) t.equal(Number(written), sent.length, length.trim())
    else t.equal(written, undefined, 'none over UDP: none made')
    t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  }
  const part = `--b\r\nContent-Type: application/sdp\r\nContent-Length: ${body.length}\r\n\r\n${body}\r\n--b\r\nContent-Type: text/plain\r\n\r\n${INSIDE} 4000\r\n--b--\r\n`
  const text = sipText(
    'INVITE sip:a@h.invalid SIP/2.0',
    [
      ['Via', 'SIP/2.0/UDP h.invalid'],
      ['From', '<sip:a@h.invalid>;tag=a'],
      ['To', '<sip:b@h.invalid>'],
      ['Call-ID', 'm'],
      ['CSeq', '1 INVITE'],
      ['Content-Type', 'multipart/mixed;boundary=b'],
    ],
    part,
  )
  const out = there(world, text, fresh(natted), 'out')
  const sent = out.slice(out.indexOf('\r\n\r\n') + 4)
  t.equal(/^Content-Length: (\d+)/m.exec(out)?.[1], String(sent.length), 'of the message')
  const inner = /Content-Length: (\d+)\r\n\r\n([\s\S]*?)\r\n--b/.exec(sent)!
  t.equal(Number(inner[1]), inner[2]!.length, 'of the part')
  t.match(sent, `${INSIDE} 4000\r\n--b--`, 'the other part stays')
})

const hex = (): fc.Arbitrary<string> => fc.integer({ min: 1, max: 0xffff }).map((n) => n.toString(16))
const ports = fc.oneof(fc.constant(5060), fc.integer({ min: 1024, max: 65535 }))
const v4Ends = fc.record({
  inside: fc.integer({ min: 1, max: 254 }).map((n) => `192.168.7.${n}`),
  outside: fc.constant('203.0.113.1'),
})
const v6Ends = fc.record({ inside: hex().map((h) => `fd00::${h}`), outside: hex().map((h) => `2001:db8::${h}`) })
const flows: fc.Arbitrary<Flow> = fc
  .tuple(fc.oneof(v4Ends, v6Ends), ports, ports)
  .map(([{ inside, outside }, insidePort, outsidePort]) =>
    flowOf(
      endpoint(inside, insidePort),
      endpoint(outside, outsidePort),
      endpoint(inside.includes(':') ? '2001:db8:ffff::5' : PEER, 5060),
    ),
  )

const hostOf = (address: string): string => (address.includes(':') ? `[${address}]` : address)
/** The endpoint as a header may write it: with its port, or without where the scheme implies it. */
const written = (end: Endpoint, withPort: boolean): string =>
  `${hostOf(end.address)}${withPort || end.port !== 5060 ? `:${end.port}` : ''}`

const caseOf = (name: string, upper: boolean): string => (upper ? name.toUpperCase() : name)
const headerOf = (flow: Flow): fc.Arbitrary<string> => {
  const { inside } = flow.binding
  return fc
    .tuple(
      fc.constantFrom(
        'Via',
        'v',
        'Contact',
        'm',
        'Record-Route',
        'From',
        'f',
        'To',
        't',
        'P-Asserted-Identity',
        'Refer-To',
        'Path',
        'Warning',
        'Subject',
      ),
      fc.boolean(),
      fc.array(fc.tuple(fc.boolean(), fc.integer({ min: 0, max: 3 })), { minLength: 1, maxLength: 4 }),
      fc.constantFrom(' ', '', '\t', '\r\n '),
    )
    .map(([name, isUpper, values, space]) => {
      const where = ([withPort, kind]: readonly [boolean, number]): string =>
        kind === 0 ? 'name.invalid' : kind === 1 ? hostOf(flow.peer.address) : written(inside, withPort)
      const isList = /^(via|v|contact|m|record-route|path|p-asserted-identity)$/i.test(name)
      const list = (isList ? values : values.slice(0, 1)).map((value) => {
        if (/^v(ia)?$/i.test(name)) return `SIP/2.0/UDP ${where(value)};branch=z9hG4bK${value[1]};rport`
        if (name === 'Warning') return `399 ${where(value)} "x"`
        return `"x" <sip:u@${where(value)};p=1>${/^(f|from|t|to)$/i.test(name) ? ';tag=q' : ''}`
      })
      return `${caseOf(name, isUpper)}:${space}${list.join(', ')}`
    })
}

const onceNames: Record<string, string> = { f: 'from', t: 'to' }
/** Headers of a message, those that stand once only once. */
const headersOf = (flow: Flow): fc.Arbitrary<string[]> =>
  fc.array(headerOf(flow), { minLength: 1, maxLength: 7 }).map((lines) => {
    const seen = new Set<string>()
    return lines.filter((line) => {
      const name = line.slice(0, line.indexOf(':')).toLowerCase()
      const full = onceNames[name] ?? name
      if (full !== 'from' && full !== 'to' && full !== 'refer-to') return true
      if (seen.has(full)) return false
      seen.add(full)
      return true
    })
  })

t.test('law: out and back is the identity, byte for byte; a retransmission gets the same bytes', async (t) => {
  const cases = flows.chain((flow) => fc.tuple(fc.constant(flow), headersOf(flow)))
  fc.assert(
    fc.property(cases, ([flow, lines]) => {
      const world = new World()
      const own = fresh(flow)
      const text = message(lines)
      const out = there(world, text, own, 'out')
      if (there(world, text, own, 'out') !== out) return false
      return there(world, out, own, 'in') === text && there(world, out, own, 'in') === text
    }),
    runs(300),
  )
  t.pass()
})

t.test('law: equal ends give no edits', async (t) => {
  const cases = flows
    .map((flow) => flowOf(flow.binding.inside, flow.binding.inside, flow.peer))
    .chain((flow) => fc.tuple(fc.constant(flow), headersOf(flow), fc.constantFrom<Way>('out', 'in')))
  fc.assert(
    fc.property(cases, ([flow, lines, way]) => {
      const text = message(lines)
      return new World().engine.plan(scanned(text), flow, way, 1).edits().length === 0
    }),
    runs(300),
  )
  t.pass()
})

t.test('law: addresses of others stay, whatever the way', async (t) => {
  const strange = flowOf(endpoint('192.168.9.9', 5060), endpoint('203.0.113.99', 7777), endpoint(PEER, 5060))
  const cases = flows.chain((flow) => fc.tuple(headersOf(flow), fc.constantFrom<Way>('out', 'in')))
  fc.assert(
    fc.property(
      cases,
      ([lines, way]) => new World().engine.plan(scanned(message(lines)), strange, way, 1).edits().length === 0,
    ),
    runs(300),
  )
  t.pass()
})

const streams = fc.array(
  fc.record({
    port: fc.integer({ min: 1024, max: 65534 }),
    rtcp: fc.option(fc.integer({ min: 1024, max: 65535 })),
    own: fc.boolean(),
    isFax: fc.boolean(),
  }),
  { minLength: 1, maxLength: 6 },
)

t.test('law: a description goes out and comes back as it was, and only its places change', async (t) => {
  fc.assert(
    fc.property(flows, streams, fc.boolean(), (flow, list, isRanged) => {
      const { inside } = flow.binding
      const ip = `IN IP${flow.family} ${inside.address}`
      // A port twice in one description is one stream; with another RTCP port it would be two things at once.
      const once = list.filter(({ port }, i) => list.findIndex((it) => it.port === port) === i)
      const media = once.flatMap(({ port, rtcp, own, isFax }) => [
        isFax ? `m=image ${port} udptl t38` : `m=audio ${port} RTP/AVP 0`,
        ...(own ? [`c=${ip}`] : []),
        ...(rtcp !== null && !isFax ? [`a=rtcp:${rtcp}`] : []),
        'a=sendrecv',
      ])
      const body = ['v=0', `o=- 7 7 ${ip}`, 's=-', `c=${ip}`, 't=0 0', ...media, ''].join('\r\n')
      const world = new World(isRanged ? { ports: [20000, 29999] } : {})
      const own = fresh(flow)
      const text = sipText(
        'INVITE sip:b@h.invalid SIP/2.0',
        [
          ['Via', 'SIP/2.0/UDP h.invalid'],
          ['From', '<sip:a@h.invalid>;tag=a'],
          ['To', '<sip:b@h.invalid>'],
          ['Call-ID', 'c'],
          ['CSeq', '1 INVITE'],
          ['Content-Type', 'application/sdp'],
        ],
        body,
      )
      const out = there(world, text, own, 'out')
      if (there(world, text, own, 'out') !== out) return false
      if (inside.address !== flow.binding.outside.address && out.includes(ip)) return false
      return there(world, out, own, 'in') === text
    }),
    runs(300),
  )
  t.pass()
})

t.test('law: no message throws, and edits stay apart and in place', async (t) => {
  const corpus = [...samples.map(({ bytes }) => bytes), ...tortureMessages().map(([, bytes]) => bytes)]
  if (missing) t.comment(missing)
  const world = new World({ budgets: { calls: 20, registrations: 20 } })
  const change = fc.record({
    at: fc.nat(),
    byte: fc.integer({ min: 0, max: 255 }),
    kind: fc.constantFrom('set', 'cut', 'insert'),
  })
  const cases = fc.array(
    fc.tuple(fc.nat({ max: corpus.length - 1 }), fc.array(change, { maxLength: 6 }), fc.boolean()),
    { minLength: 1, maxLength: 10 },
  )
  const inside = world.flow(endpoint('10.0.0.5', 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))
  fc.assert(
    fc.property(cases, (sequence) => {
      for (const [index, changes, isOut] of sequence) {
        let text = Buffer.from(corpus[index]!).toString('latin1')
        for (const { at, byte, kind } of changes) {
          const i = at % (text.length + 1)
          const character = String.fromCharCode(byte)
          text = text.slice(0, i) + (kind === 'cut' ? '' : character) + text.slice(kind === 'insert' ? i : i + 1)
        }
        const bytes = Buffer.from(text, 'latin1')
        const scan = scanMessage(bytes, 0, bytes.length)
        if (scan.state === 'found') edited(text, world.engine.plan(scan.value, inside, isOut ? 'out' : 'in', world.now))
      }
      world.now += 1000
    }),
    runs(300),
  )
  const { calls, registrations } = world.engine.size
  t.ok(calls <= 20 && registrations <= 20)
  world.engine.shutdown()
  t.same(world.engine.size, {
    calls: 0,
    streams: 0,
    signallingWays: 0,
    listening: 0,
    registrations: 0,
    registering: 0,
    ports: 0,
    bindings: 0,
    deadlines: 0,
  })
})
