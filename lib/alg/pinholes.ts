import type { PinholeInfo, RefusalReason } from '../../types/call.js'
import type {
  ConntrackEntry,
  ConntrackOperation,
  Expectation,
  NewConntrack,
  OperationResult,
} from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'
import { ANCHOR_COUNT, anchorConntrack, isAnchor, tupleKey } from '../conntrack/index.js'
import type { Carrier } from './carrier.js'
import { type ComponentSpec, componentsOf } from './path-expectations.js'

/** What the pinholes need of ctnetlink; `Conntrack` and the fake of cthelper/testing have it. */
export interface PinholeKernel {
  batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]>
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
}

export interface PinholesOptions {
  readonly kernel: PinholeKernel
  /** The helper whose policies carry the expectations. */
  readonly carrier: Carrier
  /** How long the kernel keeps a pinhole that nobody renews. */
  readonly leaseSec: number
  /** First anchor number; default random, so that a successor does not meet the anchors of a killed process. */
  readonly firstAnchor?: number
}

/** A media flow that conntrack admitted through a component. */
interface AdmittedFlow {
  readonly tuple: Tuple
  readonly id: number | undefined
  readonly component: Component
  /** Where the far end really is. */
  readonly far: { readonly address: string; readonly port: number }
}

interface Component {
  readonly spec: ComponentSpec
  /** Both directions have settled on one flow, so the expectations have been given back. */
  isSettled: boolean
}

/** A path as it stands in the kernel: its anchor, and what hangs on it. */
class Standing {
  readonly path: Path
  readonly conntrack: NewConntrack
  readonly key: string
  readonly components: readonly Component[]
  readonly flows = new Map<string, AdmittedFlow>()
  renewAt: number

  constructor(path: Path, conntrack: NewConntrack, renewAt: number) {
    this.path = path
    this.conntrack = conntrack
    this.key = tupleKey(conntrack.original)
    this.components = componentsOf(path, conntrack.original).map((spec) => ({ spec, isSettled: false }))
    this.renewAt = renewAt
  }

  get anchor(): Tuple {
    return this.conntrack.original
  }

  /** Expectations that are not settled. */
  get open(): Expectation[] {
    return this.components.flatMap((it) => (it.isSettled ? [] : [...it.spec.expectations]))
  }
}

/** A way the kernel would not open, and why. */
export interface Failure {
  readonly path: Path
  readonly reason: RefusalReason
  readonly detail: string
}

const [EBUSY, EEXIST, EMFILE, EALREADY] = [16, 17, 24, 114]
const ATTEMPTS = 64
const SETTLE_MS = 1000
const CLOSED_MS = 10_000
const IPS_SEEN_REPLY = 2

const isClash = (errno: number): boolean => errno === EBUSY || errno === EALREADY || errno === EEXIST

/**
 * The pinholes in the kernel: one anchor a path, opened and closed by batches of ctnetlink operations, renewed while they stand,
 * given back when both directions have found each other, and put up again when somebody else took them down.
 */
export class Pinholes {
  readonly #options: PinholesOptions
  readonly #byAnchor = new Map<string, Standing>()
  readonly #byFlow = new Map<string, Standing>()
  /** Anchors closed a moment ago: the news of a flow may come after its path was closed. Value: forget at. */
  readonly #closed = new Map<string, number>()
  readonly #toSettle = new Map<Component, { standing: Standing; flow: AdmittedFlow; at: number; tries: number }>()
  #next: number

  constructor(options: PinholesOptions) {
    this.#options = options
    this.#next = options.firstAnchor ?? Math.floor(Math.random() * ANCHOR_COUNT)
  }

