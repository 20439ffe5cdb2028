import t from 'tap'
import { decode } from '../../lib/netlink/attribute.js'
import { decodeMessages } from '../../lib/netlink/message.js'
import { verdictTable } from '../../lib/nfqueue/nfqa.table.js'
import { VerdictWriter } from '../../lib/nfqueue/verdict.js'

/** A writer for queue 0x1234 whose datagrams are kept; `results` are what the sends return, then success. */
function setUp(...results: number[]) {
  const datagrams: Uint8Array[] = []
  const failures: number[] = []
  const send = (bytes: Uint8Array, start: number, end: number): number => {
    const result = results.shift() ?? end - start
    if (result > 0) datagrams.push(bytes.slice(start, end))
    return result
  }
  const writer = new VerdictWriter(0x1234, send, (errno) => failures.push(errno))
  const messages = () => datagrams.flatMap((bytes) => decodeMessages(bytes)).map(decoded)
  return { writer, datagrams, failures, messages }
}

function decoded({ type, flags, payload }: { type: number; flags: number; payload: Uint8Array }) {
  const { header, ...rest } = decode(verdictTable, payload, 4)
  return { type, flags, queue: (payload[2]! << 8) | payload[3]!, ...header, ...rest }
}

const accept = { flags: 1, queue: 0x1234, verdict: 1 }

t.test('bytes of one verdict', async (t) => {
  const { writer, datagrams } = setUp()
  writer.write(0x01020304, 1, 0x0a0b0c0d, Uint8Array.of(0x45, 0, 0))
  writer.flush()
  // nlmsghdr (0x301, REQUEST) nfgenmsg (queue) NFQA_VERDICT_HDR { be32 verdict, be32 id } NFQA_MARK NFQA_PAYLOAD, padded.
  const expected = [
    '30000000010301000000000000000000' + '00001234',
    '0c0002000000000101020304' + '080003000a0b0c0d',
    '07000a0045000000',
  ]
  t.equal(Buffer.from(datagrams[0]!).toString('hex'), expected.join(''))
})

t.test('runs of accepts become batches, and single ones do not', async (t) => {
  const { writer, datagrams, messages } = setUp()
  for (const id of [1, 2, 3]) writer.acceptNext(id)
  writer.write(4, 0, undefined, undefined)
  writer.acceptNext(5)
  writer.flush()
  t.equal(datagrams.length, 1)
  t.same(messages(), [
    { type: 0x303, ...accept, id: 3 },
    { type: 0x301, ...accept, verdict: 0, id: 4 },
    { type: 0x301, ...accept, id: 5 },
  ])
  t.equal(writer.isPending, false)
  writer.flush()
  t.equal(datagrams.length, 1, 'nothing to send')
})

t.test('large batches go in several datagrams, whole messages each', async (t) => {
  const { writer, datagrams, messages } = setUp()
  const payload = new Uint8Array(1500).fill(7)
  for (let id = 0; id < 100; id++) writer.write(id, 1, undefined, payload)
  writer.write(100, 1, 0, new Uint8Array(65531))
  writer.flush()
  t.ok(datagrams.length >= 4)
  t.same(
    messages().map(({ id }) => id),
    Array.from({ length: 101 }, (_, id) => id),
  )
  t.ok(
    messages()
      .slice(0, 100)
      .every((message) => message.payload?.length === 1500 && message.payload[1499] === 7),
  )
  t.equal(messages().at(-1)!.payload!.length, 65531)
})

t.test('what the kernel had no memory for is sent later, in order', async (t) => {
  const { writer, failures, messages } = setUp(-105, -12)
  writer.write(1, 1, undefined, undefined)
  writer.flush()
  writer.write(2, 1, undefined, undefined)
  writer.flush()
  t.same(messages(), [])
  await new Promise((resolve) => setTimeout(resolve, 50))
  t.same(
    messages().map(({ id }) => id),
    [1, 2],
  )
  t.same(failures, [])
})

t.test('what cannot be cured is reported; close forgets the rest', async (t) => {
  const { writer, failures, messages } = setUp(-1, -105)
  writer.write(1, 1, undefined, undefined)
  writer.flush()
  t.same(failures, [1])
  writer.write(2, 1, undefined, undefined)
  writer.flush()
  writer.close()
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.same(messages(), [])
})
