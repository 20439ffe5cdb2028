/** Dynamic pinholes: an Asterisk cluster behind a filter that drops everything but SIP. Needs root. */
import { SipHelper } from 'cthelper'

const sip = new SipHelper({
  mode: 'firewall',
  inside: ['lan0'],
  outside: ['wan0'],
  media: { hosts: ['192.0.2.0/24'] },
})
sip.on('pinhole', ({ kind, pinhole: { far, inside } }) =>
  console.log(`${kind} ${far.address}:${far.port} to ${inside.address}:${inside.port}`),
)
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
