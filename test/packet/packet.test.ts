import fc from 'fast-check'
import t from 'tap'
import { splice } from '../../lib/base/range.js'
import { locate, rebuild } from '../../lib/packet/index.js'
import type { PacketLocation } from '../../types/packet.js'
import type { Edit } from '../../types/range.js'
import { runs } from '../law.js'
import { packetV4, packetV6, plainIpChecksum, plainUdpChecksum } from './packets.js'

const hello = Buffer.from('hello, world!')

function found(packet: Uint8Array): PacketLocation {
  const scan = locate(packet)
  if (scan.state !== 'found') throw new Error(scan.reason)
  return scan
}

const text = (packet: Uint8Array, { start, end }: { start: number; end: number }): string =>
  Buffer.from(packet.subarray(start, end)).toString('latin1')

/** A copy with bytes replaced. */
function change(packet: Uint8Array, bytes: Readonly<Record<number, number>>): Uint8Array {
  const copy = Uint8Array.from(packet)
  for (const [at, byte] of Object.entries(bytes)) copy[Number(at)] = byte
  return copy
}

t.test('IPv4', async (t) => {
  const packet = packetV4(hello)
  const location = found(packet)
  t.equal(location.family, 4)
  t.equal(location.protocol, 17)
  t.equal(text(packet, location.payload), 'hello, world!')
  t.strictSame(location.source, { address: '10.0.0.5', port: 1234 })
  t.strictSame(location.destination, { address: '198.51.100.20', port: 5060 })
  t.strictSame([location.ip, location.udp, location.end], [{ start: 0, end: 20 }, { start: 20, end: 28 }, 41])
  const optioned = packetV4(hello, [1, 148, 4, 0, 0, 0, 0, 0])
  t.equal(text(optioned, found(optioned).payload), 'hello, world!', 'options')
  const padded = Buffer.concat([packet, Buffer.alloc(5)])
  t.equal(found(padded).end, packet.length, 'bytes behind the total length are not the packet')
})

t.test('IPv6', async (t) => {
  const packet = packetV6(hello)
  t.equal(text(packet, found(packet).payload), 'hello, world!')
  t.strictSame(found(packet).source, { address: '2001:db8::1', port: 1234 })
  t.strictSame(found(packet).destination, { address: '2001:db8:2::9', port: 5060 })
  const chain = [60, 0, 1, 4, 0, 0, 0, 0, 51, 1, 1, 12, ...new Array(12).fill(0), 43, 2, ...new Array(14).fill(0)]
  const extended = packetV6(hello, [...chain, 44, 0, 4, 0, 0, 0, 0, 0, 17, 0, 0, 0, 1, 2, 3, 4], 0)
  t.equal(
    text(extended, found(extended).payload),
    'hello, world!',
    'hop-by-hop, destination, AH, routing, atomic fragment',
  )
})

const v4 = packetV4(hello)
const v6 = packetV6(hello)
const hop = packetV6(hello, [17, 0, 1, 4, 0, 0, 0, 0], 0)
const routed = packetV6(hello, [17, 0, 0, 1, 0, 0, 0, 0], 43)
const chained = packetV6(hello, new Array(9).fill([60, 0, 1, 4, 0, 0, 0, 0]).flat(), 60)

