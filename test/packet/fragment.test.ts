import t from 'tap'
import { allowFragments, fragmentsOf } from '../../lib/packet/index.js'
import { packetV4, packetV6, plainIpChecksum } from './packets.js'

const u16 = (bytes: Uint8Array, at: number): number => bytes[at]! * 256 + bytes[at + 1]!

t.test('IPv4: DF goes, and an identification comes where there is none', async (t) => {
  const packet = packetV4(new Uint8Array(20), [1, 1, 1, 1])
  allowFragments(packet, 0x1234)
  t.equal(packet[6], 0)
  t.equal(u16(packet, 4), 0xabcd, 'its own stays')
  t.equal(u16(packet, 10), plainIpChecksum(packet))
  packet[4] = packet[5] = 0
  allowFragments(packet, 0x1234)
  t.equal(u16(packet, 4), 0x1234)
  t.equal(u16(packet, 10), plainIpChecksum(packet))
})

t.test('IPv6: the fragments are the packet', async (t) => {
  for (const size of [1, 1224, 1225, 1232, 1233, 3000, 65_000]) {
    const packet = packetV6(Uint8Array.from({ length: size }, (_, i) => i))
    const fragments = fragmentsOf(packet, 0xcafe1234)
    const whole = Uint8Array.from(packet)
    let end = 40
    for (const [i, fragment] of fragments.entries()) {
      t.ok(fragment.length <= 1280, `${fragment.length} bytes`)
      t.equal(u16(fragment, 4), fragment.length - 40)
      t.same([fragment[6], fragment[40], fragment[41]], [44, 17, 0], 'a fragment header, then UDP')
      t.same([u16(fragment, 44), u16(fragment, 46)], [0xcafe, 0x1234])
      t.same(fragment.subarray(8, 40), packet.subarray(8, 40), 'the addresses')
      const isLast = i === fragments.length - 1
      t.equal(fragment[43]! & 7, isLast ? 0 : 1, 'more fragments follow')
      const offset = u16(fragment, 42) & 0xfff8
      t.equal(offset, end - 40)
      whole.fill(0, 40 + offset, 40 + offset + fragment.length - 48)
      whole.set(fragment.subarray(48), 40 + offset)
      end = 40 + offset + fragment.length - 48
    }
    t.equal(end, packet.length)
    t.same(whole, packet)
  }
})

t.test('extension headers are left to others', async (t) => {
  t.same(fragmentsOf(packetV6(new Uint8Array(2000), [17, 0, 1, 4, 0, 0, 0, 0], 0), 1), [])
})