  get size(): { pinholes: number; flows: number; settling: number } {
    return { pinholes: this.#byAnchor.size, flows: this.#byFlow.size, settling: this.#toSettle.size }
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
    const counts = opened.map((standing) => this.#putUp(standing, operations))
    if (operations.length === 0) return []
    const results = await this.#options.kernel.batch(operations)
    const failures: Failure[] = []
    let at = first
    for (const [index, standing] of opened.entries()) {
      const failed = refusalIn(operations, results, at, at + counts[index]!)
      at += counts[index]!
      if (failed) await this.#retry(standing, failed, now, relocate, failures)
    }
    return failures
  }

  async #retry(
    standing: Standing,
    result: OperationResult,
    now: number,
    relocate: (path: Path) => boolean,
    failures: Failure[],
  ): Promise<void> {
    let failed: OperationResult | undefined = result
    let current = standing
    for (let attempt = 0; attempt < ATTEMPTS && failed && isClash(failed.errno); attempt++) {
      const operations: ConntrackOperation[] = [{ kind: 'delete-conntrack', tuple: current.anchor }]
      this.#forget(current, now)
      if (current.path.kind === 'signalling') {
        // A predecessor's way in for the same contact, left by a process that was killed: ours takes its place.
        for (const { tuple } of current.open) operations.push({ kind: 'delete-expectation', tuple })
      } else if (!relocate(current.path)) break
      const first = operations.length
      current = this.#stand(current.path, now)
      this.#putUp(current, operations)
      const results = await this.#options.kernel.batch(operations)
      failed = refusalIn(operations, results, first, operations.length)
    }
    if (!failed) return
    await this.#options.kernel.batch([{ kind: 'delete-conntrack', tuple: current.anchor }])
    this.#forget(current, now)
    failures.push(failureOf(current.path, failed))
  }

  #standingOf(path: Path): Standing | undefined {
    return path.kernel instanceof Standing ? path.kernel : undefined
  }

  #stand(path: Path, now: number): Standing {
    const { carrier, leaseSec: timeoutSec } = this.#options
    const conntrack = anchorConntrack({ family: path.family, n: this.#next, helper: carrier.name, timeoutSec })
    this.#next = (this.#next + 1) % ANCHOR_COUNT
    const standing = new Standing(path, conntrack, now + (timeoutSec * 1000) / 3)
    path.kernel = standing
    this.#byAnchor.set(standing.key, standing)
    return standing
  }

  /** Appends what makes the path's anchor and expectations; returns how many operations. */
  #putUp(standing: Standing, operations: ConntrackOperation[]): number {
    const first = operations.length
    operations.push({ kind: 'create-conntrack', conntrack: standing.conntrack })
    for (const component of standing.components) this.#putUpComponent(standing, component, operations)
    return operations.length - first
  }

