/** STUN as behind a full cone: who asks at port 3478 can be reached by anybody, while its flow lives. Needs root. */
import { ConeNat } from 'cthelper'

const cone = new ConeNat({ inside: ['lan0'], outside: ['wan0'], ports: [3478], filtering: 'full' })
cone.on('way', ({ kind, pinhole: { inside, outside } }) =>
  console.log(`${kind} ${outside.address}:${outside.port} to ${inside.address}:${inside.port}`),
)
await cone.start()
console.log('ready')
process.once('SIGTERM', () => cone.stop())
