/** The torture messages of RFC 4475 and 5118 from packet to verdict: what leaves, what is counted, and that nothing opens. */
import t from 'tap'
import type { Endpoint } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import { endpoint, NOTHING } from '../call/world.js'
import { judged, missing, tortureMessages } from '../corpus/torture.js'
import { accepting, Box, type Ends } from './box.js'

const shared = { skip: missing }
const messages = new Map(tortureMessages().map(([name, bytes]) => [name.split('/')[1]!, bytes]))
const textOf = (name: string): string => Buffer.from(messages.get(name)!).toString('latin1')
const WAYS: readonly Way[] = ['out', 'in']

t.test('a message in which nothing is ours leaves as it came, and opens nothing', shared, async (t) => {
  t.ok(messages.size > 50)
  for (const [name, bytes] of messages) {
    const verdict = judged[name]
    if (verdict && 'reason' in verdict) continue
    for (const way of WAYS) {
      const box = new Box({ notSip: 'drop', malformed: 'drop', failure: 'drop' })
      const { kind, text, options } = await box.pass(way, bytes)
      t.equal(kind, 'accept', `${name} ${way}`)
      t.equal(options?.payload, undefined, `${name} ${way}: no byte is changed`)
      t.equal(text, textOf(name))
      t.same(box.errors, [])
      const { pinholes, expectations, conntracks, ports } = box.world.sizes()
      t.same({ pinholes, expectations, conntracks, ports }, { pinholes: 0, expectations: 0, conntracks: 0, ports: 0 })
      await box.world.shutdown()
      const { registering, deadlines, ...rest } = box.world.sizes()
      const { registering: _, deadlines: __, ...nothing } = NOTHING
      t.same(rest, nothing, `${name} ${way}: and nothing stays (${registering}, ${deadlines})`)
    }
  }
})

t.test('an invalid one gets what the policy says, under its literal reason', shared, async (t) => {
  for (const [name, verdict] of Object.entries(judged)) {
    if (!('reason' in verdict)) continue
    for (const malformed of ['accept', 'drop'] as const) {
      for (const way of WAYS) {
        const box = new Box({ ...accepting, malformed })
        const { kind, options, text } = await box.pass(way, messages.get(name)!)
        t.equal(kind, malformed, `${name} ${way}: ${verdict.why}`)
        t.equal(options?.payload, undefined)
        t.equal(text, textOf(name))
        t.same(box.counters.snapshot(), { [verdict.reason]: 1 })
        t.same(box.world.sizes(), NOTHING)
        t.same(box.errors, [])
      }
    }
  }
})

const V4: Omit<Ends, 'inside'> = { outside: endpoint('203.0.113.1', 40_000), peer: endpoint('198.51.100.20', 5060) }
const V6: Omit<Ends, 'inside'> = {
  outside: endpoint('2001:db8:cafe::1', 40_000),
  peer: endpoint('2001:db8:cafe::20', 5060),
}
const at = (address: string, port = 5060): Ends => ({
  ...(address.includes(':') ? V6 : V4),
  inside: endpoint(address, port),
})

/** What stands for what; the first stands once in the message. */
type Change = readonly [string, string]

/** The description that most of them carry, from `address`: its two streams get the first free pairs. */
const described = (address: string, grown: number, lengthName = 'Content-Length: '): Change[] => [
  [`${lengthName}${155 - grown}`, `${lengthName}155`],
  [`7272939 IN IP4 ${address}`, '7272939 IN IP4 203.0.113.1'],
  [`c=IN IP4 ${address}`, 'c=IN IP4 203.0.113.1'],
  ['m=audio 49217 ', 'm=audio 30000 '],
  ['m=video 3227 ', 'm=video 30002 '],
]

