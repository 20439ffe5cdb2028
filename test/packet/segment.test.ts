import t from 'tap'
import { isTcp, locateSegment, withDestination, withoutData } from '../../lib/packet/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { packetV4, packetV6 } from './packets.js'
import { plainTcpChecksum, syn, tcpPacket } from './segments.js'

const ends: readonly (readonly [Endpoint, Endpoint, Endpoint])[] = [
  [
    { address: '192.168.7.10', port: 40001 },
    { address: '198.51.100.10', port: 5060 },
    { address: '203.0.113.5', port: 5070 },
  ],
  [
    { address: 'fd00:7::10', port: 40001 },
    { address: '2001:db8:1::10', port: 5060 },
    { address: '2001:db8:9::5', port: 5070 },
  ],
]

for (const [source, destination, elsewhere] of ends) {
  t.test(`${source.address}: the ends of a segment, and another destination`, async (t) => {
    const packet = syn(source, destination)
    const segment = locateSegment(packet)
    t.match(segment, { source, destination, sequence: 0x01020304, end: packet.length })
    // Behind the packet, as in a receive buffer, and with a checksum that was not made yet.
    const padded = Uint8Array.from([...packet, 1, 2, 3])
    padded[segment!.at + 16] = 0x55
    const changed = withDestination(padded, segment!, elsewhere)
    t.match(locateSegment(changed), { source, destination: elsewhere, sequence: 0x01020304 })
    t.equal(changed[segment!.at + 16]! * 256 + changed[segment!.at + 17]!, plainTcpChecksum(changed, segment!.at))
    t.same(withDestination(packet, segment!, destination), packet, 'the same destination: the same packet')
    t.equal(padded[segment!.at + 16], 0x55, 'the original stays')
  })
}

for (const [source, destination] of ends) {
  t.test(`${source.address}: what a segment says and carries, and the same without`, async (t) => {
    const fields = { sequence: 0xfffffff0, acknowledgment: 0x80000001, flags: 0x18 }
    const packet = tcpPacket(source, destination, { ...fields, text: 'OPTIONS' })
    const segment = locateSegment(packet)!
    t.match(segment, { ...fields, source, destination })
    t.equal(Buffer.from(packet.subarray(segment.data.start, segment.data.end)).toString(), 'OPTIONS')
    const padded = Uint8Array.from([...packet, 1, 2, 3])
    t.same(
      withoutData(padded, segment, 5, 0x14),
      tcpPacket(source, destination, { ...fields, sequence: 5, flags: 0x14 }),
      'lengths and checksums as if it had been made so',
    )
    t.same(packet, padded.subarray(0, packet.length), 'the original stays')
    for (const words of [4, 15]) {
      const broken = Uint8Array.from(packet)
      broken[segment.at + 12] = words << 4
      t.equal(locateSegment(broken), undefined, `a header of ${words} words`)
    }
  })
}

t.test('IPv4 options are passed over', async (t) => {
  const [source, destination] = ends[0]!
  t.match(locateSegment(syn(source, destination, [1, 1, 1, 0])), { at: 24, source, destination })
})

t.test('what is no whole segment is not found', async (t) => {
  const [source, destination] = ends[0]!
  const packet = syn(source, destination)
  const fragment = Uint8Array.from(packet)
  fragment[6] = 0x20
  const long = Uint8Array.from(packet)
  long[3] = packet.length + 1
  const headless = Uint8Array.from(packet)
  headless[0] = 0x41
  for (const bytes of [
    fragment,
    long,
    headless,
    packet.subarray(0, 39),
    new Uint8Array(0),
    packetV4(new Uint8Array(40)),
  ])
    t.equal(locateSegment(bytes), undefined)
  t.equal(isTcp(packet), true)
  t.equal(isTcp(syn(...(ends[1]!.slice(0, 2) as [Endpoint, Endpoint]))), true)
  for (const bytes of [packetV4(new Uint8Array(4)), packetV6(new Uint8Array(4)), new Uint8Array(0)])
    t.equal(isTcp(bytes), false)
})