/** Each row: why, packet, reason. */
const refused: readonly [why: string, packet: Uint8Array, reason: string][] = [
  ['no byte', new Uint8Array(0), 'not-ip'],
  ['another version', change(v4, { 0: 0x55 }), 'not-ip'],
  ['half an IPv4 header', v4.subarray(0, 19), 'ip-length'],
  ['cut short', v4.subarray(0, v4.length - 1), 'ip-length'],
  ['total length below the header', change(v4, { 2: 0, 3: 19 }), 'ip-length'],
  ['header length below 20', change(v4, { 0: 0x44 }), 'ip-header'],
  ['TCP', change(v4, { 9: 6 }), 'not-udp'],
  ['first fragment', change(v4, { 6: 0x20 }), 'fragment'],
  ['last fragment', change(v4, { 7: 1 }), 'fragment'],
  ['loose source route', packetV4(hello, [1, 131, 7, 4, 10, 0, 0, 1]), 'source-route'],
  ['strict source route', packetV4(hello, [137, 7, 4, 10, 0, 0, 1, 0]), 'source-route'],
  ['option of no length', packetV4(hello, [7, 0, 0, 0]), 'source-route'],
  ['option beyond the header', packetV4(hello, [7, 9, 0, 0]), 'source-route'],
  ['UDP length below its header', change(v4, { 25: 7 }), 'udp-length'],
  ['UDP length beyond the packet', change(v4, { 25: 22 }), 'udp-length'],
  ['no room for UDP', change(v4.subarray(0, 27), { 3: 27 }), 'udp-length'],
  ['half an IPv6 header', v6.subarray(0, 39), 'ip-length'],
  ['IPv6 cut short', v6.subarray(0, v6.length - 1), 'ip-length'],
  ['IPv6 jumbo', change(v6, { 4: 0, 5: 0 }), 'udp-length'],
  ['ICMPv6', change(v6, { 6: 58 }), 'not-udp'],
  ['no next header', change(hop, { 40: 59 }), 'not-udp'],
  ['extension beyond the packet', change(hop, { 41: 200 }), 'extension-header'],
  ['more extensions than any packet has', chained, 'extension-header'],
  ['IPv6 fragment', packetV6(hello, [17, 0, 0, 1, 0, 0, 0, 0], 44), 'fragment'],
  ['IPv6 fragment offset', packetV6(hello, [17, 0, 0, 8, 0, 0, 0, 0], 44), 'fragment'],
  ['routing header with a way to go', routed, 'source-route'],
]

for (const [why, packet, reason] of refused) {
  t.test(`${reason}: ${why}`, async (t) => {
    const scan = locate(packet)
    t.equal(scan.state === 'found' ? '' : scan.reason, reason)
    const isAbsent = ['not-ip', 'not-udp', 'fragment', 'source-route'].includes(reason)
    t.equal(scan.state, isAbsent ? 'absent' : 'malformed')
  })
}

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!

t.test('rebuild', async (t) => {
  for (const packet of [packetV4(hello), packetV4(hello, [1, 1, 1, 1]), packetV6(hello), hop]) {
    const location = found(packet)
    const { start } = location.payload
    const target = new Uint8Array(100).fill(255)
    const length = rebuild(packet, location, [{ start, end: start + 5, text: 'goodbye' }], target)
    const made = target.subarray(0, length)
    t.equal(length, packet.length + 2)
    const again = found(made)
    t.equal(text(made, again.payload), 'goodbye, world!', 'lengths follow')
    t.equal(u16(made, again.udp.start + 6), plainUdpChecksum(made, again.udp.start))
    if (location.family === 4) t.equal(u16(made, 10), plainIpChecksum(made))
    t.strictSame(target.subarray(length), new Uint8Array(100 - length).fill(255), 'nothing behind it is written')
    t.strictSame(again.source, location.source)
  }
})

t.test('a checksum left out stays out in IPv4 only', async (t) => {
  const target = new Uint8Array(100)
  const edit = (location: PacketLocation): Edit[] => [
    { start: location.payload.start, end: location.payload.start, text: '!' },
  ]
  const without = change(v4, { 26: 0, 27: 0 })
  rebuild(without, found(without), edit(found(without)), target)
  t.equal(u16(target, 26), 0)
  const without6 = change(v6, { 46: 0, 47: 0 })
  rebuild(without6, found(without6), edit(found(without6)), target)
  t.equal(u16(target, 46), plainUdpChecksum(target, 40), 'RFC 8200 8.1')
  const partial = change(v4, { 26: 0x12, 27: 0x34 })
  rebuild(partial, found(partial), [], target)
  t.equal(u16(target, 26), u16(v4, 26), 'a partial checksum becomes a whole one')
})

t.test('a sum of zero is sent as 0xffff', async (t) => {
  const payload = Uint8Array.from(hello.subarray(0, 12))
  const first = packetV4(payload)
  // Adding the checksum to a word of the payload makes the sum all ones, whose complement is zero.
  const sum = u16(payload, 0) + u16(first, 26)
  const word = (sum & 0xffff) + (sum >> 16)
  payload.set([word >> 8, word & 255])
  const packet = packetV4(payload)
  const target = new Uint8Array(packet.length)
  rebuild(packet, found(packet), [], target)
  t.equal(u16(target, 26), 0xffff)
})

t.test('too large', async (t) => {
  const target = new Uint8Array(70000).fill(7)
  const { start } = found(v4).payload
  t.equal(rebuild(v4, found(v4), [], target.subarray(0, v4.length - 1)), -1, 'for the target')
  t.equal(
    rebuild(v4, found(v4), [{ start, end: start, text: 'x'.repeat(65535 - v4.length) }], target),
    65535,
    'just fits',
  )
  target.fill(7)
  t.equal(
    rebuild(v4, found(v4), [{ start, end: start, text: 'x'.repeat(65536 - v4.length) }], target),
    -1,
    'for a packet',
  )
  t.ok(
    target.every((byte) => byte === 7),
    'target untouched',
  )
})

