import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { decode, encode, Writer } from '../../lib/netlink/attribute.js'
import { decodeMessages, NLMSG_ERROR, writeMessage } from '../../lib/netlink/message.js'
import { NFQNL_MSG_PACKET, NFQNL_MSG_VERDICT_BATCH, packetTable, verdictTable } from '../../lib/nfqueue/nfqa.table.js'
import { KernelQueue, openQueue } from '../../lib/nfqueue/queue.js'
import type { NativeSocket } from '../../types/native.js'
import type { Queue, QueuedPacket, QueueOptions, VerdictKind } from '../../types/nfqueue.js'
import { runs } from '../law.js'

const slotSize = 256
const kinds = ['drop', 'accept', '', '', 'repeat']

/** nfnetlink_queue in a few lines: it holds packets in order and decides them as verdict messages say. */
class FakeKernel {
  /** Id to verdict; packets of `waiting` have none. */
  readonly decided = new Map<number, string>()
  readonly waiting = new Set<number>()
  readonly refused: number[] = []
  readonly datagrams: Uint8Array[] = []
  readonly buffer = new Uint8Array(64 * slotSize)
  readonly lengths = new Uint32Array(64)
  isClosed = false
  #onBatch: (count: number) => void = () => {}
  #id = 0

  open(options: Partial<QueueOptions>): KernelQueue {
    const native = {
      post: (bytes: Uint8Array, start: number, end: number) => this.#verdicts(bytes.slice(start, end)),
      start: (onBatch: (count: number) => void) => {
        this.#onBatch = onBatch
        return 0
      },
      close: () => {
        this.isClosed = true
      },
    } as unknown as NativeSocket
    const { buffer, lengths } = this
    const proc = {
      row: () => ({ number: 7, portId: 1, waiting: 0, queueDropped: 5, userDropped: 6, lastId: 0 }),
      close: () => {},
    }
    const queue = new KernelQueue(
      { number: 7, onBatch: () => {}, ...options },
      { native, buffer, lengths, slotSize },
      proc,
      [],
    )
    queue.start(0)
    return queue
  }

  /** Queues `count` packets and hands them over. */
  deliver(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = ++this.#id
      const writer = new Writer()
      writer.u32(0)
      encode(packetTable, { header: { id, etherType: 0x0800, hook: 4 }, payload: Uint8Array.of(id) }, writer)
      this.put(i, NFQNL_MSG_PACKET, writer.bytes())
      this.waiting.add(id)
    }
    this.#onBatch(count)
  }

  put(slot: number, type: number, payload: Uint8Array): void {
    const writer = new Writer()
    writeMessage(writer, type, 0, 0, payload)
    this.buffer.set(writer.bytes(), slot * slotSize)
    this.lengths[slot] = writer.length
  }

  signal(count: number): void {
    this.#onBatch(count)
  }

  #verdicts(bytes: Uint8Array): number {
    this.datagrams.push(bytes)
    for (const { type, payload } of decodeMessages(bytes)) {
      const { id, verdict } = decode(verdictTable, payload, 4).header!
      if (type === NFQNL_MSG_VERDICT_BATCH)
        for (const each of [...this.waiting]) each <= id && this.#decide(each, verdict)
      else if (this.waiting.has(id)) this.#decide(id, verdict)
      else this.refused.push(id)
    }
    return bytes.length
  }

  #decide(id: number, verdict: number): void {
    this.waiting.delete(id)
    this.decided.set(id, kinds[verdict]!)
  }
}

/** For each packet of a batch: when it is decided (0: never; 1: in the batch; 2: after it; 3: after the next), and how. */
const plan = fc.array(
  fc.array(
    fc.record({
      when: fc.constantFrom(0, 1, 1, 1, 1, 2, 3),
      kind: fc.constantFrom<VerdictKind>('accept', 'accept', 'accept', 'drop', 'repeat'),
      rank: fc.nat(20),
      isMarked: fc.integer({ min: 0, max: 5 }).map((n) => n === 0),
    }),
    { minLength: 1, maxLength: 12 },
  ),
  { minLength: 1, maxLength: 5 },
)

