import t from 'tap'
import { datagram, locate, rebuild } from '../../lib/packet/index.js'

for (const [from, to] of [
  ['192.0.2.1', '198.51.100.2'],
  ['2001:db8::1', '2001:db8:1::2'],
] as const) {
  t.test(`${from} to ${to}`, async (t) => {
    for (const text of ['', 'x', 'SIP/2.0 403 Barred\r\n\r\n']) {
      const packet = datagram({ address: from, port: 5060 }, { address: to, port: 40000 }, Buffer.from(text))
      const found = locate(packet)
      if (found.state !== 'found') return t.fail(found.reason)
      t.match(found.source, { address: from, port: 5060 })
      t.match(found.destination, { address: to, port: 40000 })
      t.equal(Buffer.from(packet.subarray(found.payload.start, found.payload.end)).toString(), text)
      // What makes checksums anew finds that they were right.
      const again = new Uint8Array(packet.length)
      rebuild(packet, found, [], again)
      const skipHeaderChecksum = from.includes('.') ? 12 : 0
      t.same(again.subarray(skipHeaderChecksum), packet.subarray(skipHeaderChecksum))
    }
  })
}

t.test('what is no datagram', async (t) => {
  const at = (address: string) => ({ address, port: 1 })
  for (const [from, to, length] of [
    ['192.0.2.1', '::1', 0],
    ['pbx', '192.0.2.1', 0],
    ['192.0.2.1', '192.0.2.2', 65508],
  ] as const)
    t.throws(() => datagram(at(from), at(to), new Uint8Array(length)), { code: 'ERR_ARGUMENT' })
})
