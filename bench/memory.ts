/**
 * Bytes of the library's own structures a live call: engine and pinholes, over a kernel that keeps nothing.
 * Run: npx tsc -p . --noEmit false --outDir build/bench && node --expose-gc build/bench/bench/memory.js [calls]
 */
import { Pinholes } from '../lib/alg/pinholes.js'
import { Engine, type Plan } from '../lib/call/index.js'
import { scanMessage } from '../lib/sip/index.js'
import { sdpText, sipText } from '../lib/testing/index.js'
import type { Flow, Way } from '../types/flow.js'
import type { Tuple } from '../types/tuple.js'

const LIMIT = 2048
const PEER = '198.51.100.20'
const OUTSIDE = '203.0.113.1'
const COUNT = Number(process.argv[2] ?? 20_000)

const engine = new Engine({ source: 'latch', early: 'peer', budgets: { calls: 1_000_000 }, ports: [1024, 65_535] })
const pinholes = new Pinholes({
  kernel: {
    batch: (operations) => Promise.resolve(operations.map(() => ({ errno: 0 }))),
    // Both directions have been seen.
    get: (tuple) => Promise.resolve({ original: tuple, reply: tuple, status: 3 }),
    dump: () => Promise.resolve([]),
  },
  carrier: { name: 'cthelper', timeoutSec: 120 },
  leaseSec: 120,
  firstAnchor: 0,
})

const phones = Array.from({ length: 256 }, (_, i): Flow => {
  const inside = { address: `10.1.${i}.10`, port: 5060 }
  const binding = engine.bindingOf(inside, { address: OUTSIDE, port: 10_000 + i })
  return { family: 4, binding, peer: { address: PEER, port: 5060 } }
})

/** One receive buffer for all messages, as the queue has. */
const buffer = Buffer.alloc(65_536)
let now = 1_700_000_000_000

async function pass(way: Way, text: string, flow: Flow): Promise<void> {
  const length = buffer.write(text, 0, 'latin1')
  const scan = scanMessage(buffer, 0, length)
  if (scan.state !== 'found') throw new Error(scan.reason)
  const plan = engine.plan(scan.value, flow, way, now)
  await enact(plan)
  plan.edits()
}

async function enact(plan: Plan): Promise<void> {
  const failures = await pinholes.apply(plan.open, plan.close, now, () => false)
  if (failures.length > 0) throw new Error(failures[0]!.detail)
}

function headers(callId: string, cseq: number, method: string, to: string, by: string): [string, string][] {
  return [
    ['Via', `SIP/2.0/UDP ${by}:5060;branch=z9hG4bK${callId}.${cseq}`],
    ['From', `<sip:alice@example.com>;tag=from-${callId}`],
    ['To', `<sip:bob@example.com>${to}`],
    ['Call-ID', `${callId}-0123456789abcdef@${by}`],
    ['CSeq', `${cseq} ${method}`],
    ['Contact', `<sip:u@${by}:5060>`],
    ['Content-Type', 'application/sdp'],
  ]
}

async function call(n: number): Promise<void> {
  const flow = phones[n % phones.length]!
  const { address } = flow.binding.inside
  const port = 4000 + 2 * (Math.floor(n / phones.length) % 20_000)
  const to = `;tag=to-${n}`
  const offer = sdpText({ address, ports: [port] })
  await pass(
    'out',
    sipText('INVITE sip:b@example.com SIP/2.0', headers(`c${n}`, 1, 'INVITE', '', address), offer),
    flow,
  )
  await pass('in', sipText('SIP/2.0 180 Ringing', headers(`c${n}`, 1, 'INVITE', to, address)), flow)
  const answer = sdpText({ address: PEER, ports: [20_000 + 2 * (n % 10_000)] })
  await pass('in', sipText('SIP/2.0 200 OK', headers(`c${n}`, 1, 'INVITE', to, address), answer), flow)
  await pass('out', sipText('ACK sip:b@example.com SIP/2.0', headers(`c${n}`, 1, 'ACK', to, address)), flow)
}

/** RTP and RTCP flow through every pinhole; the news of a flow is decoded anew, strings included. */
function media(): void {
  for (const [i, { outside, far }] of pinholes.list().entries()) {
    const anchor = anchors[i]!
    for (const rtcp of [0, 1]) {
      const text = {
        source: { address: far.address, port: far.port + rtcp },
        destination: { ...outside, port: outside.port + rtcp },
      }
      const tuple = JSON.parse(JSON.stringify({ family: 4, protocol: 17, ...text })) as Tuple
      pinholes.onExpectedFlow({ original: tuple, reply: tuple, master: anchor, id: 0x9000_0000 + i }, now)
    }
  }
}
let anchors: readonly Tuple[] = []

async function used(): Promise<number> {
  // What the last awaits still hold goes with a turn of the loop.
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    ;(globalThis as { gc?: () => void }).gc?.()
  }
  return process.memoryUsage().heapUsed
}

const print = (what: string, bytes: number): void =>
  console.log(
    `${what.padEnd(44)} ${Math.round(bytes / COUNT)
      .toString()
      .padStart(6)} bytes a call`,
  )

if (!('gc' in globalThis)) throw new Error('run with --expose-gc')
for (let n = 0; n < 500; n++) await call(1_000_000 + n)
await enact(engine.shutdown())
now += 60_000
await pinholes.tick(now)
const before = await used()
for (let n = 0; n < COUNT; n++) await call(n)
const answered = (await used()) - before
console.log(`${COUNT} calls, one audio stream with RTCP each; limit ${LIMIT}`)
print('answered', answered)
anchors = pinholes.tuples()
media()
anchors = []
now += 60_000
for (let i = 0; i < 3; i++) {
  now += 2000
  await pinholes.tick(now)
}
const settled = (await used()) - before
print('media flows, expectations given back', settled)
const { flows, settling } = pinholes.size
console.log(`flows ${flows}, settling ${settling}, engine ${JSON.stringify(engine.size)}`)
await enact(engine.shutdown())
await pinholes.tick(now + 60_000)
print('after shutdown', (await used()) - before)
process.exitCode = Math.max(answered, settled) / COUNT > LIMIT ? 1 : 0
