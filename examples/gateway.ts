/** The smallest gateway: helps the calls of the phones behind lan0, and tells of them. Needs root. */
import { SipHelper } from 'cthelper'

const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], media: { ports: [30000, 39999] } })
sip.on('call', (call) => console.log(call.callId, call.state))
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
