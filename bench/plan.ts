/**
 * What one message costs in JavaScript between the queue and the verdict: scan, plan, edits, the packet put together.
 * Run: npx tsc -p . --noEmit false --outDir build/bench && node build/bench/bench/plan.js
 */
import { Engine } from '../lib/call/index.js'
import { locate, rebuild } from '../lib/packet/index.js'
import { scanSdp } from '../lib/sdp/index.js'
import { addressFields, scanMessage } from '../lib/sip/index.js'
import { typical } from '../test/corpus/messages.js'
import type { Flow, Way } from '../types/flow.js'
import type { PacketLocation } from '../types/packet.js'
import { checkSink, keep, measure, packetOf, print } from './measure.js'

const inside = { address: '10.0.0.5', port: 5060 }
const outside = { address: '203.0.113.77', port: 40_000 }
const flow: Flow = {
  family: 4,
  binding: { inside, outside, transport: 'udp', implied: undefined },
  peer: { address: '198.51.100.20', port: 5060 },
}
const target = new Uint8Array(65_536)
const invite = packetOf(typical)
const found = locate(invite)
if (found.state !== 'found') throw new Error(found.state)
const location: PacketLocation = found
const { start } = location.payload

const newEngine = (): Engine =>
  new Engine({
    source: 'latch',
    early: 'peer',
    ports: [30_000, 39_999],
    budgets: { callsPerSecond: 100_000, portsPerHost: 10_000 },
  })

function scanned(packet: Uint8Array) {
  const scan = scanMessage(packet, start, packet.length)
  if (scan.state !== 'found') throw new Error(scan.reason)
  return scan.value
}

/** The whole way of one message. */
function pass(engine: Engine, packet: Uint8Array, where: PacketLocation, way: Way): number {
  const plan = engine.plan(scanned(packet), flow, way, 1_700_000_000_000)
  const edits = plan.edits()
  return edits.length === 0 ? 0 : rebuild(packet, where, edits, target)
}

const CALLS = 20_000
const engine = newEngine()
pass(engine, invite, location, 'out')
const message = scanned(invite)
const planned = engine.plan(message, flow, 'out', 1)
console.log(
  `typical INVITE: ${typical.length} bytes, ${planned.edits().length} edits; a retransmission, piece by piece:`,
)
print(
  'scanMessage',
  measure(() => scanned(invite).cseq, CALLS),
)
print(
  '  and addressFields',
  measure(() => addressFields(scanned(invite)).length, CALLS),
)
print(
  'scanSdp',
  measure(() => scanSdp(invite, message.body.start, message.body.end).state.length, CALLS),
)
print(
  'plan alone',
  measure(() => engine.plan(message, flow, 'out', 1).events.length, CALLS),
  'addresses known',
)
print(
  'plan and edits',
  measure(() => engine.plan(message, flow, 'out', 1).edits().length, CALLS),
  'addresses known',
)
const edits = planned.edits()
print(
  'rebuild',
  measure(() => rebuild(invite, location, edits, target), CALLS),
)
const whole = measure(() => pass(engine, invite, location, 'out'), CALLS)
print('scan, plan, edits, rebuild', whole, 'target 5')

/** The messages of a call; `{n}` is its number. */
const head = (start: string, by: string, cseq: string, to: string): string => `${start}
Via: SIP/2.0/UDP ${by};branch=z9hG4bK{n}${cseq.replace(' ', '')};rport
Max-Forwards: 70
From: "Front Desk" <sip:101@example.com>;tag=as{n}
To: <sip:2125551212@example.com>${to}
Contact: <sip:101@${by}>
Call-ID: 4ad1c33a5be0b15f0c2f4e1d6a7e{n}@10.0.0.5
CSeq: ${cseq}
User-Agent: a phone of some kind 1.2.3
Allow: INVITE, ACK, CANCEL, OPTIONS, BYE, REFER, SUBSCRIBE, NOTIFY, INFO
`
const body = (address: string, port: number): string =>
  [
    'v=0',
    `o=- 1 1 IN IP4 ${address}`,
    's=-',
    `c=IN IP4 ${address}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0 8 101`,
    'a=rtpmap:101 telephone-event/8000',
    'a=sendrecv',
    '',
  ].join('\r\n')
const whole6 = (head: string, body = ''): string => {
  const type = body ? 'Content-Type: application/sdp\n' : ''
  return `${`${head}${type}Content-Length: ${body.length}\n\n`.replace(/\n/g, '\r\n')}${body}`
}
const mine = '10.0.0.5:5060'
const theirs = '203.0.113.77:40000'
const tag = ';tag=b{n}'
const ladder: readonly [string, Way, string][] = [
  [
    'INVITE',
    'out',
    whole6(head('INVITE sip:2125551212@example.com SIP/2.0', mine, '1 INVITE', ''), body('10.0.0.5', 4000)),
  ],
  ['180', 'in', whole6(head('SIP/2.0 180 Ringing', theirs, '1 INVITE', tag))],
  ['200', 'in', whole6(head('SIP/2.0 200 OK', theirs, '1 INVITE', tag), body('198.51.100.20', 6000))],
  ['ACK', 'out', whole6(head('ACK sip:2125551212@198.51.100.20 SIP/2.0', mine, '1 ACK', tag))],
  ['BYE', 'out', whole6(head('BYE sip:2125551212@198.51.100.20 SIP/2.0', mine, '2 BYE', tag))],
  ['200', 'in', whole6(head('SIP/2.0 200 OK', theirs, '2 BYE', tag))],
]

function calls(): void {
  const count = 20_000
  const packets = Array.from({ length: count }, (_, n) =>
    ladder.map(([, , text]) => {
      const number = String(n).padStart(8, '0')
      const packet = packetOf(Buffer.from(text.replaceAll('{n}', number), 'latin1'))
      const where = locate(packet)
      if (where.state !== 'found') throw new Error(where.state)
      return { packet, where }
    }),
  )
  const best = ladder.map(() => Number.POSITIVE_INFINITY)
  for (let round = 0; round < 6; round++) {
    const engine = newEngine()
    // Calls in groups, as many at a time as ports allow; a step of all, then the next step of all.
    const spent = ladder.map(() => 0)
    for (let from = 0; from < count; from += 4000) {
      const group = packets.slice(from, from + 4000)
      for (const [step, [, way]] of ladder.entries()) {
        const start = process.cpuUsage()
        for (const messages of group) {
          const { packet, where } = messages[step]!
          keep(pass(engine, packet, where, way))
        }
        const { user, system } = process.cpuUsage(start)
        spent[step]! += (user + system) / count
      }
    }
    for (const [step, time] of spent.entries()) best[step] = Math.min(best[step]!, time)
    if (engine.size.calls !== 0) throw new Error(JSON.stringify(engine.size))
  }
  console.log('\na whole call, one after the other, pinholes not counted:')
  for (const [step, [name, way]] of ladder.entries()) print(`${name}, ${way}`, best[step]!)
  print(
    'six messages',
    best.reduce((sum, time) => sum + time),
  )
}

calls()
checkSink()
