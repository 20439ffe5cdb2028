import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { runs } from '../law.js'
import { Line, message } from './world.js'

/** Messages and empty lines, where each message ends, and how one gets them to the other end. */
const story = fc.record({
  first: fc.oneof(
    fc.constant(0xffffff80),
    fc.integer({ min: 0, max: 0xffffffff }).map((it) => it >>> 0),
  ),
  bodies: fc.array(fc.integer({ min: 0, max: 600 }), { minLength: 1, maxLength: 6 }),
  gaps: fc.array(fc.constantFrom('', '', '\r\n', '\r\n\r\n'), { minLength: 6, maxLength: 6 }),
  isPatient: fc.boolean(),
  steps: fc.array(
    fc.record({
      at: fc.nat(4095),
      length: fc.integer({ min: 1, max: 1500 }),
      next: fc.constantFrom('send', 'judge', 'ack'),
    }),
    { maxLength: 60 },
  ),
  size: fc.integer({ min: 1, max: 700 }),
})

t.test(
  'any segmentation, order, repetition and overlap gives the same messages, none before its judgement',
  async (t) => {
    fc.assert(
      fc.property(story, ({ first, bodies, gaps, isPatient, steps, size }) => {
        let text = ''
        const ends: number[] = []
        for (const [i, body] of bodies.entries()) {
          text += gaps[i]! + message(i, body)
          ends.push(text.length)
        }
        const line = new Line(text, first, isPatient, ends)
        for (const { at, length, next } of steps) {
          const from = at % text.length
          if (next === 'send') line.send({ at: from, end: Math.min(text.length, from + length) })
          else if (next === 'judge') line.judge()
          else if (!line.acknowledge()) throw new Error('an acknowledgement of what was seen is refused')
        }
        // The sender says again what the receiver has not.
        for (let rounds = 0; line.received <= text.length && rounds < 10_000; rounds++) {
          const at = line.received
          line.send({ at, end: Math.min(text.length, at + size) }, at + size >= text.length)
          line.judge()
          line.acknowledge()
        }
        strictEqual(line.judged.join(), bodies.map((_, i) => i).join())
        deepStrictEqual([line.early, line.over], [0, []])
        return line.received === text.length + 1 && line.follower.isEnded && line.follower.size === 0
      }),
      runs(300),
    )
    t.pass()
  },
)

t.test('the segment that completes a message waits, and what is behind it waits in order', async (t) => {
  const text = message(1) + message(2)
  const end = message(1).length
  const line = new Line(text, 7, true)
  t.equal(line.send({ at: 0, end: 50 }), 'pass', 'the beginning of a message goes on')
  t.equal(line.send({ at: end, end: end + 20 }), 'pass', 'beyond a hole: nobody can read it yet')
  t.equal(line.send({ at: 50, end }), 'wait')
  t.equal(line.send({ at: 50, end }), 'drop', 'sent again: it is held already')
  t.equal(line.send({ at: 0, end: 50 }), 'pass', 'the receiver may have that')
  t.equal(line.send({ at: end + 20, end: end + 30 }), 'wait')
  t.equal(line.received, 50)
  line.judge()
  t.equal(line.received, end + 30)
  t.equal(line.send({ at: 50, end }), 'pass', 'judged: it may go as often as it likes')
  t.equal(line.send({ at: end + 30, end: text.length }), 'wait')
  line.judge()
  t.same([line.judged, line.received], [['1', '2'], text.length])
})

t.test('two messages in one segment: it waits for both', async (t) => {
  const text = message(1) + message(2)
  const line = new Line(text, 0, true)
  t.equal(line.send({ at: 0, end: text.length }), 'wait')
  line.judge()
  t.equal(line.received, 0)
  line.judge()
  t.equal(line.received, text.length)
})

t.test('a message that does not end is known by when the last of it came', async (t) => {
  const text = message(1) + message(2)
  const end = message(1).length
  const line = new Line(text, 0, false)
  line.send({ at: 0, end: 10 })
  t.equal(line.follower.unfinishedAt, 1000)
  line.now = 5000
  line.send({ at: 10, end: 20 })
  t.equal(line.follower.unfinishedAt, 5000)
  line.now = 6000
  line.send({ at: 0, end: 20 })
  line.send({ at: 30, end: 40 })
  t.equal(line.follower.unfinishedAt, 5000, 'what is known, or stands beyond a hole, is nothing new')
  line.send({ at: 20, end: end + 5 })
  t.equal(line.follower.unfinishedAt, 6000, 'of the next one')
  line.send({ at: end + 5, end: text.length })
  t.equal(line.follower.unfinishedAt, 0)
})

t.test('no more waits than the sender can say again', async (t) => {
  const text = message(1) + 'x'.repeat(600)
  const end = message(1).length
  const line = new Line(text, 0, true)
  line.send({ at: 0, end })
  const fates = Array.from({ length: 600 }, (_, i) => line.send({ at: end + i, end: end + i + 1 }))
  t.equal(fates.filter((it) => it === 'wait').length, 255)
  t.equal(fates.at(-1), 'drop')
})

t.test('what is too far ahead is not kept, and does not go on', async (t) => {
  const text = message(1, 300_000)
  const line = new Line(text, 0, false)
  t.equal(line.send({ at: 262_000, end: 263_000 }), 'drop')
  t.equal(line.send({ at: 0, end: 1000 }), 'pass')
  t.equal(line.acknowledge(), true)
  t.equal(line.send({ at: 262_000, end: 263_000 }), 'pass', 'there is room when the receiver has what was before it')
})
