import fc from 'fast-check'
import t from 'tap'
import { Ports } from '../../lib/call/ports.js'
import { runs } from '../law.js'

const ADDRESS = '203.0.113.1'
const who = {}

t.test('the inside port itself while it is free and allowed', async (t) => {
  const ports = new Ports()
  t.equal(ports.lease(ADDRESS, 4000, 2, who), 4000)
  t.equal(ports.lease(ADDRESS, 4000, 2, who), 30000, 'else an even pair from 30000')
  t.equal(ports.lease(ADDRESS, 4001, 2, who), 30002, 'overlapping')
  t.equal(ports.lease(ADDRESS, 5001, 2, who), 5001, 'an odd one of its own')
  t.equal(ports.lease('203.0.113.2', 4000, 2, who), 4000, 'another address')
  t.equal(ports.lease(ADDRESS, 65535, 2, who), 30004, 'no pair from 65535')
  t.equal(ports.lease(ADDRESS, 80, 2, who), 30006, 'none below 1024')
  t.equal(ports.holder(ADDRESS, 4001), who)
  t.equal(ports.holder(ADDRESS, 4002), undefined)
})

t.test('a range: kept inside it, taken from it otherwise, all of it, then none', async (t) => {
  const ports = new Ports({ range: [30001, 30010] })
  t.equal(ports.lease(ADDRESS, 4000, 2, who), 30002)
  t.equal(ports.lease(ADDRESS, 30005, 2, who), 30005)
  t.same(
    [0, 1].map(() => ports.lease(ADDRESS, 4000, 2, who)),
    [30008, 0],
    '30004 to 30007 overlap, 30010 has no neighbour',
  )
  ports.release(ADDRESS, 30005, 2)
  t.same([0, 1, 2].map(() => ports.lease(ADDRESS, 4000, 2, who)).sort(), [0, 30004, 30006])
})

t.test('single ports', async (t) => {
  const ports = new Ports({ range: [30000, 30003] })
  t.equal(ports.lease(ADDRESS, 30003, 1, who), 30003)
  t.equal(ports.lease(ADDRESS, 4000, 1, who), 30000)
  t.equal(ports.lease(ADDRESS, 4000, 2, who), 0)
  t.equal(ports.lease(ADDRESS, 4000, 1, who), 30002)
})

t.test('what the kernel refused is not leased again', async (t) => {
  const ports = new Ports({ range: [30000, 30005] })
  t.equal(ports.lease(ADDRESS, 30000, 2, who, new Set([30000, 30002])), 30004)
  t.equal(ports.lease(ADDRESS, 30000, 2, who, new Set([30000, 30002])), 0)
})

t.test('law: leases never overlap, stay in range, and give everything back', async (t) => {
  const action = fc.record({
    preferred: fc.integer({ min: 1, max: 65535 }),
    count: fc.integer({ min: 1, max: 2 }),
    isRelease: fc.boolean(),
  })
  const range = fc.option(fc.tuple(fc.integer({ min: 1024, max: 65000 }), fc.integer({ min: 1, max: 40 })))
  fc.assert(
    fc.property(range, fc.array(action, { maxLength: 80 }), (limits, actions) => {
      const bounds: readonly [number, number] | undefined = limits ? [limits[0], limits[0] + limits[1]] : undefined
      const ports = new Ports({ range: bounds })
      const leased: [number, number][] = []
      for (const { preferred, count, isRelease } of actions) {
        const old = isRelease ? leased.pop() : undefined
        if (old) ports.release(ADDRESS, ...old)
        else {
          const port = ports.lease(ADDRESS, preferred, count, who)
          if (port === 0) continue
          const [low, high] = bounds ?? [1024, 65535]
          if (port < low || port + count - 1 > high) return false
          if (leased.some(([first, length]) => port < first + length && first < port + count)) return false
          if (count === 2 && port !== preferred && port % 2 !== 0) return false
          leased.push([port, count])
        }
      }
      if (ports.size !== leased.reduce((sum, [, count]) => sum + count, 0)) return false
      for (const lease of leased) ports.release(ADDRESS, ...lease)
      return ports.size === 0
    }),
    runs(100),
  )
  t.pass()
})
