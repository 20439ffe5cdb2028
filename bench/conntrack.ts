/**
 * What a media stream's pinholes cost: an anchor with 2 or 6 expectations, made in one datagram, one request after the other, and
 * over the npm package; the anchor's deletion; encoding alone; dumps; and events, skipped and decoded.
 * `node --import @isaacs/ts-node-temp-fork-for-pr-2009/import bench/conntrack.ts [ROUNDS] [STREAMS]`, as root. Runs in a network
 * namespace of its own; interleaved rounds, medians.
 */
import { spawnSync } from 'node:child_process'
import {
  anchorConntrack,
  anchorTuple,
  type Conntrack,
  type ConntrackOperation,
  decodeEvent,
  encodeOperations,
  holder,
  inboundPinhole,
  openConntrack,
  outboundPinhole,
} from '../lib/conntrack/index.js'
import { NETLINK_NETFILTER, openPackageTransport } from '../lib/netlink/index.js'
import { Lab } from '../lib/testing/index.js'

const inside = '--inside'
const numbers = process.argv.slice(2).filter((word) => word !== inside)
const [rounds = 7, streams = 200] = numbers.map(Number)

/** RTP and RTCP: two ways in, or with latching (a holder each) and the two ways out, six. */
function operationsOf(n: number, count: 2 | 6): ConntrackOperation[] {
  const anchor = anchorTuple(4, n)
  const expectations = [0, 1].flatMap((rtcp) => {
    const far = { address: '198.51.100.20', port: 6000 + rtcp }
    const near = { address: '192.168.7.10', port: 4000 + n * 2 + rtcp }
    const to = { address: '198.51.100.1', port: 30000 + n * 2 + rtcp }
    const base = { anchor, function: 'sip' } as const
    const inbound = inboundPinhole({ ...base, from: far, to, mapTo: near, source: count === 6 ? 'latch' : 'exact' })
    if (count === 2) return [inbound]
    return [inbound, holder(inbound), outboundPinhole({ ...base, from: near, to: far, mapTo: far, source: 'exact' })]
  })
  return [
    { kind: 'create-conntrack', conntrack: anchorConntrack({ family: 4, n, helper: 'sip', timeoutSec: 600, mark: 7 }) },
    ...expectations.map((expectation) => ({ kind: 'create-expectation', expectation }) as const),
  ]
}

type Create = (conntrack: Conntrack, operations: readonly ConntrackOperation[]) => Promise<unknown>

const inOneDatagram: Create = async (conntrack, operations) => {
  const refused = (await conntrack.batch(operations)).find(({ errno }) => errno !== 0)
  if (refused) throw new Error(`refused: ${refused.errnoName}`)
}

const oneByOne: Create = async (conntrack, operations) => {
  for (const operation of operations) await inOneDatagram(conntrack, [operation])
}

const samples = new Map<string, number[]>()
const microseconds = (since: bigint, count: number) => Number(process.hrtime.bigint() - since) / 1000 / count

function note(what: string, value: number): void {
  if (!samples.has(what)) samples.set(what, [])
  samples.get(what)!.push(value)
}

interface Way {
  readonly over: string
  readonly how: string
  readonly conntrack: Conntrack
  readonly create: Create
}

async function streamRound({ over, how, conntrack, create }: Way, count: 2 | 6): Promise<void> {
  let start = process.hrtime.bigint()
  for (let n = 0; n < streams; n++) await create(conntrack, operationsOf(n, count))
  note(`create anchor + ${count}, ${over}, ${how}`, microseconds(start, streams))
  start = process.hrtime.bigint()
  for (let n = 0; n < streams; n++) await conntrack.delete(anchorTuple(4, n))
  note(`delete anchor + ${count}, ${over}`, microseconds(start, streams))
}

/** What a message costs once it is there. */
function eventRound(): void {
  const { payload } = encodeOperations(operationsOf(0, 2))[0]!
  const message = { type: 0x100, flags: 0x600, sequence: 0, payload }
  const count = 100_000
  for (const [what, filter] of [
    ['skip an event (expectedOnly)', { expectedOnly: true }],
    ['decode an event', {}],
  ] as const) {
    const start = process.hrtime.bigint()
    for (let i = 0; i < count; i++) decodeEvent(message, filter)
    note(what, microseconds(start, count))
  }
}

