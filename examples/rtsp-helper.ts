/** RTSP (RFC 2326, RFC 7826) through NAT: UDP media of clients and servers inside. What is RTSP about it is in `rtsp/`. Needs root. */
import { defineHelper } from 'cthelper'
import { frame, onMessage } from './rtsp/helper.js'

const rtsp = defineHelper({
  name: 'rtsp',
  ports: [554, 8554],
  protocol: 'tcp',
  inside: ['lan0'],
  outside: ['wan0'],
  frame,
  onMessage,
})
rtsp.on('pinhole', ({ kind, pinhole: { far, inside, outside } }) =>
  console.log(kind, `${far.address}:${far.port}`, 'to', `${inside.address}:${inside.port} at ${outside.port}`),
)
await rtsp.start()
console.log('ready')
process.once('SIGTERM', () => rtsp.stop())
