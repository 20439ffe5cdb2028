/** TFTP (RFC 1350) through NAT: a server answers from a port of its own choice, so it may come in from any. Needs root. */
import { defineHelper } from 'cthelper'

/** RFC 1350 5: opcodes of a read and a write request. */
const [READ, WRITE] = [1, 2]

const tftp = defineHelper({
  name: 'tftp',
  ports: [69],
  protocol: 'udp',
  inside: ['lan0'],
  outside: ['wan0'],
  onPacket({ bytes, way }, context) {
    const opcode = (bytes[0]! << 8) | bytes[1]!
    if (way !== 'out' || (opcode !== READ && opcode !== WRITE)) return
    context.expect({ from: { address: context.peer.address, port: 0 }, to: context.inside.port, lifetimeSec: 300 })
  },
})
tftp.on('pinhole', ({ kind, pinhole: { far, inside } }) => console.log(kind, far.address, 'to', inside.address))
await tftp.start()
console.log('ready')
process.once('SIGTERM', () => tftp.stop())
