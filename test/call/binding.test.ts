import fc from 'fast-check'
import t from 'tap'
import { Bindings } from '../../lib/call/binding.js'
import type { Binding } from '../../types/flow.js'
import { runs } from '../law.js'
import { endpoint, INSIDE, OUTSIDE } from './world.js'

t.test('one object for one pair of ends, held or not', async (t) => {
  const bindings = new Bindings()
  const one = bindings.between(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000))
  t.equal(bindings.between(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000)), one)
  t.equal(bindings.size, 0)
  bindings.hold(one)
  for (let i = 0; i < 5000; i++) bindings.between(endpoint(INSIDE, i), endpoint(OUTSIDE, i))
  t.equal(bindings.between(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000)), one, 'a held one is not forgotten')
  t.equal(bindings.size, 1)
})

t.test('the newest that is still held wins', async (t) => {
  const bindings = new Bindings()
  const [a, b] = [40000, 40002].map((port) => bindings.between(endpoint(INSIDE, 5060), endpoint(OUTSIDE, port)))
  bindings.hold(a!)
  bindings.hold(b!)
  t.equal(bindings.ofInside(INSIDE, 5060), b)
  t.equal(bindings.ofOutside(OUTSIDE, 40000), a)
  bindings.release(b!)
  t.equal(bindings.ofInside(INSIDE, 5060), a, 'the older one is there again')
  bindings.release(a!)
  t.equal(bindings.ofInside(INSIDE, 5060), undefined)
  const other = bindings.between(endpoint('192.168.7.11', 5060), endpoint(OUTSIDE, 40000))
  bindings.hold(a!)
  bindings.hold(other)
  t.equal(bindings.ofOutside(OUTSIDE, 40000), other, 'a port that has passed on')
  bindings.release(other)
  t.equal(bindings.ofOutside(OUTSIDE, 40000), a)
  bindings.release(a!)
  bindings.release(a!)
  t.equal(bindings.size, 0)
})

t.test('law: what is held is found both ways, what is released as often is gone', async (t) => {
  const choice = fc.tuple(fc.nat({ max: 2 }), fc.nat({ max: 2 }), fc.boolean())
  fc.assert(
    fc.property(fc.array(choice, { maxLength: 60 }), (choices) => {
      const bindings = new Bindings()
      const held: Binding[] = []
      for (const [i, o, isRelease] of choices) {
        const binding = bindings.between(endpoint(INSIDE, 5000 + i), endpoint(OUTSIDE, 40000 + o))
        const at = held.indexOf(binding)
        if (isRelease && at >= 0) {
          held.splice(at, 1)
          bindings.release(binding)
        } else {
          held.push(binding)
          bindings.hold(binding)
        }
        for (const { inside, outside } of held) {
          const [there, back] = [
            bindings.ofInside(inside.address, inside.port),
            bindings.ofOutside(outside.address, outside.port),
          ]
          if (!there || !held.includes(there) || !back || !held.includes(back)) return false
        }
        if (bindings.size !== new Set(held).size) return false
      }
      for (const binding of held) bindings.release(binding)
      return bindings.size === 0
    }),
    runs(100),
  )
  t.pass()
})
