import type { ConntrackOperation, OperationResult } from '../../types/conntrack.js'
import type { Flow } from '../../types/flow.js'
import type { Tuple } from '../../types/tuple.js'
import { tupleKey } from '../conntrack/index.js'

const UDP = 17
/** Well under the kernel's shortest UDP timeout (30 s), to which every packet of the flow sets it back. */
const REFRESH_MS = 10_000
const ENOENT = 2

interface Kept {
  readonly tuple: Tuple
  until: number
  refreshAt: number
}

/**
 * Keeps the conntracks of registered flows alive for as long as the registrar was granted the contact: when the mapping dies,
 * the public port may go to another phone, and its calls with it. A fixed timeout (IPS_FIXED_TIMEOUT) would do it in one step, but
 * the kernel lets nobody change it afterwards.
 */
export class KeepAlive {
  readonly #batch: (operations: readonly ConntrackOperation[]) => Promise<OperationResult[]>
  readonly #kept = new Map<string, Kept>()

  constructor(batch: (operations: readonly ConntrackOperation[]) => Promise<OperationResult[]>) {
    this.#batch = batch
  }

  get size(): number {
    return this.#kept.size
  }

  /** Keeps the flow's conntrack for so many seconds from now, 0: no longer; the next `tick` tells the kernel. */
  keep(flow: Flow, seconds: number, now: number): void {
    const { family, binding, peer } = flow
    const tuple: Tuple = { family, protocol: UDP, source: binding.inside, destination: peer }
    const key = tupleKey(tuple)
    if (seconds <= 0) this.#kept.delete(key)
    else this.#kept.set(key, { tuple, until: now + seconds * 1000, refreshAt: now })
  }

  /** Refreshes what is due. A conntrack that is gone is let go: the way in of the registration stands on its own. */
  async tick(now: number): Promise<void> {
    const due: Kept[] = []
    const operations: ConntrackOperation[] = []
    for (const [key, kept] of this.#kept) {
      if (kept.until <= now) this.#kept.delete(key)
      else if (kept.refreshAt <= now) {
        kept.refreshAt = now + REFRESH_MS
        due.push(kept)
        operations.push({
          kind: 'update-conntrack',
          tuple: kept.tuple,
          timeoutSec: Math.ceil((kept.until - now) / 1000),
        })
      }
    }
    if (operations.length === 0) return
    const results = await this.#batch(operations)
    for (const [i, { errno }] of results.entries()) if (errno === ENOENT) this.#kept.delete(tupleKey(due[i]!.tuple))
  }

  clear(): void {
    this.#kept.clear()
  }
}
