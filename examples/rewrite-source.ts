/**
 * A stream's source rewritten packet by packet in user space: FROM ADDRESS PORT, as ADDRESS PORT. This is how music on hold was once given
 * the call's address; `moh.sources` does it in the kernel. IPv4 UDP. Needs root.
 */
import { openQueue, type QueuedPacket } from 'cthelper/nfqueue'
import { openNftables } from 'cthelper/nftables'

const [from = '192.168.7.11', fromPort = '17000', as = '198.51.100.1', asPort = '30000'] = process.argv.slice(2)
const NUMBER = 77

/** Ones' complement arithmetic: a checksum follows a changed word without the rest being read (RFC 1624). */
function patch(bytes: Buffer, at: number, value: number, checksums: readonly number[]): void {
  const before = bytes.readUInt16BE(at)
  bytes.writeUInt16BE(value, at)
  for (const place of checksums) {
    let sum = (~bytes.readUInt16BE(place) & 0xffff) + (~before & 0xffff) + value
    sum = (sum & 0xffff) + (sum >>> 16)
    sum = (sum & 0xffff) + (sum >>> 16)
    bytes.writeUInt16BE(~sum & 0xffff, place)
  }
}

const address = as.split('.').map(Number)

/** The packet's bytes, changed where they lie: they are borrowed until the verdict. */
function rewritten({ payload }: QueuedPacket): Uint8Array {
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length)
  const udp = (bytes[0]! & 15) * 4
  const [ipChecksum, udpChecksum] = [10, udp + 6]
  const isSummed = bytes.readUInt16BE(udpChecksum) !== 0
  const sums = isSummed ? [ipChecksum, udpChecksum] : [ipChecksum]
  patch(bytes, 12, (address[0]! << 8) | address[1]!, sums)
  patch(bytes, 14, (address[2]! << 8) | address[3]!, sums)
  patch(bytes, udp, Number(asPort), isSummed ? [udpChecksum] : [])
  // A sum of 0 would say "none" (RFC 768).
  if (isSummed && bytes.readUInt16BE(udpChecksum) === 0) bytes.writeUInt16BE(0xffff, udpChecksum)
  return payload
}

const queue = await openQueue({
  number: NUMBER,
  onBatch: (packets, queue) => {
    for (const packet of packets) queue.verdict(packet, 'accept', { payload: rewritten(packet) })
  },
})
const nftables = openNftables()
const stream = [
  { kind: 'saddr', in: [from] },
  { kind: 'sport', protocol: 'udp', in: [Number(fromPort)] },
] as const
await nftables.install({
  family: 'inet',
  name: 'rewrite_source',
  chains: [
    // Without a conntrack nobody translates it a second time.
    {
      name: 'prerouting',
      type: 'filter',
      hook: 'prerouting',
      priority: -300,
      rules: [{ expressions: [...stream, { kind: 'notrack' }] }],
    },
    {
      name: 'postrouting',
      type: 'filter',
      hook: 'postrouting',
      priority: 150,
      rules: [{ expressions: [...stream, { kind: 'queue', number: NUMBER, bypass: true }] }],
    },
  ],
})
console.log('ready')
process.once('SIGTERM', async () => {
  await nftables.remove('inet', 'rewrite_source')
  nftables.close()
  queue.close()
})
