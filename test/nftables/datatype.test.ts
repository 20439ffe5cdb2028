import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { canonicalAddress } from '../../lib/base/address.js'
import {
  datatypes,
  decodeValue,
  encodeValue,
  type SetTypes,
  typeLength,
  typeNumber,
  typesOf,
} from '../../lib/nftables/datatype.table.js'
import type { SetType } from '../../types/nftables.js'
import { runs } from '../law.js'

const values: Readonly<Record<SetType, fc.Arbitrary<string | number>>> = {
  ipv4_addr: fc.ipV4(),
  ipv6_addr: fc.ipV6().map((text) => canonicalAddress(text)!),
  inet_proto: fc.nat(255),
  inet_service: fc.nat(65535),
  mark: fc.nat(0xffffffff),
  ifname: fc.stringMatching(/^[a-z0-9._@-]{1,15}$/).filter((name) => name !== '.' && name !== '..'),
}
const type = fc.constantFrom(...(Object.keys(datatypes) as SetType[]))
const key = fc
  .array(type, { minLength: 1, maxLength: 5 })
  .chain((types) => fc.tuple(fc.constant(types), fc.tuple(...types.map((type) => values[type]))))

t.test('law: what is encoded decodes to the same, in the length the kernel is told', async (t) => {
  fc.assert(
    fc.property(key, ([types, parts]) => {
      const value = parts.length === 1 ? parts[0]! : parts
      const bytes = encodeValue(types, value, 'law')
      strictEqual(bytes.length, typeLength(types))
      deepStrictEqual(decodeValue(types, bytes), value)
    }),
    runs(200),
  )
  t.pass()
})

t.test('law: type numbers name their types', async (t) => {
  fc.assert(
    fc.property(fc.array(type, { minLength: 1, maxLength: 5 }), (types) => {
      deepStrictEqual(typesOf(typeNumber(types)), types)
    }),
    runs(100),
  )
  t.pass()
})

// `nft --debug=mnl add set ...` (1.0.6): NFTA_SET_KEY_TYPE and NFTA_SET_KEY_LEN.
const numbers: readonly (readonly [SetTypes, number, number])[] = [
  ['inet_service', 0x0d, 2],
  ['ifname', 0x29, 16],
  [['ipv4_addr', 'inet_service'], 0x1cd, 8],
  ['ipv6_addr', 0x08, 16],
]
for (const [types, number, length] of numbers) {
  t.test(`${types}: number and length as nft's`, async (t) => {
    t.equal(typeNumber(types), number)
    t.equal(typeLength(types), length)
  })
}

t.test('bytes of elements as nft writes them', async (t) => {
  // nft add element inet b m { 10.0.0.1 . 4000 }; nft add element inet b i { "lan0" }
  const hex = (types: SetTypes, value: Parameters<typeof encodeValue>[1]) =>
    Buffer.from(encodeValue(types, value, 'test')).toString('hex')
  t.equal(hex(['ipv4_addr', 'inet_service'], ['10.0.0.1', 4000]), '0a0000010fa00000')
  t.equal(hex('ifname', 'lan0'), `6c616e30${'00'.repeat(12)}`)
})

t.test('an unknown type number', async (t) => {
  t.equal(typesOf(0), undefined)
  t.equal(typesOf(63), undefined)
  t.equal(typesOf(typeNumber('mark') * 64 + 63), undefined)
})

const wrong: readonly (readonly [SetTypes, Parameters<typeof encodeValue>[1]])[] = [
  ['ipv4_addr', 'fd00::1'],
  ['ipv6_addr', '10.0.0.1'],
  ['ipv4_addr', '10.0.0.256'],
  ['inet_service', -1],
  ['inet_service', 65536],
  ['inet_service', 1.5],
  ['inet_service', '5060'],
  ['mark', 2 ** 32],
  ['ifname', ''],
  ['ifname', '..'],
  ['ifname', 'a/b'],
  ['ifname', 'a b'],
  ['ifname', 'sixteencharacter'],
  [['ipv4_addr', 'inet_service'], '10.0.0.1'],
  [['ipv4_addr', 'inet_service'], ['10.0.0.1']],
  ['inet_service', [1, 2]],
]
for (const [types, value] of wrong) {
  t.test(`${JSON.stringify(value)} is no ${types}`, async (t) => {
    t.throws(() => encodeValue(types, value, 'here'), { code: 'ERR_ARGUMENT', operation: 'here' })
  })
}
