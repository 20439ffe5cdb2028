import type { ConntrackEntry, ConntrackOperation } from '../../types/conntrack.js'
import { AddressSet } from '../base/address-set.js'
import type { EntryFilter } from '../conntrack/index.js'
import { type ComponentEnds, endsOf, protocolOf } from './path-expectations.js'
import { deleteFlow } from './path-operations.js'
import type { Standing } from './standing.js'

/** IPS_EXPECTED and IPS_SEEN_REPLY: neither is set of who knocks and is not answered. */
const UNHEARD = 3
/** Between two looks at least; */
const LOOK_MS = 1000
/** and so many times as long as a look takes, which goes over the kernel's whole table. */
const PAUSES = 50

/** A component that is still open. */
interface Way extends ComponentEnds {
  readonly protocol: number
}

/**
 * Who came to a way's outside end before the way stood met the gateway itself, and has left a conntrack there, which lives as long as he goes
 * on: a server that asks every ten seconds whether a phone is there, a far end whose media was faster than its answer. The expectation
 * would never see a packet of his. Where the port that he comes from was announced, `Pinholes.execute` asks for just that conntrack; where
 * any port will do, the table is looked through, once for all ways put up meanwhile.
 */
export class Shadows {
  readonly #fresh = new Set<Standing>()
  #lookAt = 0

  /** The way has been put up. Where nothing is translated nobody meets the gateway. */
  note(standing: Standing): void {
    const { transport, source, inbound, inside, outside } = standing.path
    const isTranslated = inside.address !== outside.address || inside.port !== outside.port
    if (inbound && transport === 'udp' && source !== 'exact' && isTranslated) this.#fresh.add(standing)
  }

  /** The way is shut. */
  forget(standing: Standing): void {
    this.#fresh.delete(standing)
  }

  /** Resolves with what deletes such conntracks, when it is time to look. */
  async look(now: number, dump: (filter: EntryFilter) => Promise<ConntrackEntry[]>): Promise<ConntrackOperation[]> {
    if (this.#fresh.size === 0 || now < this.#lookAt) return []
    const began = performance.now()
    const fresh = [...this.#fresh]
    this.#fresh.clear()
    const operations: ConntrackOperation[] = []
    for (const family of [4, 6] as const) {
      const ways = waysOf(fresh.filter(({ path }) => path.family === family))
      if (ways.size === 0) continue
      for (const entry of await dump({ family, status: 0, statusMask: UNHEARD })) {
        const { address, port } = entry.original.destination
        if (ways.get(`${address} ${port}`)?.some((way) => shadows(entry, way)))
          operations.push(deleteFlow(entry.original, entry.id))
      }
    }
    this.#lookAt = now + Math.max(LOOK_MS, PAUSES * (performance.now() - began))
    return operations
  }
}

/** By outside end. Where somebody has been let in already, nobody else will be. */
function waysOf(standings: readonly Standing[]): Map<string, Way[]> {
  const ways = new Map<string, Way[]>()
  for (const { path, flows } of standings)
    for (const [component, ends] of endsOf(path).entries()) {
      if (flows.some((flow) => flow.component === component && flow.isInbound)) continue
      const key = `${ends.outside.address} ${ends.outside.port}`
      ways.set(key, [...(ways.get(key) ?? []), { ...ends, protocol: protocolOf(path) }])
    }
  return ways
}

/** Whether the entry has ended at the gateway, of one whom the way would let in. */
function shadows({ original, reply, master }: ConntrackEntry, { far, protocol }: Way): boolean {
  const { source, destination } = original
  if (master || original.protocol !== protocol) return false
  if (reply.source.address !== destination.address || reply.source.port !== destination.port) return false
  return far.address === undefined || new AddressSet([far.address]).has(source.address)
}
