import type { Family } from '../../types/endpoint.js'
import type { Binding } from '../../types/flow.js'
import { covers, type Prefix, parsePrefix } from '../base/prefix.js'
import type { Bindings } from './binding.js'
import { Path, type PathOwner } from './media.js'

/** What shall be opened and shut; `Planned` is one. */
export interface WayChanges {
  readonly open: Path[]
  readonly close: Path[]
}

/** A way in for signalling: from one source, any port of it, to one inside endpoint by the outside one that stands for it. */
export class SignallingWay implements PathOwner {
  readonly callId = undefined
  readonly family: Family
  readonly binding: Binding
  /** Address, or network as `net/length`; undefined: anybody. */
  readonly source: string | undefined
  /** Registrations, calls and transactions that need it. */
  holders = 0
  /** Undefined while a wider way serves. */
  path: Path | undefined
  /** The list of a holder that needs this one alone, as nearly all do. */
  readonly alone: readonly SignallingWay[] = [this]

  constructor(family: Family, binding: Binding, source: string | undefined) {
    this.family = family
    this.binding = binding
    this.source = source
  }
}

/** The ways to one binding, by source. */
interface Ways {
  readonly bySource: Map<string | undefined, SignallingWay>
  /** Those from a network, or from anybody: there are as many as the configuration names. */
  readonly wide: SignallingWay[]
}

/**
 * The ways in for signalling, shared by all who need them: a trunk's calls have one between them. The kernel takes no two expectations
 * for one outside endpoint whose sources overlap, so of a wider and a narrower way only the wider one is open.
 */
export class SignallingWays {
  readonly #bindings: Bindings
  readonly #byBinding = new Map<string, Ways>()
  #size = 0

  constructor(bindings: Bindings) {
    this.#bindings = bindings
  }

  get size(): number {
    return this.#size
  }

  /** Holds the way until `release` has been called as often. Its binding is held with it. */
  hold(family: Family, binding: Binding, source: string | undefined, changes: WayChanges): SignallingWay {
    const key = keyOf(binding)
    let ways = this.#byBinding.get(key)
    if (!ways) {
      ways = { bySource: new Map(), wide: [] }
      this.#byBinding.set(key, ways)
    }
    const way = ways.bySource.get(source) ?? this.#add(ways, new SignallingWay(family, binding, source))
    way.holders++
    if (!way.path) settle(ways, way, changes)
    return way
  }

  #add({ bySource, wide }: Ways, way: SignallingWay): SignallingWay {
    bySource.set(way.source, way)
    if (isWide(way)) wide.push(way)
    this.#size++
    this.#bindings.hold(way.binding)
    return way
  }

  release(way: SignallingWay, changes: WayChanges): void {
    if (--way.holders > 0) return
    const key = keyOf(way.binding)
    const ways = this.#byBinding.get(key)
    if (!ways?.bySource.delete(way.source)) return
    this.#size--
    if (ways.bySource.size === 0) this.#byBinding.delete(key)
    if (way.path) shut(way, changes)
    if (isWide(way)) {
      ways.wide.splice(ways.wide.indexOf(way), 1)
      for (const it of ways.bySource.values()) if (!it.path) settle(ways, it, changes)
    }
    this.#bindings.release(way.binding)
  }
}

/** Opens a way, unless a wider one serves; those that it serves in its turn are shut. */
function settle({ bySource, wide }: Ways, way: SignallingWay, changes: WayChanges): void {
  if (wide.some((it) => it !== way && isWider(it, way))) return
  if (isWide(way)) for (const it of bySource.values()) if (it !== way && it.path && isWider(way, it)) shut(it, changes)
  way.path = Path.signalling(way.family, way.binding, way.source, way)
  changes.open.push(way.path)
}

const isWide = ({ source }: SignallingWay): boolean => source === undefined || source.includes('/')

/** One that the same message opened has never stood. */
function shut(way: SignallingWay, { open, close }: WayChanges): void {
  const at = open.indexOf(way.path!)
  if (at >= 0) open.splice(at, 1)
  else close.push(way.path!)
  way.path = undefined
}

function isWider(it: SignallingWay, way: SignallingWay): boolean {
  if (it.source === undefined) return true
  return way.source !== undefined && covers(prefixOf(it.source), prefixOf(way.source))
}

function prefixOf(source: string): Prefix {
  const prefix = parsePrefix(source)
  if (!prefix) throw new Error(`${source} is no prefix`)
  return prefix
}

const keyOf = ({ transport, inside, outside }: Binding): string =>
  `${transport}|${inside.address}|${inside.port}|${outside.address}|${outside.port}`
