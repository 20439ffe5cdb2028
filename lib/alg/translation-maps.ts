import type { ConntrackEntry, ConntrackOperation, Expectation, OperationResult } from '../../types/conntrack.js'
import type { ElementChange, SetElement, Table } from '../../types/nftables.js'
import type { Tuple } from '../../types/tuple.js'
import { CthelperError } from '../base/errors.js'
import { type EntryFilter, isAnchor, maskFor, tupleKey } from '../conntrack/index.js'
import {
  type FlowTranslation,
  type ListedElement,
  type TranslationElement,
  translationElement,
  translationMaps,
  withTranslation,
} from '../nftables/index.js'
import type { PinholeKernel } from './pinholes.js'
import { keyOfAnchor } from './standing.js'

/** What is needed of `Nftables`. */
export interface ElementStore {
  changeElements(family: 'inet', table: string, changes: readonly ElementChange[]): Promise<void>
  listElements(family: 'inet', table: string, set: string): Promise<ListedElement[]>
}

export interface TranslationMapsOptions {
  readonly kernel: PinholeKernel
  readonly store: ElementStore
  /** Name of the table that the maps are in, family inet. */
  readonly table: string
  readonly zone: number
  /** How long an entry stays that nobody renews. */
  readonly leaseSec: number
}

/** What is in a map, or is on its way there. */
interface Entry extends TranslationElement {
  readonly key: string
  /** Expectations that count on it. */
  users: number
}

/** An expectation of ours that is translated by an entry. */
interface Claim {
  readonly anchor: number
  readonly entry: Entry
}

interface Inherited {
  readonly set: string
  readonly element: SetElement
  readonly untilMs: number
}

/** The answers to so many elements that are refused fit a socket's buffer. */
const CHANGES_A_TRANSACTION = 256
/** Somebody flushed the ruleset: our table is put back within milliseconds, elsewhere. */
const TABLE_WAIT_MS = 20
const TABLE_TRIES = 50

/**
 * The kernel's conntrack with the NAT of expectations that name no function of the kernel's (`nat` without `function`): direction 1
 * gives a flow another destination, direction 0 another source, by entries in the maps of `translationTable`. An entry stands before its
 * expectation and goes after it, so that no flow is let in untranslated; its timeout is the lease, renewed with the expectation's. It
 * opens nothing: without an expectation no flow meets it.
 */
export class TranslationMaps implements PinholeKernel {
  readonly #options: TranslationMapsOptions
  readonly #entries = new Map<string, Entry>()
  /** By tuple of the expectation, of which there is one. */
  readonly #claims = new Map<string, Claim>()
  readonly #byAnchor = new Map<number, Set<string>>()
  /** Of a process that was killed, whose expectations last as long. */
  #inherited: ReadonlyMap<string, Inherited> = new Map()
  /** Changes are made in the order in which they were asked for. */
  #work: Promise<void> = Promise.resolve()

  constructor(options: TranslationMapsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  get(tuple: Tuple): Promise<ConntrackEntry | undefined> {
    return this.#options.kernel.get(tuple)
  }

  dump(filter: EntryFilter): Promise<ConntrackEntry[]> {
    return this.#options.kernel.dump(filter)
  }

  /** Executes the operations, entries added before and deleted after. Rejects when the entries cannot be added; then nothing is done. */
  async batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]> {
    const { added, fresh } = this.#claimAll(operations)
    if (added.length > 0) await this.#add(added)
    const results = await this.#options.kernel.batch(operations.map(untranslated))
    await this.#change(this.#releaseAll(operations, results, fresh))
    return results
  }