function encodeRound(): void {
  for (const count of [2, 6] as const) {
    const operations = operationsOf(0, count)
    const start = process.hrtime.bigint()
    for (let i = 0; i < 20_000; i++) encodeOperations(operations)
    note(`encode anchor + ${count}`, microseconds(start, 20_000))
  }
}

async function dumpRound(conntrack: Conntrack): Promise<void> {
  for (let n = 0; n < streams; n++) await conntrack.batch(operationsOf(n, 2).slice(0, 1))
  const start = process.hrtime.bigint()
  const { length } = await conntrack.dump()
  // The kernel walks its whole hash table, whatever is in it.
  note(`dump the table of ${length}`, microseconds(start, 1))
  await conntrack.flush()
}

/** Processor time of reading events that wait in the socket, none of which is wanted. */
async function listenRound(conntrack: Conntrack): Promise<void> {
  const creations = Array.from({ length: streams }, (_, n) => operationsOf(n, 2)[0]!)
  let heard = 0
  const subscription = conntrack.events({
    groups: ['conntrack-new'],
    filter: { accept: () => ++heard < 0 },
    onEvent: () => {},
    onOverrun: () => console.log('events lost'),
  })
  let spent = 0
  for (let i = 1; i <= 20; i++) {
    // Executed and answered inside the call: the events are read only when the loop turns.
    await conntrack.batch(creations)
    const before = process.cpuUsage()
    while (heard < i * streams) await new Promise((resolve) => setImmediate(resolve))
    const { user, system } = process.cpuUsage(before)
    spent += user + system
    await conntrack.flush()
  }
  subscription.close()
  note('read an event and skip it', spent / heard)
}

async function main(): Promise<void> {
  const addon = await openConntrack()
  const transport = openPackageTransport(NETLINK_NETFILTER)
  const npm = await openConntrack({ transport })
  const ways: Way[] = [
    { over: 'addon', how: 'one datagram', conntrack: addon, create: inOneDatagram },
    { over: 'addon', how: 'one by one', conntrack: addon, create: oneByOne },
    { over: 'npm netlink', how: 'one datagram', conntrack: npm, create: inOneDatagram },
    { over: 'npm netlink', how: 'one by one', conntrack: npm, create: oneByOne },
  ]
  for (let round = 0; round <= rounds; round++) {
    for (const count of [2, 6] as const) for (const way of ways) await streamRound(way, count)
    encodeRound()
    eventRound()
    await dumpRound(addon)
    await listenRound(addon)
    // The first round warms up.
    if (round === 0) samples.clear()
  }
  addon.close()
  npm.close()
  transport.close()
  report()
}

function report(): void {
  console.log(`microseconds, median (lowest .. highest) of ${rounds} rounds of ${streams}`)
  for (const [what, values] of [...samples].sort(([a], [b]) => (a < b ? -1 : 1))) {
    values.sort((a, b) => a - b)
    const [low, middle, high] = [values[0]!, values[values.length >> 1]!, values.at(-1)!]
    console.log(`${what.padEnd(48)} ${middle.toFixed(2).padStart(8)} (${low.toFixed(2)} .. ${high.toFixed(2)})`)
  }
}

/** The package knows only the process's own namespace, so the whole process goes into one. */
function runInside(): number {
  const lab = new Lab()
  const namespace = lab.namespace('bench')
  // Sockets of conntrack answer without it, but entries are only made where a rule asks for tracking.
  namespace.nft('table inet bench { chain out { type filter hook output priority 0; ct state new accept; }; }')
  const node = [process.execPath, ...process.execArgv, import.meta.filename, ...numbers, inside]
  const { status } = spawnSync('ip', ['netns', 'exec', namespace.name, ...node], { stdio: 'inherit' })
  lab.close()
  return status ?? 1
}

if (process.argv.includes(inside)) await main()
else process.exitCode = runInside()
