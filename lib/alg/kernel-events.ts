import type { ConntrackOperation, RawConntrackEvent } from '../../types/conntrack.js'
import type { NetlinkEvents } from '../../types/netlink.js'
import { OnceMore } from '../base/once-more.js'
import { type Conntrack, IPS_HELPER, type KernelEvent, tupleKey } from '../conntrack/index.js'
import type { FlowSource } from './flows.js'
import type { Pinholes } from './pinholes.js'

export interface KernelEventsOptions {
  readonly conntrack: Conntrack
  readonly flows: FlowSource
  readonly pinholes: Pinholes
  now(): number
  /** Somebody else took down what we had put up, and it stands again. */
  onRepair(what: 'pinholes', count: number): void
  onError(error: Error): void
}

const REPAIR_MS = 20

/**
 * What conntrack says of our flows: media flows that expectations admitted, flows that ended, anchors that somebody deleted. Repairs are
 * collected for a moment, as a `conntrack -F` brings thousands of them.
 */
export class KernelEvents {
  readonly #options: KernelEventsOptions
  readonly #subscription: NetlinkEvents
  #operations: ConntrackOperation[] = []
  #lost = 0
  #timer: NodeJS.Timeout | undefined

  constructor(options: KernelEventsOptions) {
    this.#options = options
    // Reading takes its time where there is much, and more may be lost meanwhile.
    const resync = new OnceMore(() => this.#resync(), options.onError)
    this.#subscription = options.conntrack.events({
      groups: ['conntrack-new', 'conntrack-destroy'],
      filter: { accept: (event) => this.#isWorth(event) },
      onEvent: (event) => this.#take(event),
      onOverrun: () => resync.ask(),
      onError: options.onError,
    })
  }

  /** Before anything is decoded: RELATED flows, anchors (IPS_HELPER), flows whose addresses are remembered. */
  #isWorth(event: RawConntrackEvent): boolean {
    if (event.isExpected) return true
    if (event.kind !== 'conntrack-destroy') return false
    return (event.status & IPS_HELPER) !== 0 || this.#options.flows.knows(event.id)
  }

  #take(event: KernelEvent): void {
    const { pinholes, flows, now } = this.#options
    if (event.kind === 'conntrack-new') {
      this.#collect(pinholes.onExpectedFlow(event.entry, now()))
    } else if (event.kind === 'conntrack-destroy') {
      if (event.entry.id !== undefined) flows.forget(event.entry.id)
      const operations = pinholes.onDestroyed(event.entry.original, event.entry.id)
      if (operations.some((it) => it.kind === 'create-conntrack')) this.#lost++
      this.#collect(operations)
    }
  }

  #collect(operations: readonly ConntrackOperation[]): void {
    if (operations.length === 0) return
    this.#operations.push(...operations)
    this.#timer ??= setTimeout(() => this.#flush(), REPAIR_MS)
  }

  #flush(): void {
    const { pinholes } = this.#options
    // A path may have been closed since: what belonged to it stays down.
    const operations = this.#operations.filter((operation) => pinholes.isWanted(operation))
    const lost = this.#lost
    this.#operations = []
    this.#lost = 0
    this.#timer = undefined
    const told = () => {
      if (lost > 0) this.#options.onRepair('pinholes', lost)
    }
    pinholes.execute(operations).then(told).catch(this.#options.onError)
  }

  /** Events were lost: the table itself says what is there. */
  async #resync(): Promise<void> {
    const { conntrack, pinholes, flows, now } = this.#options
    flows.clear()
    // What comes while it is read may not be in it.
    const expected = pinholes.tuples()
    const present = new Set<string>()
    for (const entry of await conntrack.dump()) {
      present.add(tupleKey(entry.original))
      if (entry.master) this.#collect(pinholes.onExpectedFlow(entry, now()))
    }
    for (const tuple of expected) {
      if (!present.has(tupleKey(tuple))) this.#collect(pinholes.onDestroyed(tuple, undefined))
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#subscription.close()
  }
}
