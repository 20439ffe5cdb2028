import fc from 'fast-check'
import t from 'tap'
import { formatAddress } from '../../lib/base/address.js'
import { AddressSet } from '../../lib/base/address-set.js'
import { canonicalPrefix } from '../../lib/base/prefix.js'

t.test('prefixes', async (t) => {
  const good = {
    '192.0.2.7': '192.0.2.7',
    '192.0.2.0/24': '192.0.2.0/24',
    '192.0.2.128/25': '192.0.2.128/25',
    '0.0.0.0/0': '0.0.0.0/0',
    '192.0.2.7/32': '192.0.2.7/32',
    '2001:DB8:0::/48': '2001:db8::/48',
    '::/0': '::/0',
  }
  for (const [text, canonical] of Object.entries(good)) t.equal(canonicalPrefix(text), canonical, text)
  for (const text of [
    '',
    '/24',
    '192.0.2.0/',
    '192.0.2.0/33',
    '192.0.2.0/-1',
    '192.0.2.0/2x',
    '192.0.2.1/24',
    '::1/64',
    '::/129',
    'x/8',
  ])
    t.equal(canonicalPrefix(text), undefined, text)
})

t.test('a prefix has the addresses that begin with it, and no other', async () => {
  const cases = fc.constantFrom(4 as const, 16 as const).chain((size) =>
    fc.record({
      net: fc.uint8Array({ minLength: size, maxLength: size }),
      address: fc.uint8Array({ minLength: size, maxLength: size }),
      shared: fc.nat(size * 8),
      length: fc.nat(size * 8),
    }),
  )
  const bitsOf = (bytes: Uint8Array) => [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
  const fromBits = (bits: string) =>
    Uint8Array.from({ length: bits.length / 8 }, (_, i) => Number.parseInt(bits.slice(i * 8, i * 8 + 8), 2))
  const text = (bytes: Uint8Array) => formatAddress(bytes, 0, bytes.length === 4 ? 4 : 6)
  fc.assert(
    fc.property(cases, ({ net, address, shared, length }) => {
      const [a, b] = [bitsOf(net), bitsOf(address)]
      const near = a.slice(0, shared) + b.slice(shared)
      const base = a.slice(0, length).padEnd(a.length, '0')
      const set = new AddressSet([canonicalPrefix(`${text(fromBits(base))}/${length}`)!])
      return set.has(text(fromBits(near))) === near.startsWith(a.slice(0, length))
    }),
  )
})

t.test('addresses, prefixes and families together', async (t) => {
  const set = new AddressSet(['192.0.2.7', '2001:db8::/32', '198.51.100.0/24'])
  t.notOk(set.isEmpty)
  for (const address of ['192.0.2.7', '2001:db8:ffff::1', '198.51.100.255']) t.ok(set.has(address), address)
  for (const address of ['192.0.2.8', '2001:db9::1', '198.51.101.0', '::', 'pbx.example'])
    t.notOk(set.has(address), address)
  t.ok(new AddressSet([]).isEmpty)
})