/** Message, its inside end, which is one of the message's own, and the places that change on the way out; expectations that stand then. */
const ours: readonly (readonly [string, Ends, readonly Change[], number])[] = [
  // RFC 4475 3.1.1.1: folded, spaced and compact; sent-by on a line of its own; o= and c= name different hosts.
  ['wsinv.dat', at('192.0.2.2'), [['    192.0.2.2;branch', '    203.0.113.1:40000;branch']], 0],
  ['wsinv.dat', at('192.168.255.111'), [['UDP  192.168.255.111   ;', 'UDP  203.0.113.1:40000   ;']], 0],
  [
    'wsinv.dat',
    at('192.0.2.3'),
    [
      ['7272939 IN IP4 192.0.2.3', '7272939 IN IP4 203.0.113.1'],
      ['Content-Length   : 150', 'Content-Length   : 152'],
    ],
    0,
  ],
  [
    'wsinv.dat',
    at('192.0.2.4'),
    [['Content-Length   : 150', 'Content-Length   : 153'], ...described('192.0.2.4', 5).slice(2)],
    4,
  ],
  // 192.0.2.1 stands in its Call-ID alone.
  ['wsinv.dat', at('192.0.2.1'), [], 0],
  ['esc01.dat', at('192.0.2.1'), described('192.0.2.1', 5), 4],
  ['longreq.dat', at('192.0.2.1'), described('192.0.2.1', 5, 'l: '), 4],
  ['longreq.dat', at('192.0.2.5'), [['received=192.0.2.5', 'received=203.0.113.1']], 0],
  // 3.1.1.8: what follows the first request in the datagram is not read, and its addresses stay.
  ['dblreq.dat', at('192.0.2.125'), [['UDP 192.0.2.125;', 'UDP 203.0.113.1:40000;']], 0],
  ['dblreq.dat', at('192.0.2.15'), [], 0],
  ['semiuri.dat', at('192.0.2.1'), [['UDP 192.0.2.1;', 'UDP 203.0.113.1:40000;']], 0],
  ['noreason.dat', at('192.0.2.105'), [['UDP 192.0.2.105;', 'UDP 203.0.113.1:40000;']], 0],
  // A response of a call that began elsewhere: its addresses are mapped, and nothing opens for it.
  [
    'unreason.dat',
    at('192.0.2.198'),
    [
      ['UDP 192.0.2.198;', 'UDP 203.0.113.1:40000;'],
      ['7272939 IN IP4 192.0.2.198', '7272939 IN IP4 203.0.113.1'],
      ['c=IN IP4 192.0.2.198', 'c=IN IP4 203.0.113.1'],
    ],
    0,
  ],
  // 3.1.1.11: the whole of the SIP message; the inner one in its body is another kind.
  [
    'mpart01.dat',
    at('127.0.0.1', 5070),
    [
      ['Via: SIP/2.0/UDP 127.0.0.1:5070;', 'Via: SIP/2.0/UDP 203.0.113.1:40000;'],
      ['Contact: <sip:fluffy@127.0.0.1:5070>', 'Contact: <sip:fluffy@203.0.113.1:40000>'],
    ],
    0,
  ],
  ['mpart01.dat', at('127.0.0.1', 5080), [['Route: <sip:127.0.0.1:5080>', 'Route: <sip:203.0.113.1:40000>']], 0],
  // 3.1.2: invalid for an end point, not for the path.
  ['baddate.dat', at('192.0.2.5'), described('192.0.2.5', 5), 4],
  ['escruri.dat', at('192.0.2.1'), described('192.0.2.1', 5), 4],
  // Its Via line is broken, and stays as it is; the description is not.
  ['badinv01.dat', at('192.0.2.15'), described('192.0.2.15', 3), 4],
  ['regbadct.dat', at('135.180.130.133'), [['UDP 135.180.130.133:5060;', 'UDP 203.0.113.1:40000;']], 0],
  // 3.2 to 3.4
  ['badbranch.dat', at('192.0.2.1'), [['UDP 192.0.2.1;', 'UDP 203.0.113.1:40000;']], 0],
  ['bcast.dat', at('255.255.255.255'), [['UDP 255.255.255.255;', 'UDP 203.0.113.1:40000;']], 0],
  ['regaut01.dat', at('192.0.2.253'), [['TCP 192.0.2.253;', 'TCP 203.0.113.1:40000;']], 0],
  ['sdp01.dat', at('192.0.2.5'), described('192.0.2.5', 5), 4],
  ['sdp01.dat', at('192.0.2.15'), [['UDP 192.0.2.15;', 'UDP 203.0.113.1:40000;']], 0],
  ['unksm2.dat', at('192.0.2.21'), [['UDP 192.0.2.21:5060;', 'UDP 203.0.113.1:40000;']], 0],
  ['inv2543.dat', at('192.0.2.5'), described('192.0.2.5', 5).slice(1, 4), 2],
  // RFC 5118
  ['ipv6-good', at('2001:db8::9:1'), [['UDP [2001:db8::9:1];', 'UDP [2001:db8:cafe::1]:40000;']], 0],
  ['ipv6-good', at('2001:db8::1'), [['<sip:caller@[2001:db8::1]>', '<sip:caller@[2001:db8:cafe::1]:40000>']], 0],
  // 4.2: the Request-URI is broken and stays; the rest is not.
  ['ipv6-bad', at('2001:db8::10'), [], 0],
  ['ipv6-bad', at('2001:db8::1'), [['<sip:caller@[2001:db8::1]>', '<sip:caller@[2001:db8:cafe::1]:40000>']], 0],
  [
    'ipv6-in-sdp',
    at('2001:db8::20'),
    [
      ['UDP [2001:db8::20];', 'UDP [2001:db8:cafe::1]:40000;'],
      ['<sip:caller@[2001:db8::20]>', '<sip:caller@[2001:db8:cafe::1]:40000>'],
      ['Content-Length: 241', 'Content-Length: 251'],
      ['0 IN IP6 2001:db8::20', '0 IN IP6 2001:db8:cafe::1'],
      ['c=IN IP6 2001:db8::20', 'c=IN IP6 2001:db8:cafe::1'],
      ['m=audio 6000 ', 'm=audio 30000 '],
      ['m=video 6024 ', 'm=video 30002 '],
    ],
    4,
  ],
  ['mult-ip-in-header', at('2001:db8::9:1', 6050), [['[2001:db8::9:1]:6050', '[2001:db8:cafe::1]:40000']], 0],
  ['mult-ip-in-header', at('192.0.2.1'), [['UDP 192.0.2.1;', 'UDP 203.0.113.1:40000;']], 0],
  ['mult-ip-in-header', at('192.0.2.200'), [['received=192.0.2.200', 'received=203.0.113.1']], 0],
  // 4.7: of two streams the one whose family and address are the flow's.
  [
    'mult-ip-in-sdp',
    at('192.0.2.1'),
    [
      ['Content-Length: 181', 'Content-Length: 183'],
      ['m=audio 22334 ', 'm=audio 30000 '],
      ['c=IN IP4 192.0.2.1', 'c=IN IP4 203.0.113.1'],
    ],
    2,
  ],
  [
    'mult-ip-in-sdp',
    at('2001:db8::1'),
    [
      ['Content-Length: 181', 'Content-Length: 187'],
      ['m=video 6024 ', 'm=video 30000 '],
      ['c=IN IP6 2001:db8::1', 'c=IN IP6 2001:db8:cafe::1'],
    ],
    2,
  ],
  [
    'mult-ip-in-sdp',
    at('2001:db8::9:1'),
    [
      ['UDP [2001:db8::9:1];', 'UDP [2001:db8:cafe::1]:40000;'],
      ['<sip:caller@[2001:db8::9:1]>', '<sip:caller@[2001:db8:cafe::1]:40000>'],
    ],
    0,
  ],
  [
    'via-received-param-no-delim',
    at('2001:db8::9:255'),
    [['received=2001:db8::9:255', 'received=2001:db8:cafe::1']],
    0,
  ],
  [
    'via-received-param-with-delim',
    at('2001:db8::9:255'),
    [['received=[2001:db8::9:255]', 'received=[2001:db8:cafe::1]']],
    0,
  ],
  ['ipv4-mapped-ipv6', at('192.0.2.2'), [], 0],
  [
    'ipv4-mapped-ipv6',
    at('::ffff:192.0.2.2'),
    [
      ['UDP [::ffff:192.0.2.2];', 'UDP [2001:db8:cafe::1]:40000;'],
      ['<sip:ted@[::ffff:192.0.2.2]>', '<sip:ted@[2001:db8:cafe::1]:40000>'],
      ['Content-Length: 236', 'Content-Length: 238'],
      ['0 IN IP6 ::ffff:192.0.2.2', '0 IN IP6 2001:db8:cafe::1'],
      ['c=IN IP6 ::ffff:192.0.2.2', 'c=IN IP6 2001:db8:cafe::1'],
      ['m=audio 6000 ', 'm=audio 30000 '],
      ['m=video 6024 ', 'm=video 30002 '],
    ],
    4,
  ],
]