t.test('in whatever order verdicts are given, the kernel ends with just these', async (t) => {
  await fc.assert(
    fc.asyncProperty(plan, fc.boolean(), async (batches, inOrder) => {
      const kernel = new FakeKernel()
      const expected = new Map<number, string>()
      let later: (() => void)[] = []
      let steps: (typeof batches)[number] = []
      const queue = kernel.open({
        onBatch(packets, queue) {
          const now: { rank: number; run: () => void }[] = []
          const after: (() => void)[] = []
          for (const [i, packet] of packets.entries()) {
            const { when, kind, rank, isMarked } = steps[i]!
            const run = () => {
              expected.set(packet.id, kind)
              queue.verdict(packet, kind, isMarked ? { mark: 1 } : {})
            }
            if (when === 1) now.push({ rank: inOrder ? i : rank, run })
            else if (when > 0) after.push(run)
          }
          for (const { run } of now.sort((a, b) => a.rank - b.rank)) run()
          for (const run of later) run()
          later = after
        },
      })
      for (const batch of batches) {
        steps = batch
        kernel.deliver(batch.length)
        for (const run of later.splice(0, later.length >> 1)) run()
        await Promise.resolve()
      }
      for (const run of later) run()
      await Promise.resolve()
      deepStrictEqual([...kernel.decided].sort(), [...expected].sort())
      deepStrictEqual(kernel.refused, [])
      strictEqual(queue.counters().verdicts, expected.size)
    }),
    runs(300),
  )
  t.pass()
})

function opened(
  onBatch: (packets: readonly QueuedPacket[], queue: Queue) => void,
  options: Partial<QueueOptions> = {},
) {
  const kernel = new FakeKernel()
  return { kernel, queue: kernel.open({ onBatch, ...options }) }
}

const acceptAll: QueueOptions['onBatch'] = (packets, queue) => {
  for (const packet of packets) queue.verdict(packet, 'accept')
}

t.test('a batch accepted in order is one message', async (t) => {
  const { kernel } = opened(acceptAll)
  kernel.deliver(50)
  t.equal(kernel.datagrams.length, 1)
  t.equal(kernel.datagrams[0]!.length, 32)
  t.equal(kernel.decided.size, 50)
})

t.test('while an earlier packet is held, each has its own message', async (t) => {
  const held: QueuedPacket[] = []
  const { kernel, queue } = opened((packets, queue) => {
    for (const packet of packets) {
      if (packet.id === 2) held.push(packet.detach())
      else queue.verdict(packet, 'accept')
    }
  })
  kernel.deliver(4)
  kernel.deliver(3)
  t.same([...kernel.waiting], [2])
  queue.verdict(held[0]!, 'drop')
  t.equal(kernel.waiting.size, 1, 'not yet')
  await Promise.resolve()
  t.equal(kernel.decided.get(2), 'drop')
  kernel.deliver(3)
  t.equal(kernel.datagrams.at(-1)!.length, 32, 'one message again')
})

t.test('verdicts of one turn outside a batch are one datagram', async (t) => {
  const held: QueuedPacket[] = []
  const { kernel, queue } = opened((packets) => held.push(...packets))
  kernel.deliver(3)
  await Promise.all(held.map(async (packet) => queue.verdict(packet, 'accept')))
  t.equal(kernel.datagrams.length, 1)
  t.equal(kernel.decided.size, 3)
})

