import t from 'tap'
import type { Flow, Way } from '../../types/flow.js'
import { fresh, kept, message, natted, there, v6 } from './rewriting.js'
import { endpoint, flowOf, INSIDE, OUTSIDE, PEER, World } from './world.js'

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
