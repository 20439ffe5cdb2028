import type { Endpoint } from '../../types/endpoint.js'
import type { VerdictKind } from '../../types/nfqueue.js'
import type { Conntrack } from '../conntrack/index.js'
import { ownMark } from '../proxy/index.js'
import { ConnectionRequests } from './connection-requests.js'
import type { Counters } from './counters.js'
import type { Interfaces } from './interfaces.js'
import { RawPackets } from './raw-packets.js'
import type { Undo } from './undo.js'

export interface RequestsOptions {
  readonly netns: string | undefined
  /** The proxy's. */
  readonly mark: number
  readonly interfaces: Interfaces
  readonly conntrack: Conntrack
  /** Where the outside knows an inside endpoint, if a binding says so. */
  outsideOf(inside: Endpoint): Endpoint | undefined
  readonly failure: VerdictKind
  readonly counters: Counters
  readonly undo: Undo
  readonly onError: (error: Error) => void
}

/** Who holds requests for connections, with the kernel at hand. */
export function openRequests(options: RequestsOptions): ConnectionRequests {
  const { netns, mark, interfaces, conntrack, counters, undo, outsideOf, failure, onError } = options
  const packets = new RawPackets(netns, ownMark(mark))
  undo.push(() => packets.close())
  return new ConnectionRequests({
    wayOf: (packet) => interfaces.wayOf(packet),
    isOwn: (address) => interfaces.isOwn(address),
    outsideOf,
    create: (entry) => conntrack.create(entry),
    packets,
    ownMark: ownMark(mark),
    failure,
    count: (reason) => counters.add(reason),
    onError,
  })
}
