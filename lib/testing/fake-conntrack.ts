import type {
  ConntrackEntry,
  ConntrackEvent,
  ConntrackOperation,
  Expectation,
  OperationResult,
} from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import { errnoName } from '../base/errors.js'
import { translate } from './fake-nat.js'
import { entryView, expectationView, type FakeEntry, type FakeExpectation, FakeTable } from './fake-table.js'
import { clashes, sameCover, tupleKey } from './tuple-match.js'

/** `struct nf_conntrack_expect_policy`; `maxExpected` 0 is unlimited. */
export interface FakePolicy {
  readonly maxExpected: number
  readonly timeoutSec: number
}

export interface FakeConntrackOptions {
  /** Policies by class, by helper name. Default: the kernel's `sip`. */
  readonly helpers?: Readonly<Record<string, readonly FakePolicy[]>>
  /** Known CTA_EXPECT_FN names; default `sip` and `nat-follow-master`. */
  readonly functions?: readonly string[]
  /** nf_conntrack_expect_max; default 4096. */
  readonly expectMax?: number
}

/** What became of one packet. */
export type PacketResult =
  | { readonly state: 'established' | 'related'; readonly entry: ConntrackEntry; readonly delivered: Tuple }
  /** Neither a known flow nor expected; a firewall that drops new flows would drop it. */
  | { readonly state: 'new' }

type Of<K extends ConntrackOperation['kind']> = Extract<ConntrackOperation, { kind: K }>

const [EPERM, ENOENT, EBUSY, EEXIST, EINVAL, EMFILE, EOPNOTSUPP, EALREADY] = [1, 2, 16, 17, 22, 24, 95, 114] as const

const [EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, DYING, FIXED_TIMEOUT] = [1, 2, 4, 8, 0x200, 0x400] as const
const UNCHANGEABLE = EXPECTED | CONFIRMED | DYING
const UNCLEARABLE = SEEN_REPLY | ASSURED

/** net.netfilter.nf_conntrack_udp_timeout and _stream, seconds. */
const UDP_TIMEOUT = 30
const UDP_STREAM_TIMEOUT = 120

/** sip_exp_policy: signalling, audio, video, image. */
const sipPolicies: readonly FakePolicy[] = [1, 4, 4, 2].map((maxExpected) => ({ maxExpected, timeoutSec: 180 }))

/**
 * The kernel's conntrack and expectation tables, without a kernel: the same operations, errno values, evictions and events, on a
 * clock that the test moves. It knows no rules and no packets but those given to `packet()`.
 *
 * @example
 * const kernel = new FakeConntrack()
 * await kernel.batch([{ kind: 'create-conntrack', conntrack: anchor }, { kind: 'create-expectation', expectation }])
 * kernel.packet(rtp) // { state: 'related', delivered: ... }
 * kernel.advance(181)
 * kernel.expectations() // []
 */
export class FakeConntrack {
  /** Every operation asked for, in order. */
  readonly recorded: ConntrackOperation[] = []
  readonly #table = new FakeTable()
  readonly #listeners = new Set<(event: ConntrackEvent) => void>()
  readonly #helpers: Readonly<Record<string, readonly FakePolicy[]>>
  readonly #functions: readonly string[]
  readonly #expectMax: number
  #now = 0
  #nextId = 1
  #refusals: { fits: (operation: ConntrackOperation) => boolean; errno: number }[] = []

  constructor(options: FakeConntrackOptions = {}) {
    this.#helpers = options.helpers ?? { sip: sipPolicies }
    this.#functions = options.functions ?? ['sip', 'nat-follow-master']
    this.#expectMax = options.expectMax ?? 4096
  }

