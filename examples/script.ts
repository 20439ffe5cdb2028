/** A script for every message: premium numbers are refused, calls are marked for their DSCP, a header is added. Needs root. */
import { type OnMessage, SipHelper } from 'cthelper'

const onMessage: OnMessage = (message, context) => {
  if (message.kind !== 'request' || message.method !== 'INVITE') return
  const uri = context.text(message.requestUri!)
  if (context.way === 'out' && /^sips?:(\+?49|0)900/.test(uri)) return context.reject(403, 'Premium numbers are barred')
  // nft add rule inet qos forward ct mark 0x2e ip dscp set ef
  context.mark(0x2e)
  context.addHeader('X-Gateway', 'head office')
}

const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], onMessage })
await sip.start()
console.log('ready')
process.once('SIGTERM', () => sip.stop())
