import { openRouting, ownMark, type ProxyOptions, TcpProxy } from '../proxy/index.js'
import type { Counters } from './counters.js'
import type { Interfaces } from './interfaces.js'
import type { Undo } from './undo.js'

/** What of a helper's settings its proxy needs. */
export interface ProxySettings {
  readonly netns: string | undefined
  readonly tcp: { readonly port: number; readonly mark: number; readonly table: number }
  readonly budgets: {
    readonly connections: number
    readonly connectionsPerHost: number
    readonly connectionBytesPerHost: number
  }
}

export interface OpenProxyOptions<Message>
  extends Pick<ProxyOptions<Message>, 'policy' | 'cut' | 'attend' | 'onError'> {
  readonly settings: ProxySettings
  readonly interfaces: Pick<Interfaces, 'ruleNames'>
  readonly counters: Counters
  readonly undo: Undo
}

/** Opens a helper's proxy: the routes for its marks, then its listeners. The table that leads to them is the caller's to install. */
export async function openProxy<Message>(options: OpenProxyOptions<Message>): Promise<TcpProxy<Message>> {
  const { settings, interfaces, counters, undo, policy, cut, attend, onError } = options
  const { netns, tcp, budgets } = settings
  const routing = await openRouting({
    netns,
    interfaces: [...interfaces.ruleNames('inside'), ...interfaces.ruleNames('outside')],
    mark: tcp.mark,
    ownMark: ownMark(tcp.mark),
    table: tcp.table,
    onRepair: (count) => counters.add('repaired-routing', count),
    onError,
  })
  undo.push(() => routing.close())
  const proxy = await TcpProxy.open<Message>({
    netns,
    families: routing.families,
    port: tcp.port,
    limits: {
      connections: budgets.connections,
      hostConnections: budgets.connectionsPerHost,
      hostBytes: budgets.connectionBytesPerHost,
    },
    policy,
    cut,
    now: Date.now,
    attend,
    count: (reason) => counters.add(reason),
    onError,
  })
  undo.push(() => proxy.close())
  return proxy
}
