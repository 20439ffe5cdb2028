/** Music on hold from a server of its own: while a call is held, its packets leave as the call's, in the kernel. Needs root. */
import { SipHelper } from 'cthelper'

const sip = new SipHelper({
  inside: ['lan0'],
  outside: ['wan0'],
  media: { ports: [30000, 39999] },
  moh: { sources: ['192.168.7.11'], heldMedia: 'drop' },
})
sip
  .on('hold', ({ callId }) => console.log(`${callId} held`))
  .on('resume', ({ callId }) => console.log(`${callId} resumed`))
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
