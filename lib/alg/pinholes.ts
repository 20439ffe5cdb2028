import type { PinholeInfo } from '../../types/call.js'
import type { ConntrackEntry, ConntrackOperation, OperationResult } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'
import { ANCHOR_COUNT, type EntryFilter, isAnchor } from '../conntrack/index.js'
import { AdmittedFlows } from './admitted-flows.js'
import type { Carrier } from './carrier.js'
import type { Translator } from './path-expectations.js'
import { deleteFlow, PathOperations } from './path-operations.js'
import { type Failure, failureOf, isClash, type Refused, refusalIn } from './refused-ways.js'
import { Shadows } from './shadows.js'
import { componentOf, inherits, isTranslated, keyOfAnchor, MappedStanding, Standing } from './standing.js'

/** What the pinholes need of ctnetlink; `Conntrack` and the fake of cthelper/testing have it. */
export interface PinholeKernel {
  batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]>
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
  dump(filter: EntryFilter): Promise<ConntrackEntry[]>
}

export interface PinholesOptions {
  readonly kernel: PinholeKernel
  /** The helper whose policies carry the expectations. */
  readonly carrier: Carrier
  /** Who translates what they let in. With `maps`, `kernel` is `TranslationMaps`. Default `function`. */
  readonly translator?: Translator
  /** How long the kernel keeps a pinhole that nobody renews. */
  readonly leaseSec: number
  /** First anchor number; default random, so that a successor does not meet the anchors of a killed process. */
  readonly firstAnchor?: number
}

const ENOENT = 2
const ATTEMPTS = 64
const CLOSED_MS = 10_000

/**
 * The pinholes in the kernel: one anchor a path, opened and closed by batches of ctnetlink operations, renewed while they stand,
 * given back when both directions have found each other, and put up again when somebody else took them down.
 */
export class Pinholes {
  readonly #options: PinholesOptions
  readonly #byAnchor = new Map<number, Standing>()
  readonly #admitted = new AdmittedFlows()
  /** Anchors closed a moment ago: the news of a flow may come after its path was closed. Value: forget at. */
  readonly #closed = new Map<number, number>()
  readonly #shadows = new Shadows()
  readonly #operations: PathOperations
  readonly #translator: Translator
  readonly #Standing: typeof Standing
  #next: number

  constructor(options: PinholesOptions) {
    this.#options = options
    this.#operations = new PathOperations(options.carrier, options.leaseSec)
    this.#translator = options.translator ?? 'function'
    this.#Standing = this.#translator === 'maps' ? MappedStanding : Standing
    this.#next = options.firstAnchor ?? Math.floor(Math.random() * ANCHOR_COUNT)
  }

