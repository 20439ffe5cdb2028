import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import {
  attributes,
  decode,
  encode,
  flag,
  list,
  nest,
  raw,
  type TypeOf,
  text,
  u8,
  u16,
  u16be,
  u32,
  u32be,
  u64be,
  Writer,
} from '../../lib/netlink/attribute.js'
import { runs } from '../law.js'

const inner = { port: u16be(1), name: text(2) }
const table = {
  byte: u8(1),
  short: u16(2),
  shortBe: u16be(3),
  word: u32(4),
  wordBe: u32be(5),
  long: u64be(6),
  name: text(7),
  bytes: raw(8),
  here: flag(9),
  nest: nest(10, inner),
  list: list(11, inner),
}
const uint = (bits: number) => fc.integer({ min: 0, max: 2 ** bits - 1 })
const name = fc.string({
  unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
  maxLength: 9,
})
const optional = <T extends object>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
  fc.record(model, { requiredKeys: [], noNullPrototype: true }) as fc.Arbitrary<Partial<T>>
const innerValue = optional({ port: uint(16), name })
const value = optional({
  byte: uint(8),
  short: uint(16),
  shortBe: uint(16),
  word: uint(32),
  wordBe: uint(32),
  long: fc.maxSafeNat(),
  name,
  bytes: fc.uint8Array({ maxLength: 9 }),
  here: fc.constant(true as const),
  nest: innerValue,
  list: fc.array(innerValue, { maxLength: 3 }),
  unknown: fc.array(
    fc.record(
      { type: fc.integer({ min: 100, max: 0x3fff }), bytes: fc.uint8Array({ maxLength: 9 }) },
      { noNullPrototype: true },
    ),
    { minLength: 1, maxLength: 3 },
  ),
})

t.test('what is encoded is decoded, what has no row included', async (t) => {
  fc.assert(
    fc.property(value, (sample) => {
      const writer = new Writer(4)
      encode(table, sample as TypeOf<typeof table>, writer)
      if (writer.length % 4 !== 0) throw new Error('not aligned')
      deepStrictEqual(decode(table, writer.bytes()), sample)
    }),
    runs(200),
  )
  t.pass()
})

t.test('any bytes: ranges lie inside, decode does not throw', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
      for (const at of attributes(bytes, 0, bytes.length)) {
        if (at.start > at.end || at.end > bytes.length) throw new Error('outside')
      }
      decode(table, bytes)
    }),
    runs(2000),
  )
  t.pass()
})

t.test('bytes as the kernel wants them', async (t) => {
  const writer = new Writer()
  encode({ mark: u32be(8), help: nest(5, { name: text(1) }) }, { mark: 0x01020304, help: { name: 'sip' } }, writer)
  // CTA_MARK, then CTA_HELP (NLA_F_NESTED) { CTA_HELP_NAME "sip\0" }: design.md 3.3 and 3.6.
  t.equal(Buffer.from(writer.bytes()).toString('hex'), '0800080001020304' + '0c000580' + '0800010073697000')
})
