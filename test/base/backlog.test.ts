import fc from 'fast-check'
import t from 'tap'
import { Backlog } from '../../lib/base/backlog.js'
import { runs } from '../law.js'

t.test('law: what is pushed is taken, in order, whatever the pieces; what was taken does not change', async (t) => {
  const step = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: 60 }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const backlog = new Backlog()
      const pushed: number[] = []
      const taken: Uint8Array[] = []
      for (const it of steps) {
        if (typeof it === 'number') taken.push(backlog.take(it))
        else {
          pushed.push(...it)
          backlog.push(it)
        }
        const out = taken.flatMap((bytes) => [...bytes])
        if (`${[...out, ...backlog.peek()]}` !== `${pushed}`) throw new Error('other bytes')
        if (backlog.size !== pushed.length - out.length) throw new Error('another size')
      }
    }),
    runs(300),
  )
  t.pass()
})

t.test('a byte at a time, joining is linear: room doubles', async (t) => {
  const backlog = new Backlog()
  const rooms = new Set<ArrayBufferLike>()
  for (let i = 0; i < 65_535; i++) {
    backlog.push(new Uint8Array([i]))
    rooms.add(backlog.peek().buffer)
  }
  t.equal(backlog.size, 65_535)
  t.ok(rooms.size < 12, `${rooms.size} rooms`)
})