t.test('bytes behind the datagram', async (t) => {
  const packet = packetV4(Buffer.concat([hello, Buffer.from('tail')]))
  packet[25]! -= 4
  const location = found(packet)
  t.equal(text(packet, location.payload), 'hello, world!')
  const target = new Uint8Array(100)
  const { start } = location.payload
  const length = rebuild(packet, location, [{ start, end: start + 7, text: '' }], target)
  t.equal(text(target, { start: 28, end: length }), 'world!tail')
  t.equal(u16(target, 26), plainUdpChecksum(target, 20))
})

/** Sorted edits without overlap within [start, end), from cut positions in pairs. */
function editsWithin(start: number, end: number, cuts: readonly number[], texts: readonly string[]): Edit[] {
  const at = [...cuts].map((cut) => start + (cut % (end - start + 1))).sort((a, b) => a - b)
  return texts.slice(0, at.length >> 1).map((text, i) => ({ start: at[2 * i]!, end: at[2 * i + 1]!, text }))
}

const arbitraryPacket = fc
  .tuple(fc.uint8Array({ maxLength: 1500 }), fc.boolean(), fc.nat({ max: 3 }))
  .map(([payload, isV4, words]) => (isV4 ? packetV4(payload, new Array(words * 4).fill(1)) : packetV6(payload)))

t.test('laws', async (t) => {
  const latin1 = fc.string({ unit: fc.nat({ max: 255 }).map((code) => String.fromCharCode(code)), maxLength: 30 })
  const edits = fc.tuple(fc.array(fc.nat(), { maxLength: 16 }), fc.array(latin1, { maxLength: 8 }))
  fc.assert(
    fc.property(arbitraryPacket, edits, fc.nat({ max: 3 }), (packet, [cuts, texts], misalignment) => {
      const location = found(packet)
      const { start, end } = location.payload
      const list = editsWithin(start, end, cuts, texts)
      const target = new Uint8Array(4096).subarray(misalignment)
      const length = rebuild(packet, location, list, target)
      const made = target.subarray(0, length)
      const again = found(made)
      const payload = new Uint8Array(3000)
      const payloadLength = splice(packet, start, end, list, payload, 0)
      if (
        Buffer.compare(made.subarray(again.payload.start, again.payload.end), payload.subarray(0, payloadLength)) !== 0
      )
        throw new Error('payload')
      if (u16(made, again.udp.start + 6) !== plainUdpChecksum(made, again.udp.start)) throw new Error('UDP checksum')
      if (location.family === 4 && u16(made, 10) !== plainIpChecksum(made)) throw new Error('IP checksum')
      const header = (bytes: Uint8Array): number[] => {
        const copy = [...bytes.subarray(0, location.payload.start)]
        const { start: udp } = location.udp
        for (const at of [udp + 4, udp + 5, udp + 6, udp + 7, ...(location.family === 4 ? [2, 3, 10, 11] : [4, 5])])
          copy[at] = 0
        return copy
      }
      if (header(made).join() !== header(packet).join()) throw new Error('another header field changed')
    }),
    runs(400),
  )
  t.pass('edits, lengths, checksums')
  fc.assert(
    fc.property(arbitraryPacket, (packet) => {
      const target = new Uint8Array(packet.length)
      return rebuild(packet, found(packet), [], target) === packet.length && Buffer.compare(packet, target) === 0
    }),
    runs(200),
  )
  t.pass('no edits, same bytes')
  const mutated = fc
    .tuple(arbitraryPacket, fc.array(fc.tuple(fc.nat({ max: 80 }), fc.nat({ max: 255 })), { maxLength: 6 }))
    .map(([packet, changes]) => change(packet, Object.fromEntries(changes.filter(([at]) => at < packet.length))))
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 120 }), mutated), (packet) => {
      const scan = locate(packet)
      if (scan.state !== 'found') return true
      const { ip, udp, payload, end } = scan
      return (
        ip.start === 0 &&
        ip.end === udp.start &&
        udp.end === payload.start &&
        payload.start <= payload.end &&
        payload.end <= end &&
        end <= packet.length
      )
    }),
    runs(2000),
  )
  t.pass('any bytes: no exception, ranges inside')
})
