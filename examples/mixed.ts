/** Two inside networks, one provider that is trusted, SIP ports besides 5060. Needs root. */
import { SipHelper } from 'cthelper'

const sip = new SipHelper({
  inside: ['lan0', 'dmz0'],
  outside: ['wan0'],
  ports: [5060, 5080],
  signalling: { peers: ['198.51.100.10'] },
})
sip.on('call', (call) => console.log(`${call.inside.address} ${call.state}`))
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
