import fc from 'fast-check'
import t from 'tap'
import { Reassembly } from '../../lib/follow/reassembly.js'
import { runs } from '../law.js'
import { bytesOf } from './world.js'

const abc = bytesOf('abcdefghijklmnopqrstuvwxyz')
const part = (from: number, to: number): Uint8Array => abc.subarray(from, to)

function readAll(stream: Reassembly): string {
  let text = ''
  for (let run = stream.read(); run; run = stream.read()) text += Buffer.from(run).toString('latin1')
  return text
}

t.test('holes are filled, overlaps are read once', async (t) => {
  const stream = new Reassembly(100)
  t.equal(stream.take(5, part(5, 9), false), 'new')
  t.equal(readAll(stream), '')
  t.equal(stream.take(12, part(12, 14), false), 'new')
  t.equal(stream.take(0, part(0, 7), false), 'new')
  t.equal(readAll(stream), 'abcdefghi')
  t.equal(stream.take(3, part(3, 8), false), 'known')
  t.equal(stream.take(8, part(8, 20), true), 'new')
  t.equal(readAll(stream), 'jklmnopqrst')
  t.equal(stream.isAtEnd, true)
})

t.test('sequence numbers wrap around', async (t) => {
  const stream = new Reassembly(0xfffffffe)
  t.equal(stream.positionOf(3), 5)
  t.equal(stream.positionOf(0xfffffffc), -2)
  stream.take(stream.positionOf(0xfffffffe), part(0, 5), false)
  t.equal(readAll(stream), 'abcde')
  t.equal(stream.sequenceOf(5), 3)
  t.equal(stream.acknowledge(3), true)
  t.equal(stream.size, 0)
})

t.test('who says something else than before is contradicted, until the receiver has it', async (t) => {
  const stream = new Reassembly(0)
  stream.take(0, part(0, 10), false)
  stream.take(12, part(12, 14), false)
  readAll(stream)
  t.equal(stream.take(8, bytesOf('iX'), false), 'conflict', 'what was read')
  t.equal(stream.take(11, bytesOf('lX'), false), 'conflict', 'what waits for what is missing')
  t.equal(stream.take(9, bytesOf('j'), true), 'conflict', 'an end before what was said')
  t.equal(stream.take(8, bytesOf('ijk'), false), 'new', 'what agrees is taken')
  t.equal(stream.acknowledge(10), true)
  t.equal(stream.take(9, bytesOf('X'), false), 'known', 'a keep-alive says anything')
  t.equal(stream.take(11, part(11, 20), true), 'new')
  t.equal(stream.take(20, bytesOf('u'), false), 'conflict', 'behind the end')
  t.equal(stream.take(11, part(11, 21), true), 'conflict', 'another end')
})

t.test('acknowledged what never came by: nobody knows what', async (t) => {
  const stream = new Reassembly(0)
  stream.take(0, part(0, 3), false)
  stream.take(4, part(4, 6), true)
  t.equal(stream.acknowledge(1), false, 'not read yet')
  readAll(stream)
  t.equal(stream.acknowledge(3), true)
  t.equal(stream.acknowledge(4), false)
  t.equal(stream.acknowledge(7), false, 'nor its end')
  stream.take(3, part(3, 4), false)
  readAll(stream)
  t.equal(stream.acknowledge(6), true)
  t.equal(stream.isEndAcknowledged, false)
  t.equal(stream.acknowledge(7), true)
  t.equal(stream.isEndAcknowledged, true)
  t.equal(stream.acknowledge(0xfffffff0), true, 'an old one')
})

t.test('memory is bounded, and a hole can always be filled', async (t) => {
  const far = new Reassembly(0)
  t.equal(far.take(262_144, part(0, 1), false), 'full')
  t.equal(far.take(262_143, part(0, 1), false), 'new')
  const stream = new Reassembly(0)
  const fates = Array.from({ length: 1500 }, (_, i) => stream.take(5000 + 2 * i, part(0, 1), false))
  t.equal(fates.filter((it) => it === 'new').length, 1024)
  for (let i = 0; i < 4999; i++) {
    t.equal(stream.take(i, part(i % 26, (i % 26) + 1), false), 'new')
    stream.read()
  }
  t.equal(stream.next, 4999)
  t.ok(stream.size < 4999 + 1024 + 2048 * 128, `${stream.size} bytes: runs that follow on each other are joined`)
  t.equal(stream.take(4998, part(5, 6), false), 'conflict', 'what was joined is compared as well')
})

t.test('law: whatever comes, nothing is thrown, and no more is kept than there is room for', async () => {
  const anything = fc.array(
    fc.record({
      kind: fc.constantFrom('take', 'take', 'take', 'read', 'acknowledge'),
      sequence: fc.oneof(
        fc.integer({ min: 0, max: 300 }),
        fc.integer().map((it) => it >>> 0),
      ),
      bytes: fc.uint8Array({ maxLength: 40 }),
      isLast: fc.boolean(),
    }),
    { maxLength: 80 },
  )
  fc.assert(
    fc.property(anything, (steps) => {
      const stream = new Reassembly(10)
      for (const { kind, sequence, bytes, isLast } of steps) {
        if (kind === 'read') stream.read()
        else if (kind === 'acknowledge') stream.acknowledge(sequence)
        else stream.take(stream.positionOf(sequence), bytes, isLast)
      }
      return stream.size <= 262_144 + 2048 * 128 && stream.next >= 0
    }),
    runs(500),
  )
})
