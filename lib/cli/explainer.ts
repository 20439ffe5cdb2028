import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { SipMessage } from '../../types/sip.js'
import { engineSettings, type Settings, sipLimits } from '../alg/index.js'
import { type CallEvent, Engine, type Path, type Plan } from '../call/index.js'
import { addressFields, scanMessage, sdpBodies } from '../sip/index.js'
import type { Datagram } from './explain-input.js'

export interface World {
  readonly settings: Pick<Settings, 'media' | 'callers' | 'ways' | 'budgets' | 'policy'>
  isInside(address: string): boolean
  /** What the outside sees in an inside address's place; the same where there is no translation. */
  outsideOf(address: string): string
}

/** A way as it is opened or closed. */
export interface ExplainedPath {
  readonly kind: 'media' | 'signalling'
  /** Address undefined: anybody; port 0: any. */
  readonly from: { readonly address: string | undefined; readonly port: number }
  readonly outside: Endpoint
  readonly inside: Endpoint
  readonly hasRtcp: boolean
  readonly source: 'exact' | 'latch' | 'address'
  readonly early: boolean
}

/** What would happen to one datagram. */
export interface Explained {
  readonly datagram: Datagram
  readonly way: Way | undefined
  /** Why it passes without help; the rest is empty then. */
  readonly passedBy: string | undefined
  readonly message: SipMessage | undefined
  readonly edits: readonly Edit[]
  readonly open: readonly ExplainedPath[]
  readonly close: readonly ExplainedPath[]
  readonly events: readonly CallEvent[]
  /** Sentences: why nothing is rewritten, why nothing opens. */
  readonly reasons: readonly string[]
}

/** The engine of `run`, fed with datagrams of a file instead of the kernel's; every way it wants is taken as opened. */
export class Explainer {
  readonly #engine: Engine
  readonly #world: World
  /** Outside ends seen in use, by `address port`. */
  readonly #inside = new Map<string, Endpoint>()

  constructor(world: World) {
    this.#world = world
    this.#engine = new Engine({
      ...engineSettings(world.settings),
      isGateway: (address) => this.#isGateway(address),
    })
  }

  #isGateway(address: string): boolean {
    return !this.#world.isInside(address) && [...this.#outsides].some((it) => it === address)
  }

  readonly #outsides = new Set<string>()

  /** Undefined for a datagram that is not SIP at all. */
  explain(datagram: Datagram): Explained | undefined {
    const { bytes, timeMs } = datagram
    const scan = scanMessage(bytes, 0, bytes.length, sipLimits(this.#world.settings))
    if (scan.state === 'absent') return undefined
    if (scan.state === 'malformed')
      return passedBy(datagram, undefined, `begins as SIP and is malformed: ${scan.reason}`)
    const found = this.#flowOf(datagram)
    if (typeof found === 'string') return passedBy(datagram, scan.value, found)
    const { flow, way } = found
    const message = scan.value
    const expired = this.#engine.expire(timeMs)
    const wasKnown = this.#knows(message)
    const plan = this.#engine.plan(message, flow, way, timeMs)
    const edits = plan.edits()
    return {
      datagram,
      way,
      passedBy: undefined,
      message,
      edits,
      open: plan.open.map(pathOf),
      close: [...expired.close, ...plan.close].map(pathOf),
      events: [...expired.events, ...plan.events],
      reasons: [
        ...rewriteReasons(message, flow, edits),
        ...pinholeReasons(message, way, plan, wasKnown || this.#knows(message)),
      ],
    }
  }

  #knows({ callId }: SipMessage): boolean {
    return this.#engine.calls().some((call) => call.callId === callId)
  }

  /** Which way the datagram crosses the gateway, and between whom; a sentence when it does not. */
  #flowOf({ source, destination }: Datagram): { flow: Flow; way: Way } | string {
    const { isInside } = this.#world
    const [fromInside, toInside] = [isInside(source.address), isInside(destination.address)]
    if (fromInside && toInside) return 'both ends are inside: it does not cross the gateway'
    if (fromInside) return { flow: this.#flow(source, destination), way: 'out' }
    if (toInside) return { flow: this.#flow(destination, source), way: 'in' }
    const behind = this.#inside.get(key(destination))
    if (behind) return { flow: this.#flow(behind, source), way: 'in' }
    if (this.#inside.has(key(source)))
      return 'seen outside, where it is translated already: its inside form is explained above'
    return 'neither end is inside: name inside addresses with --inside'
  }

  #flow(inside: Endpoint, peer: Endpoint): Flow {
    const outside = { address: this.#world.outsideOf(inside.address), port: inside.port }
    this.#inside.set(key(outside), inside)
    this.#outsides.add(outside.address)
    const family: Family = inside.address.includes(':') ? 6 : 4
    return { family, binding: this.#engine.bindingOf(inside, outside), peer }
  }
}

const key = ({ address, port }: Endpoint): string => `${address} ${port}`

function passedBy(datagram: Datagram, message: SipMessage | undefined, why: string): Explained {
  const nothing = { edits: [], open: [], close: [], events: [], reasons: [] }
  return { datagram, way: undefined, passedBy: why, message, ...nothing }
}

const pathOf = ({ kind, far, outside, inside, farRtcp, source, early }: Path): ExplainedPath => ({
  kind,
  from: far,
  outside,
  inside,
  hasRtcp: farRtcp !== undefined,
  source,
  early,
})

function rewriteReasons(message: SipMessage, { binding }: Flow, edits: readonly Edit[]): string[] {
  const problems = message.addressProblems.map(({ header }) => `header ${header} breaks its grammar and is left alone`)
  if (edits.length > 0) return problems
  const { inside, outside } = binding
  if (inside.address === outside.address) return [...problems, 'nothing to rewrite: no address is translated']
  const count = addressFields(message).length
  return [...problems, `nothing to rewrite: none of the ${count} addresses in its headers is one that is translated`]
}

function pinholeReasons(message: SipMessage, way: Way, plan: Plan, isKnown: boolean): string[] {
  if (plan.open.length > 0 || plan.close.length > 0) return []
  const { kind, method } = message
  if (method === 'REGISTER')
    return [
      kind === 'request' ? 'no way opens before the registrar has granted it' : 'the registrar granted nothing of ours',
    ]
  if (!isKnown) return ['no way opens: it belongs to no call that was seen to begin']
  if (sdpBodies(message).length === 0) return ['no way changes: it carries no session description']
  if (plan.events.some((event) => event.kind === 'refused')) return ['no way opens: see what was refused']
  if (way === 'in' && kind === 'request')
    return ['no way opens yet: the answer will name the inside end of the offer from outside']
  return ['no way changes: what its session description names stands already, or may not be opened before the answer']
}
