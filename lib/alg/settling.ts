import type { ConntrackEntry, ConntrackOperation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import type { AdmittedFlow, Standing } from './standing.js'

const SETTLE_MS = 1000
/** Seconds between two looks at a flow that only one side speaks in, at most. */
const MOST_TRIES = 10
const IPS_SEEN_REPLY = 2

interface Due {
  readonly standing: Standing
  at: number
  tries: number
}

/** Flows just admitted, until both directions have been seen on one: then its component's expectations are given back. */
export class Settling {
  readonly #due = new Map<AdmittedFlow, Due>()

  get size(): number {
    return this.#due.size
  }

  add(flow: AdmittedFlow, standing: Standing, now: number): void {
    this.#due.set(flow, { standing, at: now + SETTLE_MS, tries: 0 })
  }

  remove(flow: AdmittedFlow): void {
    this.#due.delete(flow)
  }

  /** Looks at those that are due; resolves with what gives back the expectations of those that have settled. */
  async look(now: number, get: (tuple: Tuple) => Promise<ConntrackEntry | undefined>): Promise<ConntrackOperation[]> {
    const operations: ConntrackOperation[] = []
    for (const [flow, due] of this.#due) {
      if (due.at > now) continue
      const { standing } = due
      const entry = await get(standing.tupleOf(flow))
      // Gone while the kernel was asked.
      if (!this.#due.has(flow)) continue
      if ((entry?.status ?? 0) & IPS_SEEN_REPLY) {
        this.#due.delete(flow)
        standing.settled |= 1 << flow.component
        for (const { tuple } of standing.components[flow.component]!.expectations)
          operations.push({ kind: 'delete-expectation', tuple })
      } else {
        due.tries++
        due.at = now + SETTLE_MS * Math.min(due.tries + 1, MOST_TRIES)
      }
    }
    return operations
  }
}
