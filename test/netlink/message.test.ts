import { deepStrictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { encode, text, u32, Writer } from '../../lib/netlink/attribute.js'
import { decodeDone, decodeError, decodeMessages, writeMessage } from '../../lib/netlink/message.js'
import { runs } from '../law.js'

const message = fc.record(
  {
    type: fc.integer({ min: 0, max: 65535 }),
    flags: fc.integer({ min: 0, max: 65535 }),
    sequence: fc.integer({ min: 0, max: 0xffffffff }),
    payload: fc.uint8Array({ maxLength: 40 }),
  },
  { noNullPrototype: true },
)

t.test('what is written is read back', async (t) => {
  fc.assert(
    fc.property(fc.array(message, { maxLength: 5 }), (messages) => {
      const writer = new Writer(16)
      for (const { type, flags, sequence, payload } of messages) writeMessage(writer, type, flags, sequence, payload)
      deepStrictEqual(
        decodeMessages(writer.bytes()).map((found) => ({ ...found, payload: Uint8Array.from(found.payload) })),
        messages,
      )
    }),
    runs(200),
  )
  t.pass()
})

t.test('any bytes: messages lie inside, nothing throws', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      let total = 0
      for (const { payload, flags } of decodeMessages(bytes)) {
        total += 16 + payload.length
        decodeError(payload, 0, payload.length, flags)
        decodeDone(payload, 0, payload.length, flags)
      }
      if (total > bytes.length) throw new Error('read beyond the end')
    }),
    runs(2000),
  )
  t.pass()
})

t.test('a datagram may end unaligned', async (t) => {
  const bytes = Uint8Array.of(17, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 42)
  t.same(
    decodeMessages(bytes).map(({ payload }) => [...payload]),
    [[42]],
  )
})

const ackTable = { message: text(1), offset: u32(2), missingType: u32(5) }

/** struct nlmsgerr: error, the request's header with `echoed` bytes of payload, attributes. */
function errorPayload(errno: number, echoed: number, attributes: Parameters<typeof encode<typeof ackTable>>[1]) {
  const writer = new Writer()
  writer.u32(-errno)
  writeMessage(writer, 0x100, 0, 7, new Uint8Array(echoed))
  encode(ackTable, attributes, writer)
  return writer.bytes()
}

t.test('NLMSG_ERROR', async (t) => {
  const tlvs = 0x200
  const capped = 0x100
  const said = errorPayload(22, 5, { message: 'Invalid device', offset: 8 })
  t.same(decodeError(said, 0, said.length, tlvs), { errno: 22, message: 'Invalid device' }, 'after the whole request')
  t.same(decodeError(said, 0, said.length, 0), { errno: 22, message: undefined }, 'no attributes announced')
  const short = errorPayload(2, 0, { message: 'gone' })
  t.same(decodeError(short, 0, short.length, tlvs | capped), { errno: 2, message: 'gone' }, 'after the header')
  const missing = errorPayload(22, 0, { missingType: 5 })
  t.same(decodeError(missing, 0, missing.length, tlvs | capped), { errno: 22, message: 'attribute 5 is missing' })
  t.same(decodeError(errorPayload(0, 0, {}), 0, 20, capped), { errno: 0, message: undefined })
  t.equal(decodeError(said, 0, 8, tlvs).errno, 71, 'cut short is EPROTO, not success')
})

t.test('NLMSG_DONE carries a result', async (t) => {
  const writer = new Writer()
  writer.u32(-16)
  encode(ackTable, { message: 'busy' }, writer)
  t.same(decodeDone(writer.bytes(), 0, writer.length, 0x200), { errno: 16, message: 'busy' })
  t.same(decodeDone(new Uint8Array(4), 0, 4, 0), { errno: 0, message: undefined })
  t.same(decodeDone(new Uint8Array(0), 0, 0, 0), { errno: 0, message: undefined })
})
