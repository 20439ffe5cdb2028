import { deepStrictEqual } from 'node:assert'
import fc from 'fast-check'
import t from 'tap'
import { canonicalAddress, formatAddress } from '../../lib/base/address.js'
import { invert, maskFor, tupleFromWire, tupleKey, wireTable, writeTuple } from '../../lib/conntrack/tuple.js'
import { decode, Writer } from '../../lib/netlink/attribute.js'
import type { Tuple } from '../../types/tuple.js'
import { runs } from '../law.js'

const port = fc.nat(65535)
const v4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map((bytes) => formatAddress(bytes, 0, 4))
const v6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatAddress(bytes, 0, 6))
const endpoint = (address: fc.Arbitrary<string>) => fc.record({ address, port }, { noNullPrototype: true })
const tuples: fc.Arbitrary<Tuple> = fc.constantFrom(4 as const, 6 as const).chain((family) => {
  const address = family === 4 ? v4 : v6
  return fc.record(
    {
      family: fc.constant(family),
      protocol: fc.constantFrom(17, 6, 132, family === 4 ? 1 : 58),
      source: endpoint(address),
      destination: endpoint(address),
    },
    { noNullPrototype: true },
  )
})

const roundTrip = (tuple: Tuple): Tuple => {
  const writer = new Writer()
  writeTuple(writer, tuple)
  return tupleFromWire(decode(wireTable, writer.bytes()))
}

t.test('a tuple survives the wire, ICMP included', async () => {
  fc.assert(
    fc.property(tuples, (tuple) => deepStrictEqual(roundTrip(tuple), tuple)),
    runs(100),
  )
})

t.test('inverting twice gives the tuple back', async () => {
  fc.assert(
    fc.property(tuples, (tuple) => deepStrictEqual(invert(invert(tuple)), tuple)),
    runs(100),
  )
})

t.test('keys are equal exactly where tuples are', async (t) => {
  fc.assert(
    fc.property(tuples, tuples, (a, b) => (tupleKey(a) === tupleKey(b)) === (JSON.stringify(a) === JSON.stringify(b))),
    runs(100),
  )
  const tuple: Tuple = {
    family: 4,
    protocol: 17,
    source: { address: '192.0.2.1', port: 5060 },
    destination: { address: '198.51.100.7', port: 5061 },
  }
  t.equal(tupleKey(tuple), '17 192.0.2.1 5060 198.51.100.7 5061')
  t.not(tupleKey(tuple), tupleKey(invert(tuple)))
  t.not(tupleKey(tuple), tupleKey({ ...tuple, protocol: 6 }))
})

t.test('an echo request is answered by an echo reply with the same id', async (t) => {
  const request: Tuple = {
    family: 4,
    protocol: 1,
    source: { address: '192.0.2.1', port: 77 },
    destination: { address: '192.0.2.2', port: 8 << 8 },
  }
  t.strictSame(invert(request), {
    family: 4,
    protocol: 1,
    source: { address: '192.0.2.2', port: 77 },
    destination: { address: '192.0.2.1', port: 0 },
  })
})

t.test('masks', async (t) => {
  const tuple = invert({
    family: 6,
    protocol: 17,
    source: { address: '2001:db8::1', port: 1 },
    destination: { address: '2001:db8::2', port: 2 },
  })
  const ones = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'
  t.equal(canonicalAddress(ones), ones)
  t.strictSame(maskFor(tuple), {
    family: 6,
    protocol: 17,
    source: { address: ones, port: 65535 },
    destination: { address: ones, port: 65535 },
  })
  t.strictSame(maskFor(tuple, { sourceAddress: false, sourcePort: false }).source, { address: '::', port: 0 })
})

t.test('text that is no address is an argument error', async (t) => {
  const bad: Tuple = {
    family: 4,
    protocol: 17,
    source: { address: 'pbx.example', port: 1 },
    destination: { address: '', port: 2 },
  }
  t.throws(() => roundTrip(bad), { code: 'ERR_ARGUMENT', message: /pbx\.example/ })
})
