/** A PBX on this machine; phones and providers are outside. Needs root. */
import { SipHelper } from 'cthelper'

const sip = new SipHelper({
  mode: 'pbx',
  inside: ['lo'],
  outside: ['wan0'],
  media: { ports: [30000, 39999] },
})
sip.on('call', ({ callId, state, peer }) => console.log(`${callId} ${state} ${peer.address}:${peer.port}`))
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