  /** Executes operations in order; one that is refused does not stop those after it. Never rejects. */
  async batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]> {
    return operations.map((operation) => {
      this.recorded.push(operation)
      const errno = this.#refusal(operation) ?? this.#execute(operation)
      return errno === 0 ? { errno } : { errno, errnoName: errnoName(errno) }
    })
  }

  /** The next operation that fits is refused with `errno` (positive), once. */
  refuseNext(errno: number, fits: (operation: ConntrackOperation) => boolean = () => true): void {
    this.#refusals.push({ fits, errno })
  }

  /** One entry, by the tuple of either direction. */
  get(tuple: Tuple, zone = 0): ConntrackEntry | undefined {
    const entry = this.#table.find(tuple, zone)
    return entry && entryView(entry, this.#now)
  }

  entries(): ConntrackEntry[] {
    return this.#table.entries().map((entry) => entryView(entry, this.#now))
  }

  /** Newest first. */
  expectations(): Expectation[] {
    return this.#table.expectations().map((expectation) => expectationView(expectation, this.#now))
  }

  /** Delivers events, in order, each in a microtask after what caused it. Returns what ends that. */
  onEvent(listener: (event: ConntrackEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Tells listeners that the kernel dropped events (ENOBUFS). */
  overrun(): void {
    this.#emit({ kind: 'overrun' })
  }

  /** Moves the clock, and ends what runs out on the way. */
  advance(seconds: number): void {
    this.#now += seconds
    for (const entry of this.#table.entries()) if (entry.expiresAt <= this.#now) this.#destroy(entry)
    for (const expectation of [...this.#table.expectations()])
      if (expectation.expiresAt <= this.#now) this.#unexpect(expectation)
  }

  /** One packet passes: counts on its flow, or makes the flow that an expectation allows, or is nothing. */
  packet(tuple: Tuple, zone = 0): PacketResult {
    const entry = this.#table.find(tuple, zone)
    if (entry) return this.#established(entry, tuple)
    const expectation = this.#table.findExpectation(tuple, zone)
    if (!expectation) return { state: 'new' }
    const made = this.#relate(expectation, tuple)
    if (!made) return { state: 'new' }
    return { state: 'related', entry: entryView(made, this.#now), delivered: this.#deliver(made, tuple) }
  }

  #refusal(operation: ConntrackOperation): number | undefined {
    const at = this.#refusals.findIndex(({ fits }) => fits(operation))
    return at < 0 ? undefined : this.#refusals.splice(at, 1)[0]!.errno
  }

  #execute(operation: ConntrackOperation): number {
    switch (operation.kind) {
      case 'create-conntrack':
        return this.#createConntrack(operation)
      case 'update-conntrack':
        return this.#updateConntrack(operation)
      case 'delete-conntrack':
        return this.#deleteConntrack(operation)
      case 'create-expectation':
        return this.#createExpectation(operation.expectation)
      case 'update-expectation':
        return this.#updateExpectation(operation)
      case 'delete-expectation':
        return this.#deleteExpectation(operation)
    }
  }

  /** ctnetlink_create_conntrack with NLM_F_EXCL. */
  #createConntrack({ conntrack }: Of<'create-conntrack'>): number {
    const { original, reply, status = CONFIRMED, timeoutSec, mark = 0, zone = 0, helper } = conntrack
    if (this.#table.find(original, zone)) return EEXIST
    if (helper !== undefined && !this.#helpers[helper]) return EOPNOTSUPP
    if (!(status & CONFIRMED) || status & (EXPECTED | DYING)) return EBUSY
    const packets = { original: 0, reply: 0 }
    const expiresAt = this.#now + timeoutSec
    const entry = {
      id: this.#nextId++,
      original,
      reply,
      zone,
      helper,
      master: undefined,
      packets,
      status,
      mark,
      expiresAt,
    }
    if (!this.#table.insert(entry)) return EEXIST
    this.#emit({ kind: 'conntrack-new', entry: entryView(entry, this.#now) })
    return 0
  }

  /** ctnetlink_change_conntrack: timeout, then status, then mark; what came before a refusal stays done. */
  #updateConntrack({ tuple, timeoutSec, status, mark, markMask = 0xffffffff, zone }: Of<'update-conntrack'>): number {
    const entry = this.#table.find(tuple, zone)
    if (!entry) return ENOENT
    if (timeoutSec !== undefined) {
      if (entry.status & FIXED_TIMEOUT) return EPERM
      entry.expiresAt = this.#now + timeoutSec
    }
    if (status !== undefined) {
      const changed = entry.status ^ status
      if (changed & UNCHANGEABLE || changed & UNCLEARABLE & ~status) return EBUSY
      entry.status |= status
    }
    if (mark !== undefined) entry.mark = ((entry.mark & ~markMask) ^ mark) >>> 0
    this.#emit({ kind: 'conntrack-update', entry: entryView(entry, this.#now) })
    return 0
  }

  #deleteConntrack({ tuple, id, zone }: Of<'delete-conntrack'>): number {
    const entry = this.#table.find(tuple, zone)
    if (!entry || (id !== undefined && id !== entry.id)) return ENOENT
    this.#destroy(entry)
    return 0
  }

  /** ctnetlink_new_expect, ctnetlink_create_expect, __nf_ct_expect_check. */
  #createExpectation(spec: Expectation): number {
    const { zone = 0 } = spec
    if (this.#table.findExpectation(spec.tuple, zone)) return EEXIST
    const master = this.#table.find(spec.master, zone)
    if (!master) return ENOENT
    const policies = master.helper === undefined ? undefined : this.#helpers[master.helper]
    if (!policies) return EOPNOTSUPP
    const policy = policies[spec.class]
    if (!policy || (spec.function !== undefined && !this.#functions.includes(spec.function))) return EINVAL
    const refused = this.#checkAgainstStanding(spec, master)
    if (refused) return refused
    this.#evict(master, spec.class, policy)
    if (this.#table.expectations().length >= this.#expectMax) return EMFILE
    const expectation = { id: this.#nextId++, spec, master, expiresAt: this.#now + policy.timeoutSec }
    this.#table.insertExpectation(expectation)
    this.#emit({ kind: 'expectation-new', expectation: expectationView(expectation, this.#now) })
    return 0
  }

  #checkAgainstStanding(spec: Expectation, master: FakeEntry): number {
    for (const standing of this.#table.expectations()) {
      if (standing.master.zone !== master.zone || !clashes(standing.spec, spec)) continue
      const isSame = standing.master === master && sameCover(standing.spec, spec)
      return isSame && standing.spec.class !== spec.class ? EALREADY : EBUSY
    }
    return 0
  }

  /** evict_oldest_expect: a full class makes room, and says nothing. */
  #evict(master: FakeEntry, expectationClass: number, { maxExpected }: FakePolicy): void {
    const siblings = this.#table.siblings(master, expectationClass)
    if (maxExpected > 0 && siblings.length >= maxExpected) this.#unexpect(siblings.at(-1)!)
  }

  #updateExpectation({ expectation, timeoutSec }: Of<'update-expectation'>): number {
    const standing = this.#table.findExpectation(expectation.tuple, expectation.zone)
    if (!standing) return ENOENT
    standing.expiresAt = this.#now + timeoutSec
    return 0
  }

  #deleteExpectation({ tuple, id, zone }: Of<'delete-expectation'>): number {
    const standing = this.#table.findExpectation(tuple, zone)
    if (!standing || (id !== undefined && id !== standing.id)) return ENOENT
    this.#unexpect(standing)
    return 0
  }

  #established(entry: FakeEntry, tuple: Tuple): PacketResult {
    const delivered = this.#deliver(entry, tuple)
    return { state: 'established', entry: entryView(entry, this.#now), delivered }
  }

  /** Counts a packet, renews its flow's timeout, and says with which addresses it goes on. */
  #deliver(entry: FakeEntry, tuple: Tuple): Tuple {
    const isOriginal = tupleKey(tuple) === tupleKey(entry.original)
    entry.packets[isOriginal ? 'original' : 'reply']++
    if (!isOriginal) entry.status |= SEEN_REPLY
    const timeout = entry.status & SEEN_REPLY ? UDP_STREAM_TIMEOUT : UDP_TIMEOUT
    entry.expiresAt = Math.max(entry.expiresAt, this.#now + timeout)
    const other = isOriginal ? entry.reply : entry.original
    return { ...tuple, source: other.destination, destination: other.source }
  }

  /** init_conntrack for an expected packet: the master's mark is inherited, an expectation without PERMANENT is used up. */
  #relate(expectation: FakeExpectation, tuple: Tuple): FakeEntry | undefined {
    const { spec, master } = expectation
    if (!spec.flags?.permanent) this.#unexpect(expectation)
    const entry: FakeEntry = {
      id: this.#nextId++,
      original: tuple,
      reply: translate(tuple, expectation, this.#table.expectations()),
      zone: master.zone,
      helper: undefined,
      master,
      packets: { original: 0, reply: 0 },
      status: EXPECTED | CONFIRMED,
      mark: master.mark,
      expiresAt: this.#now + UDP_TIMEOUT,
    }
    if (!this.#table.insert(entry)) return undefined
    this.#emit({ kind: 'conntrack-new', entry: entryView(entry, this.#now) })
    return entry
  }

  #destroy(entry: FakeEntry): void {
    const orphans = this.#table.remove(entry)
    this.#emit({ kind: 'conntrack-destroy', entry: entryView(entry, this.#now) })
    for (const orphan of orphans) this.#unexpect(orphan)
  }

  #unexpect(expectation: FakeExpectation): void {
    this.#table.removeExpectation(expectation)
    this.#emit({ kind: 'expectation-destroy', expectation: expectationView(expectation, this.#now) })
  }

  #emit(event: ConntrackEvent): void {
    for (const listener of this.#listeners) queueMicrotask(() => listener(event))
  }
}
