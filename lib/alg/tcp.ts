import { followTcp } from './followed-tcp.js'
import { proxyTcp } from './proxied-tcp.js'
import { passedTcp, type Segments, type TcpOptions, tcpHandling } from './tcp-handling.js'

/** SIP over TCP, as the settings and the machine want it handled. */
export function segmentsOf(options: TcpOptions): Segments {
  const { settings, interfaces } = options
  const isScripted = settings.onMessage !== undefined
  const handling = tcpHandling({ ...settings, isScripted }, interfaces.whyNotOwn())
  if (handling === 'proxied') return proxyTcp(options)
  if (handling === 'followed') return followTcp(options)
  return {
    handler: {
      handle: (packet, sink) => sink.verdict(packet, 'accept'),
      handleFirst: (packet, sink) => sink.verdict(packet, 'accept'),
    },
    open: async ({ table }) => passedTcp(handling.why, table),
  }
}
