import { deepStrictEqual, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { decode, encode, type TypeOf, Writer } from '../../lib/netlink/attribute.js'
import { hooks, packetTable } from '../../lib/nfqueue/nfqa.table.js'
import { readPacket } from '../../lib/nfqueue/packet.js'
import { runs } from '../law.js'

type Attributes = TypeOf<typeof packetTable>

const u32 = fc.integer({ min: 0, max: 0xffffffff })
const bytes = fc.uint8Array({ minLength: 1, maxLength: 50 })
const attributes = fc.record(
  {
    header: fc.record({ id: u32, etherType: fc.constantFrom(0x0800, 0x86dd), hook: fc.integer({ min: 0, max: 4 }) }),
    mark: u32,
    timestamp: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    indev: u32,
    outdev: u32,
    physicalIndev: u32,
    physicalOutdev: u32,
    hardwareAddress: bytes,
    payload: bytes,
    conntrack: bytes,
    conntrackInfo: u32,
    capturedLength: u32,
    skbInfo: u32,
    uid: u32,
    gid: u32,
    securityContext: fc.string({ unit: fc.constantFrom(...'abc:_'), minLength: 1, maxLength: 20 }),
  },
  { requiredKeys: ['header'] },
) as fc.Arbitrary<Attributes>

function encoded(value: Attributes): Uint8Array {
  const writer = new Writer()
  encode(packetTable, value, writer)
  return writer.bytes()
}

const lease = () => ({ owner: {}, isLive: true })

/** What a packet says, of this and of a detached copy alike. */
function contents(packet: NonNullable<ReturnType<typeof readPacket>>) {
  const { id, hook, etherType, mark, indev, outdev, originalLength, conntrackInfo, skbInfo, uid, gid } = packet
  const { securityContext, physicalIndev, physicalOutdev } = packet
  const numbers = { id, hook, etherType, mark, indev, outdev, originalLength, conntrackInfo, skbInfo, uid, gid }
  return {
    ...numbers,
    physicalIndev,
    physicalOutdev,
    securityContext,
    payload: [...packet.payload],
    conntrack: packet.conntrack && [...packet.conntrack],
  }
}

t.test('the fast reader says what the table says', async (t) => {
  fc.assert(
    fc.property(attributes, fc.nat(40), (value, offset) => {
      const found = encoded(value)
      const datagram = new Uint8Array(offset + found.length)
      datagram.set(found, offset)
      const packet = readPacket(datagram, offset, datagram.length, lease())!
      const expected = decode(packetTable, found)
      const payload = [...(expected.payload ?? [])]
      deepStrictEqual(contents(packet), {
        id: expected.header!.id,
        hook: hooks[expected.header!.hook],
        etherType: expected.header!.etherType,
        mark: expected.mark ?? 0,
        indev: expected.indev ?? 0,
        outdev: expected.outdev ?? 0,
        physicalIndev: expected.physicalIndev ?? 0,
        physicalOutdev: expected.physicalOutdev ?? 0,
        originalLength: expected.capturedLength ?? payload.length,
        conntrackInfo: expected.conntrackInfo,
        skbInfo: expected.skbInfo ?? 0,
        uid: expected.uid,
        gid: expected.gid,
        securityContext: expected.securityContext,
        payload,
        conntrack: expected.conntrack && [...expected.conntrack],
      })
    }),
    runs(300),
  )
  t.pass()
})

t.test('a detached copy says the same after the buffer is used again', async (t) => {
  fc.assert(
    fc.property(attributes, (value) => {
      const datagram = encoded(value)
      const batch = lease()
      const packet = readPacket(datagram, 0, datagram.length, batch)!
      const before = contents(packet)
      const copy = packet.detach()
      datagram.fill(0xee)
      batch.isLive = false
      deepStrictEqual(contents(copy), before)
      strictEqual(copy.detach(), copy)
    }),
    runs(100),
  )
  t.pass()
})

t.test('borrowed bytes are refused when the batch is over', async (t) => {
  const datagram = encoded({ header: { id: 1, etherType: 0x0800, hook: 2 }, payload: Uint8Array.of(69) })
  const batch = lease()
  const packet = readPacket(datagram, 0, datagram.length, batch)!
  t.same([...packet.payload], [69])
  batch.isLive = false
  t.throws(() => packet.payload, { code: 'ERR_ARGUMENT', message: /detach/ })
  t.throws(() => packet.detach(), { code: 'ERR_ARGUMENT' })
  t.equal(packet.id, 1, 'its numbers stay')
})

t.test('any bytes: no throw, views inside', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), (datagram) => {
      const packet = readPacket(datagram, 0, datagram.length, lease())
      if (!packet) return
      packet.detach()
      if (packet.payload.byteOffset + packet.payload.length > datagram.buffer.byteLength) throw new Error('outside')
    }),
    runs(5000),
  )
  t.equal(readPacket(new Uint8Array(0), 0, 0, lease()), undefined, 'no packet header, no packet')
})