  get size(): { pinholes: number; flows: number; settling: number } {
    return { pinholes: this.#byAnchor.size, ...this.#admitted.size }
  }

  /**
   * Shuts `close`, then opens `open`, and resolves when the kernel has acknowledged all. `relocate` moves a path's stream to the
   * next outside ports after a clash and says whether it could; what could not be opened is returned.
   */
  async apply(
    open: readonly Path[],
    close: readonly Path[],
    now: number,
    relocate: (path: Path) => boolean,
  ): Promise<Failure[]> {
    const operations: ConntrackOperation[] = []
    const closed = close.flatMap((path) => this.#standingOf(path) ?? [])
    const opened = open.map((path) => this.#stand(path, now))
    for (const standing of closed) this.#takeDown(standing, opened, now, operations)
    const first = operations.length
    const ends = opened.map((standing) => {
      this.#operations.putUp(standing, operations)
      return operations.length
    })
    if (operations.length === 0) return []
    const results = await this.execute(operations)
    const failures: Failure[] = []
    for (const [index, standing] of opened.entries()) {
      const failed = refusalIn(operations, results, ends[index - 1] ?? first, ends[index]!)
      if (failed) await this.#retry(standing, failed, now, relocate, failures)
    }
    return failures
  }

  /**
   * Executes what other methods returned, and deletes the conntracks found that expectations of ours did not make: a phone may speak
   * while its answer waits here. Only looked for after the expectations stand: every later packet meets these.
   */
  async execute(operations: readonly ConntrackOperation[]): Promise<OperationResult[]> {
    const { kernel } = this.#options
    const results = await kernel.batch(operations)
    const strays = results.flatMap(({ entry }) => (entry && !this.#isOurs(entry) ? entry : []))
    if (strays.length > 0) await kernel.batch(strays.map(({ original, id }) => deleteFlow(original, id)))
    return results
  }

  #isOurs({ master }: ConntrackEntry): boolean {
    return master !== undefined && isAnchor(master) && this.#byAnchor.has(keyOfAnchor(master))
  }

  async #retry(
    refused: Standing,
    refusal: Refused,
    now: number,
    relocate: (path: Path) => boolean,
    failures: Failure[],
  ): Promise<void> {
    const { path } = refused
    let standing = refused
    let failed: Refused | undefined = refusal
    for (let attempt = 0; failed && attempt < ATTEMPTS; attempt++) {
      // While the kernel was asked, the path was closed, or stands anew: it is somebody else's then.
      if (path.kernel !== standing) return
      const operations: ConntrackOperation[] = []
      if (!this.#makeWay(standing, failed, now, relocate, operations)) break
      const first = operations.length
      standing = this.#stand(path, now)
      this.#operations.putUp(standing, operations)
      const results = await this.execute(operations)
      failed = refusalIn(operations, results, first, operations.length)
    }
    if (!failed || path.kernel !== standing) return
    this.#forget(standing, now)
    await this.#options.kernel.batch([{ kind: 'delete-conntrack', tuple: standing.anchor }])
    failures.push(failureOf(path, failed.result))
  }

  /** Takes down what was refused and clears what stood in its way; false when nothing can be done. */
  #makeWay(
    standing: Standing,
    { kind, result, made }: Refused,
    now: number,
    relocate: (path: Path) => boolean,
    operations: ConntrackOperation[],
  ): boolean {
    if (!isClash(result.errno)) return false
    if (kind === 'create-conntrack') {
      // Somebody's anchor, a killed predecessor's most likely, whose calls go on. What has come to hang on it is ours to take off.
      for (const tuple of made) operations.push({ kind: 'delete-expectation', tuple })
      this.#byAnchor.delete(standing.key)
      return true
    }
    const { path, open, anchor } = standing
    if (path.kind === 'signalling') {
      // A predecessor's way in for the same contact, left by a process that was killed: ours takes its place.
      for (const { tuple } of open) operations.push({ kind: 'delete-expectation', tuple })
    } else if (!relocate(path)) return false
    operations.unshift({ kind: 'delete-conntrack', tuple: anchor })
    this.#forget(standing, now)
    return true
  }

  #standingOf(path: Path): Standing | undefined {
    return path.kernel instanceof Standing ? path.kernel : undefined
  }

  #stand(path: Path, now: number): Standing {
    const renewAt = this.#renewAt(now)
    let standing: Standing
    do {
      standing = new this.#Standing(path, this.#next, renewAt)
      this.#next = (this.#next + 1) % ANCHOR_COUNT
    } while (this.#byAnchor.has(standing.key))
    path.kernel = standing
    this.#byAnchor.set(standing.key, standing)
    this.#shadows.note(standing)
    return standing
  }

  /** Appends what shuts a path: its anchor, with it its expectations, and its live flows unless one of `heirs` has them now. */
  #takeDown(standing: Standing, heirs: readonly Standing[], now: number, operations: ConntrackOperation[]): void {
    operations.push({ kind: 'delete-conntrack', tuple: standing.anchor })
    const flows = standing.flows.map((flow) => ({ flow, tuple: standing.tupleOf(flow) }))
    this.#forget(standing, now)
    for (const { flow, tuple } of flows) {
      const heir = heirs.find((it) => inherits(it, standing, tuple))
      if (heir) this.#admitted.admit(heir, tuple, flow.id, now)
      else operations.push(deleteFlow(tuple, flow.id))
    }
  }

  #forget(standing: Standing, now: number): void {
    this.#byAnchor.delete(standing.key)
    this.#shadows.forget(standing)
    this.#closed.set(standing.key, now + CLOSED_MS)
    for (const flow of standing.flows) this.#admitted.dismiss(standing, flow)
    if (standing.path.kernel === standing) standing.path.kernel = undefined
  }

