import type { SipMessage } from '../../types/sip.js'
import { CthelperError } from '../base/errors.js'
import type { TcpProxy } from '../proxy/index.js'
import { SipStream } from '../sip/index.js'
import type { ConnectionRequests } from './connection-requests.js'
import { openProxy } from './open-proxy.js'
import { openRequests } from './open-requests.js'
import { sipLimits } from './options.js'
import { setsOf } from './own-table.js'
import { StreamMessages } from './stream-messages.js'
import { passedTcp, type Segments, type Tcp, type TcpOptions, type TcpPlace, withTcp } from './tcp-handling.js'
import { Undo } from './undo.js'

/** SIP over TCP by a proxy: segments that ask for a connection are held until it has asked the server. */
export function proxyTcp(options: TcpOptions): Segments {
  const { settings, interfaces, conntrack, engine, counters, undo, onError } = options
  const requests = openRequests({
    netns: settings.netns,
    mark: settings.tcp.mark,
    interfaces,
    conntrack,
    outsideOf: ({ address, port }) => engine.bindings.ofInside(address, port, 'tcp')?.outside,
    failure: settings.policy.failure,
    counters,
    undo,
    onError,
  })
  return { handler: requests, open: (place) => openProxied(options, requests, place) }
}

/**
 * Opens what the proxy needs, in this order: a route for the mark, the listeners, and the table that is to be installed. With `auto` a
 * machine that has not what it takes is served without; with `on` what it refused is thrown.
 */
async function openProxied(options: TcpOptions, requests: ConnectionRequests, place: TcpPlace): Promise<Tcp> {
  const { settings, undo } = options
  const own = new Undo()
  try {
    const tcp = await open(options, requests, place, own)
    undo.push(() => own.unwindOrThrow())
    return tcp
  } catch (error) {
    await own.unwind()
    if (settings.tcp.proxy === 'on' || !(error instanceof CthelperError) || error.code === 'ERR_PERMISSION') throw error
    return passedTcp(error.message, place.table)
  }
}

async function open(
  { settings, interfaces, nftables, conntrack, engine, judge, contacts, counters, onError }: TcpOptions,
  requests: ConnectionRequests,
  { table, firstPacketQueue }: TcpPlace,
  own: Undo,
): Promise<Tcp> {
  const limits = sipLimits(settings)
  const whole = () => withTcp(table(), 'proxied', settings, interfaces, firstPacketQueue)
  const refusal = await nftables.check(whole())
  if (refusal) throw refusal
  const { notSip: foreign, malformed } = settings.policy
  const messages = new StreamMessages({ engine, judge, counters, get: (tuple) => conntrack.get(tuple) })
  const proxy: TcpProxy<SipMessage> = await openProxy<SipMessage>({
    settings,
    interfaces,
    counters,
    undo: own,
    policy: { foreign, malformed },
    cut: () => new SipStream(limits),
    attend: (ends) => messages.attend(ends),
    onError,
  })
  requests.serve(proxy)
  contacts.serve(setsOf(nftables, settings.zone))
  return {
    status: { isProxied: true, isFollowed: false, why: '' },
    get size() {
      return proxy.size
    },
    table: () => contacts.fill(whole()),
    tick: () => proxy.tick(),
  }
}
