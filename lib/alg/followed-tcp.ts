import type { SipMessage } from '../../types/sip.js'
import { SipStream } from '../sip/index.js'
import { FollowedConnections } from './followed-connections.js'
import { attendFollowed } from './followed-messages.js'
import { sipLimits } from './options.js'
import { setsOf } from './own-table.js'
import { type Segments, type Tcp, type TcpOptions, type TcpPlace, withTcp } from './tcp-handling.js'

/** SIP over TCP where nothing is translated: connections are followed as they go by. */
export function followTcp(options: TcpOptions): Segments {
  const { settings, interfaces, conntrack, contacts, counters, undo, onError } = options
  const { policy, budgets } = settings
  const limits = sipLimits(settings)
  const connections = new FollowedConnections<SipMessage>({
    wayOf: (packet) => interfaces.wayOf(packet),
    limits: {
      connections: budgets.connections,
      hostConnections: budgets.connectionsPerHost,
      hostBytes: budgets.connectionBytesPerHost,
    },
    policy: { foreign: policy.notSip, malformed: policy.malformed, failure: policy.failure },
    cut: () => new SipStream(limits),
    attend: (ends) => attendFollowed(options, ends),
    get: (tuple) => conntrack.get(tuple),
    now: Date.now,
    count: (reason) => counters.add(reason),
    onError,
  })
  undo.push(() => {
    contacts.close()
    connections.close()
  })
  return { handler: connections, open: async (place) => served(options, connections, place) }
}

function served(
  { settings, interfaces, nftables, contacts }: TcpOptions,
  connections: FollowedConnections<SipMessage>,
  { table, firstPacketQueue }: TcpPlace,
): Tcp {
  contacts.serve(setsOf(nftables, settings.zone))
  return {
    status: { isProxied: false, isFollowed: true, why: '' },
    get size() {
      return connections.size
    },
    table: () => contacts.fill(withTcp(table(), 'followed', settings, interfaces, firstPacketQueue)),
    tick: () => connections.tick(),
  }
}
