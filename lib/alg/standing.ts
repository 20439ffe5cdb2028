import type { PinholeInfo } from '../../types/call.js'
import type { ConntrackEntry, Expectation, NewConntrack } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'
import { anchorConntrack, anchorNumber, anchorTuple } from '../conntrack/index.js'
import { type ComponentSpec, componentsOf, endsOf, protocolOf, type Translator } from './path-expectations.js'

/** A media flow that conntrack admitted through a component. Its original tuple is worked out from the path when needed. */
export interface AdmittedFlow {
  /** CTA_ID as a signed number, which takes no room of its own; undefined when the news did not say. */
  readonly id: number | undefined
  /** Which of the path's components. */
  readonly component: number
  /** Whether the far side spoke first. */
  readonly isInbound: boolean
  /** Where the far end really is. */
  readonly farAddress: string
  readonly farPort: number
}

/**
 * A path as it stands in the kernel: its anchor, and what hangs on it. There are as many as streams, for as long as calls last: what
 * can be worked out from the path is not kept.
 */
export class Standing {
  readonly path: Path
  readonly number: number
  /** Bit n: both directions of component n have settled on one flow, and its expectations have been given back. */
  settled = 0
  flows: readonly AdmittedFlow[] = NO_FLOWS
  /** Seconds since the epoch. */
  renewAt: number

  constructor(path: Path, number: number, renewAt: number) {
    this.path = path
    this.number = number
    this.renewAt = renewAt
  }

  /** Who translates what it lets in; the same for all of a process, and no field of each. */
  get translator(): Translator {
    return 'function'
  }

  get key(): number {
    return keyOf(this.path.family, this.number)
  }

  get anchor(): Tuple {
    return anchorTuple(this.path.family, this.number)
  }

  conntrack(helper: string, timeoutSec: number): NewConntrack {
    const { family, owner } = this.path
    // Flows that an expectation admits have the mark of its master.
    const mark = owner.mark ? { mark: owner.mark } : {}
    return anchorConntrack({ family, n: this.number, helper, timeoutSec, ...mark })
  }

  get components(): ComponentSpec[] {
    return componentsOf(this.path, this.anchor, this.translator)
  }

  isSettled(component: number): boolean {
    return (this.settled & (1 << component)) !== 0
  }

  /** Expectations that are not settled. */
  get open(): Expectation[] {
    return this.components.flatMap((it, index) => (this.isSettled(index) ? [] : it.expectations))
  }

  /** As it is listed. */
  get info(): PinholeInfo {
    const { path, open, flows } = this
    return {
      kind: path.kind,
      transport: path.transport,
      family: path.family,
      inside: path.inside,
      outside: path.outside,
      far: { address: path.far.address ?? 'any', port: path.far.port },
      expectations: open.length,
      flows: flows.length,
      early: path.early,
      ...(path.owner.callId === undefined ? {} : { callId: path.owner.callId }),
    }
  }

  /** The flow that has this original tuple. */
  flowOf(tuple: Tuple): AdmittedFlow | undefined {
    if (this.flows.length === 0) return undefined
    const found = componentOf(this.path, tuple)
    return this.flows.find(
      ({ component, isInbound, farAddress, farPort }) =>
        component === found?.component &&
        isInbound === found.isInbound &&
        farPort === found.far.port &&
        farAddress === found.far.address,
    )
  }

  /** Original tuple of one of its flows. */
  tupleOf({ component, isInbound, farAddress, farPort }: AdmittedFlow): Tuple {
    const { inside, outside } = endsOf(this.path)[component]!
    const far = { address: farAddress, port: farPort }
    const [source, destination] = isInbound ? [far, outside] : [inside, far]
    return { family: this.path.family, protocol: protocolOf(this.path), source, destination }
  }
}

/** One whose flows the maps of our table translate. */
export class MappedStanding extends Standing {
  override get translator(): Translator {
    return 'maps'
  }
}

export const NO_FLOWS: readonly AdmittedFlow[] = []

/** A key of one word for an anchor, as there are as many as streams. */
const keyOf = (family: Family, number: number): number => number * 2 + (family === 6 ? 1 : 0)
export const keyOfAnchor = (tuple: Tuple): number => keyOf(tuple.family, anchorNumber(tuple))

/** Whether a flow that was let in has the ends that the path gives it; one that came while nobody translated has not. */
export function isTranslated(path: Path, { original, reply }: Pick<ConntrackEntry, 'original' | 'reply'>): boolean {
  const found = componentOf(path, original)
  if (!found) return true
  const { inside, outside } = endsOf(path)[found.component]!
  const [end, shall] = found.isInbound ? [reply.source, inside] : [reply.destination, outside]
  return end.address === shall.address && end.port === shall.port
}

/** Which component a flow's original tuple belongs to, where its far end is, and where it was announced. */
export function componentOf(
  path: Path,
  { protocol, source, destination }: Tuple,
): { component: number; isInbound: boolean; far: Endpoint; announced: Path['far'] } | undefined {
  if (protocol !== protocolOf(path)) return undefined
  for (const [component, { inside, outside, far: announced }] of endsOf(path).entries()) {
    const isIn = destination.port === outside.port && destination.address === outside.address
    if (isIn) return { component, isInbound: true, far: source, announced }
    const isOut = source.port === inside.port && source.address === inside.address
    if (isOut) return { component, isInbound: false, far: destination, announced }
  }
  return undefined
}

/** A path that replaces another of its stream keeps its flows where the far end stays the same and the new path would admit it. */
export function inherits({ path }: Standing, from: Standing, flow: Tuple): boolean {
  const found = path.local === from.path.local ? componentOf(path, flow) : undefined
  if (!found) return false
  const { announced, far } = found
  const isAddress = announced.address === undefined || announced.address === far.address
  return isAddress && (path.source !== 'exact' || announced.port === 0 || announced.port === far.port)
}
