/**
 * What one packet costs in JavaScript from the queue's buffer to the verdict's: netlink message, packet, flow, scan, plan, edits,
 * rebuilt, verdict written. All but the kernel, the addon, and what waits for either.
 * `bench/run.sh packet`; `node node_modules/.cache/bench/bench/packet.js PASSES` after it does only that, for a profiler.
 */
import { KernelQueue } from '../lib/nfqueue/queue.js'
import { Box, PHONE, PROXY, packetOf } from '../test/alg/box.js'
import { OUTSIDE } from '../test/call/world.js'
import type { NativeSocket } from '../types/native.js'
import { inviteText } from './invite-text.js'
import { checkSink, keep, measure, print } from './measure.js'

const SLOTS = 64
const SLOT = 4096
const NFQNL_MSG_PACKET = 0x0300

/** A NFQNL_MSG_PACKET as the kernel writes it: header, mark, interfaces, payload. */
function message(id: number, packet: Uint8Array): Buffer {
  const attribute = (type: number, content: Uint8Array) => {
    const bytes = Buffer.alloc((4 + content.length + 3) & ~3)
    bytes.writeUInt16LE(4 + content.length, 0)
    bytes.writeUInt16LE(type, 2)
    bytes.set(content, 4)
    return bytes
  }
  const u32 = (value: number) => Buffer.from([value >> 24, value >> 16, value >> 8, value])
  const header = Buffer.concat([u32(id), Buffer.from([0x08, 0x00, 4])])
  const attributes = [attribute(1, header), attribute(3, u32(1)), attribute(5, u32(1)), attribute(6, u32(2))]
  const body = Buffer.concat([Buffer.from([2, 0, 0, 0]), ...attributes, attribute(10, packet)])
  const start = Buffer.alloc(16)
  start.writeUInt32LE(16 + body.length, 0)
  start.writeUInt16LE(NFQNL_MSG_PACKET, 4)
  return Buffer.concat([start, body])
}

const box = new Box()
const buffer = new Uint8Array(SLOTS * SLOT)
const lengths = new Uint32Array(SLOTS)
for (let n = 0; n < SLOTS; n++) {
  const text = inviteText(n, PHONE.address, PROXY.address)
  const { text: rewritten } = await box.pass('out', text)
  if (!rewritten.includes(`Contact: <sip:alice@${OUTSIDE}:`)) throw new Error(`not rewritten:\n${rewritten}`)
  const bytes = message(n + 1, packetOf(text, { address: OUTSIDE, port: 40_000 }, PROXY))
  buffer.set(bytes, n * SLOT)
  lengths[n] = bytes.length
}

let written = 0
let take: (count: number, first: number) => void = () => undefined
const native = {
  start(onPackets: typeof take) {
    take = onPackets
    return 0
  },
  post(_bytes: Uint8Array, _start: number, length: number) {
    written += length
    return length
  },
  close: () => undefined,
} as unknown as NativeSocket
const queue = new KernelQueue(
  { number: 1, onBatch: (packets, sink) => packets.forEach((packet) => void box.pipeline.handle(packet, sink)) },
  { native, buffer, slotSize: SLOT, lengths },
  { row: () => undefined, close: () => undefined },
  [],
)
queue.start(0)
const batch = (): number => {
  take(SLOTS, 0)
  return written
}

const passes = Number(process.argv[2] ?? 0)
for (let i = 0; i < passes / SLOTS; i++) keep(batch())
if (passes === 0) {
  const us = measure(batch, 40, 400) / SLOTS
  print('queue to verdict, a message', us, `${lengths[0]} bytes`)
  if (queue.counters().verdicts === 0 || box.counters.snapshot().rewritten !== box.counters.snapshot().requests)
    throw new Error(`not every message was rewritten: ${JSON.stringify(box.counters.snapshot())}`)
}
checkSink()