  /** Conntrack admitted an expected flow: notes whose it is. Returns what ends it when its path is closed already. */
  onExpectedFlow(entry: ConntrackEntry, now: number): ConntrackOperation[] {
    if (!entry.master || !isAnchor(entry.master)) return []
    const key = keyOfAnchor(entry.master)
    const standing = this.#byAnchor.get(key)
    if (!standing) return this.#closed.has(key) ? [deleteFlow(entry.original, entry.id)] : []
    if (this.#translator === 'maps' && !isTranslated(standing.path, entry)) return this.#anew(standing, entry)
    if (standing.path.kind === 'media') this.#admitted.admit(standing, entry.original, entry.id, now)
    return []
  }

  /** It was let in while our table was gone, and nobody translated it: its next packet begins it once more. */
  #anew(standing: Standing, { original, id }: ConntrackEntry): ConntrackOperation[] {
    const operations = [deleteFlow(original, id)]
    const { component } = componentOf(standing.path, original)!
    this.#operations.putUpComponent(standing, component, operations)
    return operations
  }

  /**
   * A conntrack is gone. A flow of a standing path leaves room for its successor: the expectations it had been given back for
   * come again. An anchor that nobody of us deleted: everything on it is gone, and the whole path is put up again.
   */
  onDestroyed(original: Tuple, id: number | undefined): ConntrackOperation[] {
    const operations: ConntrackOperation[] = []
    const standing = this.#admitted.standingOf(original)
    if (standing) {
      const flow = standing.flowOf(original)
      if (!flow || (id !== undefined && flow.id !== undefined && (id | 0) !== flow.id)) return operations
      this.#admitted.dismiss(standing, flow)
      const { component } = flow
      if (!standing.isSettled(component)) return operations
      standing.settled &= ~(1 << component)
      this.#operations.putUpComponent(standing, component, operations)
    } else {
      const lost = isAnchor(original) ? this.#byAnchor.get(keyOfAnchor(original)) : undefined
      if (lost) return this.#repair(lost)
    }
    return operations
  }

  /** Whether what an operation would make belongs to a path that still stands; deletions are always wanted. */
  isWanted(operation: ConntrackOperation): boolean {
    if (operation.kind === 'create-conntrack') return this.#byAnchor.has(keyOfAnchor(operation.conntrack.original))
    if (operation.kind === 'create-expectation' || operation.kind === 'update-expectation')
      return this.#byAnchor.has(keyOfAnchor(operation.expectation.master))
    return true
  }

  /** Original tuples of everything that should be in the table: anchors and admitted flows. */
  tuples(): Tuple[] {
    return [...this.#byAnchor.values()].flatMap((it) => [it.anchor, ...it.flows.map((flow) => it.tupleOf(flow))])
  }

  isLive(path: Path): boolean {
    return (this.#standingOf(path)?.flows.length ?? 0) > 0
  }

  /**
   * Renews leases, puts up again what is found gone, gives back the expectations of what has settled, and ends what is in the way of
   * signalling. Call it once a second.
   */
  async tick(now: number): Promise<void> {
    for (const [key, forgetAt] of this.#closed) {
      if (forgetAt > now) break
      this.#closed.delete(key)
    }
    const operations: ConntrackOperation[] = []
    const renewed: { readonly standing: Standing; readonly at: number }[] = []
    for (const standing of this.#byAnchor.values()) {
      if (standing.renewAt * 1000 > now) continue
      renewed.push({ standing, at: operations.length })
      standing.renewAt = this.#renewAt(now)
      this.#operations.renew(standing, operations)
    }
    const { kernel } = this.#options
    operations.push(...(await this.#admitted.settle(now, (tuple) => kernel.get(tuple))))
    operations.push(...(await this.#shadows.look(now, (filter) => kernel.dump(filter))))
    if (operations.length === 0) return
    const results = await kernel.batch(operations)
    const isLost = ({ standing, at }: (typeof renewed)[0]) =>
      results[at]!.errno === ENOENT && standing.path.kernel === standing
    const lost = renewed.filter(isLost)
    if (lost.length > 0) await this.execute(lost.flatMap(({ standing }) => this.#repair(standing)))
  }

  /** What puts a path up again whose anchor is gone. */
  #repair(standing: Standing): ConntrackOperation[] {
    const operations: ConntrackOperation[] = []
    standing.settled = 0
    this.#shadows.note(standing)
    this.#operations.putUp(standing, operations)
    return operations
  }

  /** A third of the lease from now: two more attempts before it runs out. */
  #renewAt(now: number): number {
    return Math.floor(now / 1000 + this.#options.leaseSec / 3)
  }

  list(): PinholeInfo[] {
    return [...this.#byAnchor.values()].map(({ info }) => info)
  }

  /** Those of `paths` that stand. */
  describe(paths: readonly Path[]): PinholeInfo[] {
    return paths.flatMap((path) => this.#standingOf(path)?.info ?? [])
  }
}
