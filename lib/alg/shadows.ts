import type { ConntrackEntry, ConntrackOperation } from '../../types/conntrack.js'
import { AddressSet } from '../base/address-set.js'
import type { Path } from '../call/index.js'
import type { EntryFilter } from '../conntrack/index.js'
import { protocolOf } from './path-expectations.js'
import { deleteFlow } from './path-operations.js'
import type { Standing } from './standing.js'

/** IPS_EXPECTED and IPS_SEEN_REPLY: neither is set of who knocks and is not answered. */
const UNHEARD = 3
/** A look goes over the kernel's whole table. */
const LOOK_MS = 10_000

/**
 * Who knocked at a signalling way's outside end before the way stood, met the gateway itself, and left a conntrack there, which lives as long
 * as he goes on (servers ask every ten seconds whether a phone is there): the expectation would never see a packet of his. The port that
 * he knocks from is not known beforehand, so the table is looked through, once for all ways put up meanwhile.
 */
export class Shadows {
  readonly #fresh = new Set<Standing>()
  #lookAt = 0

  /** The way has been put up. Where nothing is translated nobody meets the gateway. */
  note(standing: Standing): void {
    const { kind, transport, inside, outside } = standing.path
    const isTranslated = inside.address !== outside.address || inside.port !== outside.port
    if (kind === 'signalling' && transport === 'udp' && isTranslated) this.#fresh.add(standing)
  }

  /** The way is shut. */
  forget(standing: Standing): void {
    this.#fresh.delete(standing)
  }

  /** Resolves with what deletes such conntracks, when it is time to look. */
  async look(now: number, dump: (filter: EntryFilter) => Promise<ConntrackEntry[]>): Promise<ConntrackOperation[]> {
    if (this.#fresh.size === 0 || now < this.#lookAt) return []
    this.#lookAt = now + LOOK_MS
    const paths = [...this.#fresh].map(({ path }) => path)
    this.#fresh.clear()
    const operations: ConntrackOperation[] = []
    for (const family of [4, 6] as const) {
      const ways = waysOf(paths.filter((path) => path.family === family))
      if (ways.size === 0) continue
      for (const entry of await dump({ family, status: 0, statusMask: UNHEARD })) {
        const { address, port } = entry.original.destination
        if (ways.get(`${address} ${port}`)?.some((path) => shadows(entry, path)))
          operations.push(deleteFlow(entry.original, entry.id))
      }
    }
    return operations
  }
}

/** By outside end. */
function waysOf(paths: readonly Path[]): Map<string, Path[]> {
  const ways = new Map<string, Path[]>()
  for (const path of paths) {
    const key = `${path.outside.address} ${path.outside.port}`
    ways.set(key, [...(ways.get(key) ?? []), path])
  }
  return ways
}

/** Whether the entry has ended at the gateway, of one whom the way would let in. */
function shadows({ original, reply, master }: ConntrackEntry, path: Path): boolean {
  const { source, destination, protocol } = original
  if (master || protocol !== protocolOf(path)) return false
  if (reply.source.address !== destination.address || reply.source.port !== destination.port) return false
  const { address } = path.far
  return address === undefined || new AddressSet([address]).has(source.address)
}
