import type {
  ConntrackEntry,
  ConntrackOperation,
  Expectation,
  OperationResult,
  RawConntrackEvent,
} from '../../types/conntrack.js'
import type { Family } from '../../types/endpoint.js'
import type { NetlinkEvents } from '../../types/netlink.js'
import type { Tuple } from '../../types/tuple.js'
import { errnoName } from '../base/errors.js'
import { type FakeConntrackOptions, FakeKernel, type KernelEvent, type PacketResult } from './fake-kernel.js'
import { entryView, expectationView } from './fake-table.js'

/** The same shape as that of `Conntrack.events`. */
export interface FakeEventsOptions {
  readonly groups: readonly KernelEvent['kind'][]
  readonly filter?: { readonly expectedOnly?: boolean; readonly accept?: (event: RawConntrackEvent) => boolean }
  readonly onEvent: (event: KernelEvent) => void
  readonly onOverrun: () => void
}

/** The same shape as that of `Conntrack.dump`. */
export interface FakeEntryFilter {
  readonly family?: Family
  readonly mark?: number
  readonly markMask?: number
  readonly status?: number
  readonly statusMask?: number
}

/** IPS_EXPECTED. */
const EXPECTED = 1

/**
 * The kernel's conntrack and expectation tables, without a kernel: the same operations, errno values, evictions and events, on a
 * clock that the test moves. Stands in for `Conntrack` wherever `batch`, `get`, `dump` and `events` are what is used. It knows no
 * rules, and no packets but those given to `packet()`.
 *
 * @example
 * const kernel = new FakeConntrack()
 * await kernel.batch([{ kind: 'create-conntrack', conntrack: anchor }, { kind: 'create-expectation', expectation }])
 * kernel.packet(rtp) // { state: 'related', delivered: ... }
 * kernel.advance(181)
 * kernel.expectationList() // []
 */
export class FakeConntrack {
  /** Every operation asked for, in order. */
  readonly recorded: ConntrackOperation[] = []
  readonly #kernel: FakeKernel
  readonly #subscriptions = new Set<FakeEventsOptions>()
  readonly #refusals: { fits: (operation: ConntrackOperation) => boolean; errno: number }[] = []

  constructor(options: FakeConntrackOptions = {}) {
    this.#kernel = new FakeKernel(options, (event) => this.#publish(event))
  }

  /** Executes operations in order; one that is refused does not stop those after it. Never rejects. */
  async batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]> {
    return operations.map((operation) => {
      this.recorded.push(operation)
      const errno = this.#refusal(operation) ?? this.#kernel.execute(operation)
      if (errno !== 0) return { errno, errnoName: errnoName(errno) }
      return operation.kind === 'get-conntrack' ? { errno, entry: this.#find(operation)! } : { errno }
    })
  }

  /** One entry, by the tuple of either direction. */
  async get(tuple: Tuple, zone: { readonly zone?: number } = {}): Promise<ConntrackEntry | undefined> {
    return this.#find({ tuple, ...zone })
  }

  async dump(filter: FakeEntryFilter = {}): Promise<ConntrackEntry[]> {
    const { family, mark, markMask = 0xffffffff, status, statusMask = status } = filter
    return this.entryList().filter(
      (entry) =>
        (family === undefined || entry.original.family === family) &&
        (mark === undefined || ((entry.mark! ^ mark) & markMask) === 0) &&
        (status === undefined || ((entry.status! ^ status) & statusMask!) === 0),
    )
  }

  /** Delivers what happens from now on, in order, each in a microtask after its cause. */
  events(options: FakeEventsOptions): NetlinkEvents {
    this.#subscriptions.add(options)
    return { close: () => void this.#subscriptions.delete(options) }
  }

  /** Does nothing: there is no socket. */
  close(): void {}

  /** The next operation that fits is refused with `errno` (positive), once. */
  refuseNext(errno: number, fits: (operation: ConntrackOperation) => boolean = () => true): void {
    this.#refusals.push({ fits, errno })
  }

  /** Tells subscribers that the kernel dropped events (ENOBUFS). */
  overrun(): void {
    for (const subscription of this.#subscriptions) queueMicrotask(() => subscription.onOverrun())
  }

  /** All entries, now. */
  entryList(): ConntrackEntry[] {
    return this.#kernel.table.entries().map((entry) => entryView(entry, this.#kernel.now))
  }

  /** All expectations, now, newest first. */
  expectationList(): Expectation[] {
    return this.#kernel.table.expectations().map((expectation) => expectationView(expectation, this.#kernel.now))
  }

  /** Moves the clock, and ends what runs out on the way. */
  advance(seconds: number): void {
    this.#kernel.advance(seconds)
  }

  /** One packet passes: counts on its flow, or makes the flow that an expectation allows, or is nothing. */
  packet(tuple: Tuple, zone = 0): PacketResult {
    return this.#kernel.packet(tuple, zone)
  }

  #find({ tuple, zone }: { readonly tuple: Tuple; readonly zone?: number }): ConntrackEntry | undefined {
    const entry = this.#kernel.table.find(tuple, zone)
    return entry && entryView(entry, this.#kernel.now)
  }

  #refusal(operation: ConntrackOperation): number | undefined {
    const at = this.#refusals.findIndex(({ fits }) => fits(operation))
    return at < 0 ? undefined : this.#refusals.splice(at, 1)[0]!.errno
  }

  #publish(event: KernelEvent): void {
    for (const subscription of this.#subscriptions) {
      if (wants(subscription, event)) queueMicrotask(() => subscription.onEvent(event))
    }
  }
}

function wants({ groups, filter }: FakeEventsOptions, event: KernelEvent): boolean {
  if (!groups.includes(event.kind)) return false
  if (!('entry' in event) || !filter) return true
  const { id = 0, status = 0, mark = 0, master } = event.entry
  const raw = { kind: event.kind, id, status, mark, isExpected: master !== undefined || (status & EXPECTED) !== 0 }
  return (!filter.expectedOnly || raw.isExpected) && (filter.accept?.(raw) ?? true)
}
