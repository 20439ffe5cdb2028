import fc from 'fast-check'
import t from 'tap'
import { scanMessage } from '../../lib/sip/index.js'
import { sipText } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import { samples } from '../corpus/messages.js'
import { missing, tortureMessages } from '../corpus/torture.js'
import { runs } from '../law.js'
import { fresh, message, there } from './rewriting.js'
import { edited, endpoint, flowOf, OUTSIDE, PEER, scanned, World } from './world.js'

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
