import type { HelperRefusal } from '../../types/define.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import { Path, type PathOwner } from '../call/index.js'

export interface ExpectedBudgets {
  /** Ways in all. */
  readonly pinholes: number
  /** Ways to one inside host. */
  readonly pinholesPerHost: number
}

/** Who may come in to which port of a flow's inside end, address undefined: anybody, port 0: any. */
export interface Expected {
  readonly from: { readonly address: string | undefined; readonly port: number }
  readonly to: number
  readonly lifetimeMs: number
}

/** A way that was asked for, and the narrower ones that make room for it: the kernel takes no two whose sources overlap. */
export interface AskedWay {
  readonly way: ExpectedWay
  readonly isNew: boolean
  readonly replaced: readonly ExpectedWay[]
}

/** Outside ports that are tried for an inside port that is not the flow's own. */
const ATTEMPTS = 64

/** A way in that a helper's author asked for. */
export class ExpectedWay implements PathOwner {
  readonly callId = undefined
  readonly path: Path
  endsAt: number
  /** Until the kernel has acknowledged it. */
  opening: Promise<void> | undefined

  constructor({ family }: Flow, inside: Endpoint, outside: Endpoint, from: Expected['from'], endsAt: number) {
    const binding = { transport: 'udp', inside, outside, implied: undefined } as const
    this.path = Path.signalling(family, binding, from.address, this, from.port)
    this.endsAt = endsAt
  }

  /** Whether it lets in everything that comes from there. */
  covers({ address, port }: Expected['from']): boolean {
    const { far } = this.path
    return far.address === undefined || (far.address === address && (far.port === 0 || far.port === port))
  }

  isWithin({ address, port }: Expected['from']): boolean {
    const { far } = this.path
    return address === undefined || (far.address === address && (port === 0 || far.port === port))
  }
}

/** Which ways stand for a defined helper. No I/O, no clock. */
export class ExpectedWays {
  readonly #budgets: ExpectedBudgets
  readonly #byOutside = new Map<string, ExpectedWay[]>()
  readonly #perHost = new Map<string, number>()
  #size = 0

  constructor(budgets: ExpectedBudgets) {
    this.#budgets = budgets
  }

  get size(): number {
    return this.#size
  }

  all(): ExpectedWay[] {
    return [...this.#byOutside.values()].flat()
  }

  due(now: number): ExpectedWay[] {
    return this.all().filter(({ endsAt }) => endsAt <= now)
  }

  has(way: ExpectedWay): boolean {
    return this.#at(way.path.outside).includes(way)
  }

  /** The way for what is expected: one that stands, a new one to be opened, or why there is none. */
  ask(flow: Flow, expected: Expected, now: number): AskedWay | HelperRefusal {
    const { from, to, lifetimeMs } = expected
    const inside = { address: flow.binding.inside.address, port: to }
    const outside = this.#outsideFor(flow, inside, from)
    if (!outside) return 'outside-taken'
    const endsAt = now + lifetimeMs
    const standing = this.#at(outside)
    const covering = standing.find((way) => way.covers(from))
    if (covering) {
      covering.endsAt = Math.max(covering.endsAt, endsAt)
      return { way: covering, isNew: false, replaced: [] }
    }
    const replaced = standing.filter((way) => way.isWithin(from))
    const { pinholes, pinholesPerHost } = this.#budgets
    if (this.#size - replaced.length >= pinholes) return 'pinholes-exhausted'
    const count = this.#perHost.get(inside.address) ?? 0
    if (count - replaced.length >= pinholesPerHost) return 'host-pinholes-exhausted'
    const longest = Math.max(endsAt, ...replaced.map((way) => way.endsAt))
    const way = new ExpectedWay(flow, inside, outside, from, longest)
    for (const it of replaced) this.remove(it)
    this.#add(way)
    return { way, isNew: true, replaced }
  }

  /** As if it had not been asked for; a lifetime that it prolonged stays. */
  takeBack({ way, isNew, replaced }: AskedWay): void {
    if (!isNew) return
    this.remove(way)
    for (const it of replaced) this.#add(it)
  }

  /** Where the outside reaches `inside`; undefined when another host's way is there. */
  #outsideFor(flow: Flow, inside: Endpoint, from: Expected['from']): Endpoint | undefined {
    const { binding } = flow
    if (inside.port === binding.inside.port)
      return this.#isFree(binding.outside, inside, from) ? binding.outside : undefined
    const { address } = binding.outside
    const isTranslated = address !== inside.address
    for (let port = inside.port; port < inside.port + ATTEMPTS && port <= 65_535; port++) {
      const outside = { address, port }
      if (this.#isFree(outside, inside, from)) return outside
      if (!isTranslated) break
    }
    return undefined
  }

  #isFree(outside: Endpoint, inside: Endpoint, from: Expected['from']): boolean {
    const isOther = ({ path }: ExpectedWay) =>
      path.inside.address !== inside.address || path.inside.port !== inside.port
    return !this.#at(outside).some((way) => isOther(way) && (way.covers(from) || way.isWithin(from)))
  }

  #at(outside: Endpoint): readonly ExpectedWay[] {
    return this.#byOutside.get(keyOf(outside)) ?? []
  }

  #add(way: ExpectedWay): void {
    const { inside, outside } = way.path
    this.#byOutside.set(keyOf(outside), [...this.#at(outside), way])
    this.#perHost.set(inside.address, (this.#perHost.get(inside.address) ?? 0) + 1)
    this.#size++
  }

  remove(way: ExpectedWay): void {
    if (!this.has(way)) return
    const { inside, outside } = way.path
    const left = this.#at(outside).filter((it) => it !== way)
    if (left.length > 0) this.#byOutside.set(keyOf(outside), left)
    else this.#byOutside.delete(keyOf(outside))
    const count = this.#perHost.get(inside.address)! - 1
    if (count > 0) this.#perHost.set(inside.address, count)
    else this.#perHost.delete(inside.address)
    this.#size--
  }
}

const keyOf = ({ address, port }: Endpoint): string => `${address} ${port}`
