/** net/netfilter/nf_conntrack_netlink.c and nf_conntrack_expect.c, as far as the fake kernel goes: operations, clock, packets. */
import type { ConntrackEntry, ConntrackEvent, ConntrackOperation, Expectation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import { translate } from './fake-nat.js'
import { entryView, expectationView, type FakeEntry, type FakeExpectation, FakeTable } from './fake-table.js'
import { clashes, tupleKey } from './tuple-match.js'

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

/** What happens in the kernel; an overrun happens on the way to the listener. */
export type KernelEvent = Exclude<ConntrackEvent, { kind: 'overrun' }>

/** What became of one packet. */
export type PacketResult =
  | { readonly state: 'established' | 'related'; readonly entry: ConntrackEntry; readonly delivered: Tuple }
  /** Neither a known flow nor expected; a firewall that drops new flows would drop it. */
  | { readonly state: 'new' }

type Of<K extends ConntrackOperation['kind']> = Extract<ConntrackOperation, { kind: K }>

const [EPERM, ENOENT, EBUSY, EEXIST, EINVAL, EMFILE, EOPNOTSUPP] = [1, 2, 16, 17, 22, 24, 95] as const

const [EXPECTED, SEEN_REPLY, ASSURED, CONFIRMED, DYING, FIXED_TIMEOUT] = [1, 2, 4, 8, 0x200, 0x400] as const
/** IPS_HELPER: the helper was named, not assigned by port. */
const HELPER = 0x2000
const UNCHANGEABLE = EXPECTED | CONFIRMED | DYING
const UNCLEARABLE = SEEN_REPLY | ASSURED

/** net.netfilter.nf_conntrack_udp_timeout and _stream, seconds. */
const UDP_TIMEOUT = 30
const UDP_STREAM_TIMEOUT = 120

/** sip_exp_policy: signalling, audio, video, image. */
const sipPolicies: readonly FakePolicy[] = [1, 4, 4, 2].map((maxExpected) => ({ maxExpected, timeoutSec: 180 }))

/** The fake's state. Everything is synchronous; `emit` gets each event as it happens. */
export class FakeKernel {
  readonly table = new FakeTable()
  readonly #helpers: Readonly<Record<string, readonly FakePolicy[]>>
  readonly #functions: readonly string[]
  readonly #expectMax: number
  readonly #emit: (event: KernelEvent) => void
  #now = 0
  #nextId = 1

  constructor(options: FakeConntrackOptions, emit: (event: KernelEvent) => void) {
    this.#helpers = options.helpers ?? { sip: sipPolicies }
    this.#functions = options.functions ?? ['sip', 'nat-follow-master']
    this.#expectMax = options.expectMax ?? 4096
    this.#emit = emit
  }

  /** Seconds since the beginning. */
  get now(): number {
    return this.#now
  }

  /** Moves the clock, and ends what runs out on the way. */
  advance(seconds: number): void {
    this.#now += seconds
    for (const entry of this.table.entries()) if (entry.expiresAt <= this.#now) this.#destroy(entry)
    for (const expectation of [...this.table.expectations()])
      if (expectation.expiresAt <= this.#now) this.#unexpect(expectation)
  }

  /** One packet passes: counts on its flow, or makes the flow that an expectation allows, or is nothing. */
  packet(tuple: Tuple, zone = 0): PacketResult {
    const entry = this.table.find(tuple, zone)
    if (entry) return this.#established(entry, tuple)
    const expectation = this.table.findExpectation(tuple, zone)
    if (!expectation) return { state: 'new' }
    const made = this.#relate(expectation, tuple)
    if (!made) return { state: 'new' }
    return { state: 'related', entry: entryView(made, this.#now), delivered: this.#deliver(made, tuple) }
  }

  /** One operation; a positive errno, or 0. */
  execute(operation: ConntrackOperation): number {
    switch (operation.kind) {
      case 'create-conntrack':
        return this.#createConntrack(operation)
      case 'update-conntrack':
        return this.#updateConntrack(operation)
      case 'get-conntrack':
        return this.table.find(operation.tuple, operation.zone) ? 0 : ENOENT
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
    const { original, reply, timeoutSec, mark = 0, zone = 0, helper } = conntrack
    const { status: asked = CONFIRMED } = conntrack
    if (this.table.find(original, zone)) return EEXIST
    if (helper !== undefined && !this.#helpers[helper]) return EOPNOTSUPP
    if (!(asked & CONFIRMED) || asked & (EXPECTED | DYING)) return EBUSY
    const status = helper === undefined ? asked : asked | HELPER
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
    if (!this.table.insert(entry)) return EEXIST
    this.#emit({ kind: 'conntrack-new', entry: entryView(entry, this.#now) })
    return 0
  }

  /** ctnetlink_change_conntrack: timeout, then status, then mark; what came before a refusal stays done. */
  #updateConntrack({ tuple, timeoutSec, status, mark, markMask = 0xffffffff, zone }: Of<'update-conntrack'>): number {
    const entry = this.table.find(tuple, zone)
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
    const entry = this.table.find(tuple, zone)
    if (!entry || (id !== undefined && id !== entry.id)) return ENOENT
    this.#destroy(entry)
    return 0
  }

  /** ctnetlink_new_expect, ctnetlink_create_expect, __nf_ct_expect_check (whose EALREADY ctnetlink's EEXIST forestalls). */
  #createExpectation(spec: Expectation): number {
    const { zone = 0 } = spec
    if (this.table.findExpectation(spec.tuple, zone)) return EEXIST
    const master = this.table.find(spec.master, zone)
    if (!master) return ENOENT
    const policies = master.helper === undefined ? undefined : this.#helpers[master.helper]
    if (!policies) return EOPNOTSUPP
    const policy = policies[spec.class]
    if (!policy || (spec.function !== undefined && !this.#functions.includes(spec.function))) return EINVAL
    if (this.table.expectations().some((other) => other.master.zone === zone && clashes(other.spec, spec))) return EBUSY
    this.#evict(master, spec.class, policy)
    if (this.table.expectations().length >= this.#expectMax) return EMFILE
    const expectation = { id: this.#nextId++, spec, master, expiresAt: this.#now + policy.timeoutSec }
    this.table.insertExpectation(expectation)
    this.#emit({ kind: 'expectation-new', expectation: expectationView(expectation, this.#now) })
    return 0
  }

  /** evict_oldest_expect: a full class makes room, and says nothing. */
  #evict(master: FakeEntry, expectationClass: number, { maxExpected }: FakePolicy): void {
    const siblings = this.table.siblings(master, expectationClass)
    if (maxExpected > 0 && siblings.length >= maxExpected) this.#unexpect(siblings.at(-1)!)
  }

  #updateExpectation({ expectation, timeoutSec }: Of<'update-expectation'>): number {
    const standing = this.table.findExpectation(expectation.tuple, expectation.zone)
    if (!standing) return ENOENT
    standing.expiresAt = this.#now + timeoutSec
    return 0
  }

  #deleteExpectation({ tuple, id, zone }: Of<'delete-expectation'>): number {
    const standing = this.table.findExpectation(tuple, zone)
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
      reply: translate(tuple, expectation, this.table.expectations()),
      zone: master.zone,
      helper: undefined,
      master,
      packets: { original: 0, reply: 0 },
      status: EXPECTED | CONFIRMED,
      mark: master.mark,
      expiresAt: this.#now + UDP_TIMEOUT,
    }
    if (!this.table.insert(entry)) return undefined
    this.#emit({ kind: 'conntrack-new', entry: entryView(entry, this.#now) })
    return entry
  }

  #destroy(entry: FakeEntry): void {
    const orphans = this.table.remove(entry)
    this.#emit({ kind: 'conntrack-destroy', entry: entryView(entry, this.#now) })
    for (const orphan of orphans) this.#unexpect(orphan)
  }

  #unexpect(expectation: FakeExpectation): void {
    this.table.removeExpectation(expectation)
    this.#emit({ kind: 'expectation-destroy', expectation: expectationView(expectation, this.#now) })
  }
}
