import type { StreamContext } from '../../types/define.js'
import type { Chain, NamedSet, Table } from '../../types/nftables.js'
import { splice, splicedLength } from '../base/range.js'
import { SIP_TABLE, strayMedia } from '../nftables/index.js'
import {
  type Attendant,
  type ConnectionEnds,
  type Done,
  FramedStream,
  proxyRules,
  type TcpProxy,
} from '../proxy/index.js'
import type { ConnectionRequests } from './connection-requests.js'
import type { Counters } from './counters.js'
import type { StreamSettings } from './define-options.js'
import type { Decided, HelperWays, Subject } from './helper-ways.js'
import type { KernelSide, TablePlace } from './kernel-side.js'
import { openProxy } from './open-proxy.js'
import { openRequests } from './open-requests.js'
import { streamFlowOf } from './stream-flow.js'
import type { Undo } from './undo.js'

export interface HelperStreamsOptions {
  readonly settings: StreamSettings
  readonly side: KernelSide
  readonly ways: HelperWays
  readonly counters: Counters
  readonly undo: Undo
  onError(error: Error): void
}

/** Attends to a defined helper's connections. */
class HelperStreams {
  readonly #options: Omit<HelperStreamsOptions, 'undo'>

  constructor(options: Omit<HelperStreamsOptions, 'undo'>) {
    this.#options = options
  }

  /** The attendant of a connection whose both ends are connected. */
  async attend(ends: ConnectionEnds): Promise<Attendant<Uint8Array>> {
    const { side, ways, onError } = this.#options
    const flow = await streamFlowOf(ends, {
      get: (tuple) => side.conntrack.get(tuple),
      bindingOf: (inside, outside) => ({ transport: 'tcp', inside, outside, implied: undefined }),
    })
    const connection = Object.freeze({})
    return {
      judge: (bytes, way, done) => this.#judge(bytes, { flow, way, length: bytes.length, connection }, done),
      close: () => void ways.leave(connection).catch(onError),
    }
  }

  #judge(bytes: Uint8Array, subject: Subject, done: Done): void {
    const { ways, counters, settings } = this.#options
    const { way } = subject
    counters.add('messages')
    const decided = ways.decide(subject, (turn) => settings.onMessage({ bytes, way }, turn as StreamContext))
    if (decided instanceof Promise) void decided.then((it) => this.#finish(bytes, it, done))
    else this.#finish(bytes, decided, done)
  }

  #finish(bytes: Uint8Array, { verdict, edits }: Decided, done: Done): void {
    if (verdict !== 'pass') return done(verdict === 'close' ? 'reset' : undefined)
    if (edits.length === 0) return done(bytes)
    const edited = new Uint8Array(splicedLength(bytes.length, edits))
    splice(bytes, 0, bytes.length, edits, edited, 0)
    this.#options.counters.add('rewritten')
    done(edited)
  }
}

/** A defined helper's proxy, and who asks it for connections. */
export interface OpenedStreams {
  readonly proxy: TcpProxy<Uint8Array>
  readonly requests: ConnectionRequests
}

/** Opens what connections need: routes for the proxy's marks, and the listeners. The table that leads there is the caller's to install. */
export async function openHelperStreams(options: HelperStreamsOptions): Promise<OpenedStreams> {
  const { settings, side, counters, undo, onError } = options
  const { netns, tcp, budgets, frame } = settings
  const { interfaces } = side
  const streams = new HelperStreams(options)
  const proxy = await openProxy<Uint8Array>({
    settings,
    interfaces,
    counters,
    undo,
    policy: { foreign: 'accept', malformed: 'accept' },
    cut: (way) => new FramedStream({ frame, way, maxBytes: budgets.messageBytes, onError }),
    attend: (ends) => streams.attend(ends),
    onError,
  })
  const requests = openRequests({
    netns,
    mark: tcp.mark,
    interfaces,
    conntrack: side.conntrack,
    outsideOf: () => undefined,
    failure: 'accept',
    counters,
    undo,
    onError,
  })
  requests.serve(proxy)
  return { proxy, requests }
}

const PORT_SET = 'ports'
/** After everybody's filters. */
const AFTER_FILTERS = 150

/** The table that brings a defined helper's connections to its proxy, and drops stray media where media has ports of its own. */
export function streamTable(
  { name, ports, tcp, mediaPorts }: Pick<StreamSettings, 'name' | 'ports' | 'tcp' | 'mediaPorts'>,
  place: TablePlace,
): Table {
  const { sets, chains } = proxyRules({ ...place, mark: tcp.mark, port: tcp.port, portSet: PORT_SET })
  const own: NamedSet[] = [
    { name: PORT_SET, type: 'inet_service', elements: ports },
    { name: 'inside', type: 'ifname', elements: place.inside },
    { name: 'outside', type: 'ifname', elements: place.outside },
  ]
  const base = { name: 'input', type: 'filter', hook: 'input', priority: AFTER_FILTERS, policy: 'accept' } as const
  const stray: Chain[] = mediaPorts ? [{ ...base, rules: [strayMedia(mediaPorts)] }] : []
  const table = { family: SIP_TABLE.family, name: `cthelper-${name}` }
  return { ...table, sets: [...own, ...sets], chains: [...chains, ...stray] }
}
