/** The two tables of the fake kernel: conntrack entries by both their tuples, expectations newest first. */
import type { ConntrackEntry, Expectation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import { covers, tupleKey } from './tuple-match.js'

/** A live entry. `expiresAt` in the fake's own seconds. */
export interface FakeEntry {
  readonly id: number
  readonly original: Tuple
  readonly reply: Tuple
  readonly zone: number
  readonly helper: string | undefined
  readonly master: FakeEntry | undefined
  readonly packets: { original: number; reply: number }
  status: number
  mark: number
  expiresAt: number
}

/** A live expectation, on a live master. */
export interface FakeExpectation {
  readonly id: number
  readonly spec: Expectation
  readonly master: FakeEntry
  expiresAt: number
}

const entryKey = (tuple: Tuple, zone: number): string => `${zone} ${tupleKey(tuple)}`

export class FakeTable {
  readonly #byTuple = new Map<string, FakeEntry>()
  /** Newest first, as hlist_add_head leaves the kernel's buckets. */
  readonly #expectations: FakeExpectation[] = []

  /** nf_conntrack_find_get: the tuple may be that of either direction. */
  find(tuple: Tuple, zone = 0): FakeEntry | undefined {
    return this.#byTuple.get(entryKey(tuple, zone))
  }

  /** False when one of its tuples is taken (nf_conntrack_hash_check_insert). */
  insert(entry: FakeEntry): boolean {
    if (this.find(entry.original, entry.zone) || this.find(entry.reply, entry.zone)) return false
    for (const tuple of [entry.original, entry.reply]) this.#byTuple.set(entryKey(tuple, entry.zone), entry)
    return true
  }

  /** Takes an entry out and returns the expectations that went with it. */
  remove(entry: FakeEntry): FakeExpectation[] {
    for (const tuple of [entry.original, entry.reply]) this.#byTuple.delete(entryKey(tuple, entry.zone))
    const orphans = this.#expectations.filter(({ master }) => master === entry)
    for (const orphan of orphans) this.removeExpectation(orphan)
    return orphans
  }

  entries(): FakeEntry[] {
    return [...new Set(this.#byTuple.values())]
  }

  expectations(): readonly FakeExpectation[] {
    return this.#expectations
  }

  /** __nf_ct_expect_find: the newest expectation that covers the tuple. */
  findExpectation(tuple: Tuple, zone = 0): FakeExpectation | undefined {
    return this.#expectations.find(({ spec, master }) => master.zone === zone && covers(spec, tuple))
  }

  /** Those of one master and class, newest first. */
  siblings(master: FakeEntry, expectationClass: number): FakeExpectation[] {
    return this.#expectations.filter((other) => other.master === master && other.spec.class === expectationClass)
  }

  insertExpectation(expectation: FakeExpectation): void {
    this.#expectations.unshift(expectation)
  }

  removeExpectation(expectation: FakeExpectation): void {
    const at = this.#expectations.indexOf(expectation)
    if (at >= 0) this.#expectations.splice(at, 1)
  }
}

/** An entry as ctnetlink would show it at time `now`. */
export function entryView(entry: FakeEntry, now: number): ConntrackEntry {
  const { id, original, reply, zone, helper, master, packets, status, mark, expiresAt } = entry
  const counter = (count: number) => ({ packets: count, bytes: count * BYTES_PER_PACKET })
  return {
    id,
    original,
    reply,
    status,
    mark,
    timeoutSec: Math.max(0, Math.ceil(expiresAt - now)),
    counters: { original: counter(packets.original), reply: counter(packets.reply) },
    ...(zone ? { zone } : {}),
    ...(helper === undefined ? {} : { helper }),
    ...(master ? { master: master.original } : {}),
  }
}

/** The fake knows packets only; it counts each as one 20 ms PCMU packet of RTP over IPv4. */
const BYTES_PER_PACKET = 200

export function expectationView({ id, spec, master, expiresAt }: FakeExpectation, now: number): Expectation {
  const timeoutSec = Math.max(0, Math.ceil(expiresAt - now))
  return {
    ...spec,
    master: master.original,
    id,
    timeoutSec,
    ...(master.helper === undefined ? {} : { helper: master.helper }),
  }
}