  /** Notes what the operations will need: what is to be added or renewed, and whose expectations had nothing before. */
  #claimAll(operations: readonly ConntrackOperation[]): { added: ElementChange[]; fresh: Set<Claim> } {
    const { leaseSec } = this.#options
    const added: ElementChange[] = []
    const fresh = new Set<Claim>()
    const claimed = new Set<Entry>()
    for (const operation of operations) {
      if (operation.kind === 'create-expectation') {
        const translation = translationOf(operation.expectation)
        if (!translation) continue
        const { entry } = this.#claim(operation.expectation, translationElement(translation, leaseSec), fresh)
        claimed.add(entry)
        // What is there keeps its timeout, which with a predecessor's may be nearly over.
        const remove = this.#inherited.has(entry.key) ? [entry.element.key] : []
        added.push({ set: entry.set, remove, add: [entry.element] })
      } else if (operation.kind === 'update-expectation') {
        const entry = this.#claims.get(tupleKey(operation.expectation.tuple))?.entry
        if (!entry || claimed.has(entry)) continue
        const { key } = entry.element
        added.push({ set: entry.set, remove: [key], add: [{ ...entry.element, timeoutSec: operation.timeoutSec }] })
      }
    }
    return { added, fresh }
  }

  #claim({ tuple, master }: Expectation, place: TranslationElement, fresh: Set<Claim>): Claim {
    const key = entryKey(place.set.name, place.element.key)
    let entry = this.#entries.get(key)
    // A port that has passed on to another inside end: the later has it.
    if (!entry || entryValue(entry.element) !== entryValue(place.element)) entry = { ...place, key, users: 0 }
    this.#entries.set(key, entry)
    const expected = tupleKey(tuple)
    const anchor = keyOfAnchor(master)
    const before = this.#claims.get(expected)
    if (before?.anchor === anchor && before.entry === entry) return before
    entry.users++
    if (before) this.#leave(before)
    const claim = { anchor, entry }
    fresh.add(claim)
    this.#claims.set(expected, claim)
    const claimed = this.#byAnchor.get(anchor)
    if (claimed) claimed.add(expected)
    else this.#byAnchor.set(anchor, new Set([expected]))
    return claim
  }

  /** True when nobody needs the entry any more. */
  #leave({ entry }: Claim): boolean {
    return --entry.users === 0 && this.#entries.get(entry.key) === entry && this.#entries.delete(entry.key)
  }

  /** What is to be deleted now that the operations are done: of expectations that are gone, or were refused. */
  #releaseAll(
    operations: readonly ConntrackOperation[],
    results: readonly OperationResult[],
    fresh: ReadonlySet<Claim>,
  ): ElementChange[] {
    const gone: ElementChange[] = []
    const made = new Set<string>()
    // From the last on: what is deleted first and made again after it stays.
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i]!
      if (operation.kind === 'create-expectation') {
        const expected = tupleKey(operation.expectation.tuple)
        const claim = this.#claims.get(expected)
        if (results[i]!.errno === 0) made.add(expected)
        else if (claim && fresh.has(claim)) this.#release(expected, claim.anchor, gone)
      } else if (operation.kind === 'delete-expectation') {
        const expected = tupleKey(operation.tuple)
        if (!made.has(expected)) this.#release(expected, undefined, gone)
      } else if (operation.kind === 'delete-conntrack' && isAnchor(operation.tuple)) {
        const anchor = keyOfAnchor(operation.tuple)
        for (const expected of [...(this.#byAnchor.get(anchor) ?? [])]) this.#release(expected, anchor, gone)
        this.#byAnchor.delete(anchor)
      }
    }
    return gone
  }

  /** `anchor`: only if it is still the one that the expectation hangs on. */
  #release(expected: string, anchor: number | undefined, gone: ElementChange[]): void {
    const claim = this.#claims.get(expected)
    if (!claim || (anchor !== undefined && claim.anchor !== anchor)) return
    this.#claims.delete(expected)
    this.#byAnchor.get(claim.anchor)?.delete(expected)
    if (this.#leave(claim)) gone.push({ set: claim.entry.set, remove: [claim.entry.element.key], add: [] })
  }

  /** Adds entries in place of what others, or an earlier owner of a port, left under their keys. */
  async #add(changes: readonly ElementChange[]): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        return await this.#change(changes)
      } catch (error) {
        const { errnoName } = error as CthelperError
        if (errnoName === 'EEXIST') return this.#change(changes.map(replacing))
        if (errnoName !== 'ENOENT' || tries === TABLE_TRIES) throw error
        await new Promise((resolve) => setTimeout(resolve, TABLE_WAIT_MS))
      }
    }
  }

  #change(changes: readonly ElementChange[]): Promise<void> {
    if (changes.length === 0) return Promise.resolve()
    const { store, table } = this.#options
    const done = this.#work.then(async () => {
      for (let from = 0; from < changes.length; from += CHANGES_A_TRANSACTION)
        await store.changeElements('inet', table, changes.slice(from, from + CHANGES_A_TRANSACTION))
    })
    this.#work = done.catch(() => undefined)
    return done
  }

  /** What a process that was killed left in the maps of its table: its expectations stand for the rest of their lease. To be asked before the table is replaced. */
  async inherit(now: number): Promise<void> {
    const { store, table } = this.#options
    const inherited = new Map<string, Inherited>()
    for (const { name: set } of translationMaps) {
      for (const { key, value, expiresSec } of await store.listElements('inet', table, set).catch(noneIfMissing)) {
        if (value === undefined || expiresSec === undefined) continue
        inherited.set(entryKey(set, key), { set, element: { key, value }, untilMs: now + expiresSec * 1000 })
      }
    }
    this.#inherited = inherited
  }

  /** The table with chains and maps, and in them what they shall hold. */
  fill(table: Table, now: number): Table {
    const { zone } = this.#options
    const elements = new Map<string, SetElement[]>(translationMaps.map(({ name }) => [name, []]))
    for (const { set, element } of this.#entries.values()) elements.get(set.name)!.push(element)
    for (const [key, { set, element, untilMs }] of this.#inherited) {
      if (this.#entries.has(key) || untilMs <= now) continue
      elements.get(set)!.push({ ...(element as { key: string[] }), timeoutSec: (untilMs - now) / 1000 })
    }
    return withTranslation(table, { zone, elements })
  }

  /** Adds what came while the table was being put back. */
  async restore(): Promise<void> {
    await this.#add([...this.#entries.values()].map(({ set, element }) => ({ set, remove: [], add: [element] })))
  }
}

const PROTOCOLS = new Map([
  [6, 'tcp'],
  [17, 'udp'],
] as const)

/** What an expectation wants translated by others than the kernel's own function. */
function translationOf({ tuple, mask, nat, function: own }: Expectation): FlowTranslation | undefined {
  const protocol = PROTOCOLS.get(tuple.protocol as 6 | 17)
  if (!nat || own !== undefined || !protocol) return undefined
  const { family, source, destination: to } = tuple
  const common = { family, protocol, to, becomes: nat.to }
  if (nat.direction === 0) return { ...common, way: 'out', from: source }
  const isHost = mask.source.address === maskFor(tuple).source.address
  return { ...common, way: 'in', from: isHost ? source.address : undefined }
}

/** The operation as the kernel gets it. */
function untranslated(operation: ConntrackOperation): ConntrackOperation {
  if (operation.kind !== 'create-expectation' && operation.kind !== 'update-expectation') return operation
  if (!translationOf(operation.expectation)) return operation
  const { nat: _nat, ...expectation } = operation.expectation
  return { ...operation, expectation }
}

const entryKey = (set: string, key: SetElement): string => `${set} ${JSON.stringify(key)}`
const entryValue = ({ value }: TranslationElement['element']): string => JSON.stringify(value)
const replacing = ({ set, add }: ElementChange): ElementChange => ({ set, add, remove: add.map(keyOf) })
const keyOf = (element: SetElement): SetElement =>
  typeof element === 'object' && 'key' in element ? element.key : element

function noneIfMissing(error: unknown): ListedElement[] {
  if (error instanceof CthelperError && error.errnoName === 'ENOENT') return []
  throw error
}