/** Message that comes in to one of its own addresses, and the places that change. */
const asked: readonly (readonly [string, Endpoint, readonly Change[]])[] = [
  ['ipv6-good', endpoint('2001:db8::10', 5060), [['REGISTER sip:[2001:db8::10] ', 'REGISTER sip:[fd00::10] ']]],
  ['port-unambiguous', endpoint('2001:db8::10', 5070), [['sip:[2001:db8::10]:5070 ', 'sip:[fd00::10]:5060 ']]],
  ['port-unambiguous', endpoint('2001:db8::10', 5060), []],
  // 4.3: within the brackets it is no port.
  ['port-ambiguous', endpoint('2001:db8::10', 5070), []],
  ['port-ambiguous', endpoint('2001:db8::10:5070', 5060), [['sip:[2001:db8::10:5070] ', 'sip:[fd00::10] ']]],
  // 4.10: three colons are two.
  [
    'ipv6-bug-abnf-3-colons',
    endpoint('2001:db8::c000:201', 5060),
    [
      ['OPTIONS sip:user@[2001:db8:::192.0.2.1] ', 'OPTIONS sip:user@[fd00::10] '],
      ['To: sip:user@[2001:db8:::192.0.2.1]', 'To: sip:user@[fd00::10]'],
    ],
  ],
]