t.test('misuse', async (t) => {
  const other = opened(acceptAll)
  const seen: QueuedPacket[] = []
  const { kernel, queue } = opened((packets) => seen.push(...packets))
  kernel.deliver(1)
  queue.verdict(seen[0]!, 'accept')
  t.throws(() => queue.verdict(seen[0]!, 'drop'), { code: 'ERR_ARGUMENT', message: /already/ })
  t.throws(() => other.queue.verdict(seen[0]!, 'drop'), { code: 'ERR_ARGUMENT', message: /not a packet/ })
  t.throws(() => queue.verdict({ id: 1 } as QueuedPacket, 'drop'), { code: 'ERR_ARGUMENT' })
  const payload = new Uint8Array(65532)
  kernel.deliver(1)
  t.throws(() => queue.verdict(seen[1]!, 'accept', { payload }), { code: 'ERR_ARGUMENT', message: /65531/ })
  queue.verdict(seen[1]!, 'drop', { payload })
  await Promise.resolve()
  t.equal(kernel.decided.get(2), 'drop', 'a refused verdict leaves the packet open')
  for (const options of [
    { number: -1 },
    { number: 65536 },
    { number: 1, copyRange: 0 },
    { number: 1, maxLength: 0.5 },
  ]) {
    await t.rejects(openQueue({ onBatch: () => {}, ...options }), { code: 'ERR_ARGUMENT' })
  }
})

t.test('a detached copy and its packet are one packet', async (t) => {
  const copies: QueuedPacket[] = []
  const { kernel, queue } = opened((packets, queue) => {
    copies.push(...packets.map((packet) => packet.detach()))
    queue.verdict(packets[0]!, 'accept')
    queue.verdict(copies[1]!, 'accept')
  })
  kernel.deliver(3)
  t.equal(kernel.decided.size, 2)
  t.throws(() => queue.verdict(copies[0]!, 'drop'), { code: 'ERR_ARGUMENT' })
  t.same([...copies[2]!.payload], [3])
})

t.test('a throwing callback: what it decided is sent, what nobody keeps is dropped', async (t) => {
  let kept: QueuedPacket | undefined
  const { kernel, queue } = opened((packets, queue) => {
    queue.verdict(packets[0]!, 'accept')
    kept = packets[2]!.detach()
    throw new Error('bug')
  })
  t.throws(() => kernel.deliver(4), { message: 'bug' })
  t.same(
    [...kernel.decided],
    [
      [1, 'accept'],
      [2, 'drop'],
      [4, 'drop'],
    ],
  )
  queue.verdict(kept!, 'accept')
  await Promise.resolve()
  t.equal(kernel.decided.get(3), 'accept')
})

t.test('counters, errors of verdicts, overruns', async (t) => {
  const { kernel, queue } = opened(acceptAll)
  kernel.deliver(3)
  kernel.signal(-105)
  const refusal = new Uint8Array(20)
  new DataView(refusal.buffer).setInt32(0, -2, true)
  kernel.put(0, NLMSG_ERROR, refusal)
  kernel.signal(1)
  const expected = { received: 3, bytes: 3, batches: 1, verdicts: 3, verdictErrors: 1, overruns: 1 }
  t.same(queue.counters(), { ...expected, queueDropped: 5, userDropped: 6 })
  queue.close()
  t.same(queue.counters(), { ...expected, queueDropped: 5, userDropped: 6 }, 'kept after close')
})

t.test('close sends what was decided; later verdicts are nothing', async (t) => {
  const seen: QueuedPacket[] = []
  const { kernel, queue } = opened((packets) => seen.push(...packets))
  kernel.deliver(2)
  queue.verdict(seen[0]!, 'accept')
  queue.close()
  queue.close()
  t.equal(kernel.decided.size, 1)
  t.equal(kernel.isClosed, true)
  queue.verdict(seen[1]!, 'accept')
  await Promise.resolve()
  t.equal(kernel.decided.size, 1)
  t.equal(opened((_packets, queue) => queue.close()).kernel.deliver(1), undefined, 'from inside the callback')
})

t.test('a failing socket closes the queue and is reported', async (t) => {
  const errors: Error[] = []
  const { kernel } = opened(() => {}, { onError: (error) => errors.push(error) })
  kernel.signal(-5)
  t.match(errors, [{ code: 'ERR_KERNEL', errnoName: 'EIO' }])
  t.equal(kernel.isClosed, true)
  const silent = opened(() => {})
  t.throws(() => silent.kernel.signal(-5), { code: 'ERR_KERNEL' }, 'thrown where nobody listens')
})