  #putUpComponent(standing: Standing, component: Component, operations: ConntrackOperation[]): void {
    const { expectations, flows, far } = component.spec
    const isOnFlow = (flow: AdmittedFlow) => flow.component === component && flow.far.port === far.port
    if (![...standing.flows.values()].some(isOnFlow)) {
      for (const tuple of flows) operations.push({ kind: 'delete-conntrack', tuple })
    }
    for (const expectation of expectations) operations.push({ kind: 'create-expectation', expectation })
    // The kernel collects an anchor up to a minute late; an expectation's own timer is exact, but begins with the policy's value.
    const { carrier, leaseSec } = this.#options
    if (carrier.timeoutSec === leaseSec) return
    for (const expectation of expectations)
      operations.push({ kind: 'update-expectation', expectation, timeoutSec: leaseSec })
  }

  /** Appends what shuts a path: its anchor, with it its expectations, and its live flows unless one of `heirs` has them now. */
  #takeDown(standing: Standing, heirs: readonly Standing[], now: number, operations: ConntrackOperation[]): void {
    operations.push({ kind: 'delete-conntrack', tuple: standing.anchor })
    const flows = [...standing.flows.values()]
    this.#forget(standing, now)
    for (const flow of flows) {
      const heir = heirs.find((it) => inherits(it, flow))
      if (heir) this.#admit(heir, flow.tuple, flow.id, now)
      else operations.push(deleteFlow(flow.tuple, flow.id))
    }
  }

  #forget(standing: Standing, now: number): void {
    this.#byAnchor.delete(standing.key)
    this.#closed.set(standing.key, now + CLOSED_MS)
    for (const [key] of standing.flows) this.#byFlow.delete(key)
    standing.flows.clear()
    for (const component of standing.components) this.#toSettle.delete(component)
    if (standing.path.kernel === standing) standing.path.kernel = undefined
  }

  /** Conntrack admitted an expected flow: notes whose it is. Returns an operation when its path is closed already. */
  onExpectedFlow(entry: ConntrackEntry, now: number): ConntrackOperation | undefined {
    if (!entry.master || !isAnchor(entry.master)) return undefined
    const key = tupleKey(entry.master)
    const standing = this.#byAnchor.get(key)
    if (standing) {
      if (standing.path.kind === 'media') this.#admit(standing, entry.original, entry.id, now)
      return undefined
    }
    return this.#closed.has(key) ? deleteFlow(entry.original, entry.id) : undefined
  }

  #admit(standing: Standing, tuple: Tuple, id: number | undefined, now: number): void {
    const found = componentOf(standing, tuple)
    if (!found) return
    const flow: AdmittedFlow = { tuple, id, component: found.component, far: found.far }
    const key = tupleKey(tuple)
    standing.flows.set(key, flow)
    this.#byFlow.set(key, standing)
    const { far } = found.component.spec
    const isAnnounced = flow.far.address === far.address && flow.far.port === far.port
    if (isAnnounced && standing.path.source !== 'address' && !standing.path.early)
      this.#toSettle.set(found.component, { standing, flow, at: now + SETTLE_MS, tries: 0 })
  }

  /**
   * A conntrack is gone. A flow of a standing path leaves room for its successor: the expectations it had been given back for
   * come again. An anchor that nobody of us deleted: everything on it is gone, and the whole path is put up again.
   */
  onDestroyed(original: Tuple, id: number | undefined): ConntrackOperation[] {
    const key = tupleKey(original)
    const operations: ConntrackOperation[] = []
    const standing = this.#byFlow.get(key)
    if (standing) {
      const flow = standing.flows.get(key)
      if (!flow || (id !== undefined && flow.id !== undefined && id !== flow.id)) return operations
      standing.flows.delete(key)
      this.#byFlow.delete(key)
      this.#toSettle.delete(flow.component)
      if (!flow.component.isSettled) return operations
      flow.component.isSettled = false
      this.#putUpComponent(standing, flow.component, operations)
    } else {
      const lost = this.#byAnchor.get(key)
      if (!lost) return operations
      for (const component of lost.components) component.isSettled = false
      this.#putUp(lost, operations)
    }
    return operations
  }

  /** Original tuples of everything that should be in the table: anchors and admitted flows. */
  tuples(): Tuple[] {
    return [...this.#byAnchor.values()].flatMap((it) => [
      it.anchor,
      ...[...it.flows.values()].map(({ tuple }) => tuple),
    ])
  }

  isLive(path: Path): boolean {
    return (this.#standingOf(path)?.flows.size ?? 0) > 0
  }

  /** Renews leases, and gives back the expectations of what has settled. Call it once a second. */
  async tick(now: number): Promise<void> {
    for (const [key, forgetAt] of this.#closed) {
      if (forgetAt > now) break
      this.#closed.delete(key)
    }
    const operations: ConntrackOperation[] = []
    for (const standing of this.#byAnchor.values()) if (standing.renewAt <= now) this.#renew(standing, now, operations)
    await this.#settle(now, operations)
    if (operations.length > 0) await this.#options.kernel.batch(operations)
  }

  #renew(standing: Standing, now: number, operations: ConntrackOperation[]): void {
    const { leaseSec } = this.#options
    standing.renewAt = now + (leaseSec * 1000) / 3
    operations.push({ kind: 'update-conntrack', tuple: standing.anchor, timeoutSec: leaseSec })
    for (const expectation of standing.open)
      operations.push({ kind: 'update-expectation', expectation, timeoutSec: leaseSec })
  }

  async #settle(now: number, operations: ConntrackOperation[]): Promise<void> {
    for (const [component, due] of this.#toSettle) {
      if (due.at > now) continue
      const entry = await this.#options.kernel.get(due.flow.tuple)
      if (!this.#toSettle.has(component)) continue
      if (entry && (entry.status ?? 0) & IPS_SEEN_REPLY) {
        this.#toSettle.delete(component)
        component.isSettled = true
        for (const { tuple } of component.spec.expectations) operations.push({ kind: 'delete-expectation', tuple })
      } else {
        due.tries++
        due.at = now + SETTLE_MS * Math.min(due.tries + 1, 10)
      }
    }
  }

  list(): PinholeInfo[] {
    return [...this.#byAnchor.values()].map(infoOf)
  }

  /** Those of `paths` that stand. */
  describe(paths: readonly Path[]): PinholeInfo[] {
    return paths.flatMap((path) => this.#standingOf(path) ?? []).map(infoOf)
  }
}

function infoOf({ path, open, flows }: Standing): PinholeInfo {
  return {
    kind: path.kind,
    family: path.family,
    inside: path.inside,
    outside: path.outside,
    far: { address: path.far.address ?? 'any', port: path.far.port },
    expectations: open.length,
    flows: flows.size,
    early: path.early,
    ...(path.owner.callId === undefined ? {} : { callId: path.owner.callId }),
  }
}

/** The first creation in operations[from, to) that the kernel refused; what was to be deleted may well be gone. */
function refusalIn(
  operations: readonly ConntrackOperation[],
  results: readonly OperationResult[],
  from: number,
  to: number,
): OperationResult | undefined {
  for (let i = from; i < to; i++) {
    const isCreation = operations[i]?.kind === 'create-conntrack' || operations[i]?.kind === 'create-expectation'
    if (isCreation && results[i]?.errno !== 0) return results[i]
  }
  return undefined
}

const deleteFlow = (tuple: Tuple, id: number | undefined): ConntrackOperation =>
  id === undefined ? { kind: 'delete-conntrack', tuple } : { kind: 'delete-conntrack', tuple, id }

/** Which component a flow's original tuple belongs to, and where its far end is. */
function componentOf(
  standing: Standing,
  { source, destination }: Tuple,
): { component: Component; far: AdmittedFlow['far'] } | undefined {
  for (const component of standing.components) {
    const { inside, outside } = component.spec
    if (destination.port === outside.port && destination.address === outside.address) return { component, far: source }
    if (source.port === inside.port && source.address === inside.address) return { component, far: destination }
  }
  return undefined
}

/** A path that replaces another keeps its flows where the far end stays the same and the new path would admit it. */
function inherits(heir: Standing, flow: AdmittedFlow): boolean {
  const found = componentOf(heir, flow.tuple)
  if (!found) return false
  const { far } = found.component.spec
  const { source } = heir.path
  const isAddress = far.address === undefined || far.address === flow.far.address
  return isAddress && (source !== 'exact' || far.port === 0 || far.port === flow.far.port)
}

function failureOf(path: Path, { errno, errnoName, kernelMessage }: OperationResult): Failure {
  const where = `${path.outside.address}:${path.outside.port}`
  const reason: RefusalReason =
    errno === EMFILE ? 'expectation-table-full' : isClash(errno) ? 'ports-exhausted' : 'kernel-refused'
  const hint = errno === EMFILE ? ': raise net.netfilter.nf_conntrack_expect_max' : ''
  return {
    path,
    reason,
    detail: `pinhole at ${where}: ${errnoName}${kernelMessage ? ` (${kernelMessage})` : ''}${hint}`,
  }
}