function changed(text: string, changes: readonly Change[]): string {
  let result = text
  for (const [from, to] of changes) {
    if (result.split(from).length !== 2) throw new Error(`${result.split(from).length - 1} times ${from}`)
    result = result.replace(from, to)
  }
  return result
}

t.test("with the flow's inside end in a message's own place, that place changes and no other", shared, async (t) => {
  for (const [name, ends, changes, expectations] of ours) {
    const title = `${name}, from ${ends.inside.address}`
    const box = new Box({ notSip: 'drop', malformed: 'drop', failure: 'drop' }, {}, ends, { ports: [30_000, 30_999] })
    const { kind, text } = await box.pass('out', messages.get(name)!)
    t.equal(kind, 'accept', title)
    t.equal(text, changed(textOf(name), changes), title)
    t.equal(box.world.sizes().expectations, expectations, title)
    const again = await box.pass('out', messages.get(name)!)
    t.equal(again.text, text, `${title}: a retransmission`)
    const back = await box.pass('in', text)
    t.equal(back.text, textOf(name), `${title}: and back`)
    t.same(box.errors, [])
  }
})

t.test('one that comes in to an address of ours reaches the inside', shared, async (t) => {
  for (const [name, outside, changes] of asked) {
    const ends: Ends = { inside: endpoint('fd00::10', 5060), outside, peer: V6.peer }
    const box = new Box(accepting, {}, ends)
    const { kind, text } = await box.pass('in', messages.get(name)!)
    t.equal(kind, 'accept')
    t.equal(text, changed(textOf(name), changes), `${name}, to ${outside.address}:${outside.port}`)
    t.equal(box.world.sizes().expectations, 0)
    t.same(box.errors, [])
  }
})
