import fc from 'fast-check'
import t from 'tap'
import { canonicalAddress } from '../../lib/base/address.js'
import {
  ANCHOR_COUNT,
  anchorConntrack,
  anchorTuple,
  holder,
  inboundPinhole,
  isAnchor,
  outboundPinhole,
} from '../../lib/conntrack/anchor.js'
import { invert, tupleKey } from '../../lib/conntrack/tuple.js'
import { runs } from '../law.js'

const numbers = fc.nat(ANCHOR_COUNT - 1)
const families = fc.constantFrom(4 as const, 6 as const)

t.test('distinct numbers give distinct tuples, and no reply is another anchor', async () => {
  fc.assert(
    fc.property(families, numbers, numbers, (family, a, b) => {
      const [one, other] = [anchorTuple(family, a), anchorTuple(family, b)]
      return (tupleKey(one) === tupleKey(other)) === (a === b) && tupleKey(one) !== tupleKey(invert(other))
    }),
    runs(100),
  )
  // Every number of one source address, and the step to the next address.
  for (const family of [4, 6] as const) {
    const keys = new Set<string>()
    for (let n = 0; n < 70000; n++) keys.add(tupleKey(anchorTuple(family, n)))
    t.equal(keys.size, 70000)
  }
})

t.test('anchors are UDP between addresses that are never on a wire', async (t) => {
  fc.assert(
    fc.property(families, numbers, (family, n) => {
      const tuple = anchorTuple(family, n)
      const net = family === 4 ? /^127\.(?!0\.0\.1$)/ : /^100::/
      return (
        [tuple.source, tuple.destination].every(
          (end) => net.test(end.address) && canonicalAddress(end.address) === end.address,
        ) &&
        tuple.source.port >= 1024 &&
        tuple.source.port <= 65535 &&
        isAnchor(tuple) &&
        !isAnchor(invert(tuple))
      )
    }),
    runs(100),
  )
  t.strictSame(anchorTuple(4, 0), {
    family: 4,
    protocol: 17,
    source: { address: '127.66.0.1', port: 1024 },
    destination: { address: '127.65.0.1', port: 9 },
  })
  t.equal(anchorTuple(4, ANCHOR_COUNT - 1).source.address, '127.67.255.1')
  t.equal(anchorTuple(6, ANCHOR_COUNT - 1).source.address, '100::1:200')
})

t.test('numbers out of range are argument errors', async (t) => {
  for (const n of [-1, ANCHOR_COUNT, 0.5, Number.NaN]) t.throws(() => anchorTuple(4, n), { code: 'ERR_ARGUMENT' })
})

t.test('the anchor itself', async (t) => {
  const anchor = anchorConntrack({ family: 4, n: 5, helper: 'sip', timeoutSec: 60, mark: 7 })
  t.strictSame(anchor.reply, invert(anchor.original))
  t.match(anchor, { status: 0xa, helper: 'sip', timeoutSec: 60, mark: 7 })
  t.notOk('zone' in anchor)
  t.equal(anchorConntrack({ family: 6, n: 5, helper: 'sip', timeoutSec: 60, zone: 3 }).zone, 3)
})

const anchor = anchorTuple(4, 1)
const far = { address: '198.51.100.20', port: 6000 }
const near = { address: '192.168.7.10', port: 4000 }
const advertised = { address: '198.51.100.1', port: 30000 }

t.test('pinholes by source policy', async (t) => {
  const base = { anchor, from: far, to: advertised, mapTo: near, function: 'sip' }
  const exact = inboundPinhole({ ...base, source: 'exact' })
  t.strictSame(exact.tuple.source, far)
  t.equal(exact.mask.source.port, 65535)
  t.strictSame(exact.flags, { permanent: false })
  t.strictSame(exact.nat, { direction: 1, to: near })

  const latch = inboundPinhole({ ...base, source: 'latch' })
  t.strictSame(latch.tuple.source, { ...far, port: 0 })
  t.equal(latch.mask.source.port, 0)
  t.strictSame(latch.flags, { permanent: false })

  t.strictSame(inboundPinhole({ ...base, source: 'address' }).flags, { permanent: true })
  t.equal(
    outboundPinhole({ anchor, from: near, to: far, mapTo: far, source: 'address', function: 'sip' }).nat?.direction,
    0,
  )
})

t.test('without a function there is no NAT', async (t) => {
  const plain = inboundPinhole({ anchor, from: far, to: near, mapTo: near, source: 'exact' })
  t.notOk('nat' in plain || 'function' in plain)
})

t.test('a holder differs from its pinhole in source, class and permanence', async (t) => {
  const inbound = inboundPinhole({ anchor, from: far, to: advertised, mapTo: near, source: 'latch', function: 'sip' })
  const held = holder(inbound)
  t.match(held, { class: 2, flags: { permanent: true }, nat: inbound.nat, master: anchor })
  t.strictSame(held.tuple.destination, inbound.tuple.destination)
  t.match(held.tuple.source.address, /^127\.(?!0\.0\.1$)/, 'nobody sends from there')
  t.equal(held.mask.source.address, '255.255.255.255')
})
