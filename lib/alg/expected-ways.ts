import type { HelperRefusal } from '../../types/define.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Transport } from '../../types/flow.js'
import { type LocalStream, Path, type PathOwner } from '../call/index.js'
import { MediaStreams } from './media-streams.js'

export interface ExpectedBudgets {
  /** Ways in all. */
  readonly pinholes: number
  /** Ways to one inside host. */
  readonly pinholesPerHost: number
}

/** Who may come in to which port of a flow's inside end, address undefined: anybody, port 0: any. */
export interface Expected extends Term {
  readonly from: { readonly address: string | undefined; readonly port: number }
  readonly to: number
  readonly transport: Transport
}

/** A media stream as it is asked for; ports 0: not known yet, or for RTCP none. */
export interface ExpectedStream extends Term {
  readonly from: Endpoint & { readonly rtcpPort: number }
  readonly to: number
  readonly rtcpPort: number
}

/** How long a way stands: so many milliseconds, and as long as the connection. */
interface Term {
  readonly lifetimeMs: number
  readonly connection: object | undefined
}

/** A way that was asked for, and those that make room for it: the kernel takes no two whose sources overlap. */
export interface AskedWay {
  readonly way: ExpectedWay
  readonly isNew: boolean
  readonly replaced: readonly ExpectedWay[]
}

/** Outside ports that are tried for an inside port that is not the flow's own. */
const ATTEMPTS = 64

/** A way that a helper's author asked for. */
export class ExpectedWay implements PathOwner {
  readonly callId = undefined
  readonly path: Path
  /** Milliseconds since the epoch; it is not shut before its connection has ended, either. */
  endsAt: number
  /** The connection for whose time it was asked for last, while that lasts. */
  connection: object | undefined
  /** Until the kernel has acknowledged it. */
  opening: Promise<void> | undefined

  constructor(pathOf: (owner: PathOwner) => Path, endsAt: number, connection: object | undefined) {
    this.path = pathOf(this)
    this.endsAt = endsAt
    this.connection = connection
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
  readonly #streams: MediaStreams
  /** Signalling ways by outside endpoint, media by inside end. */
  readonly #byEnd = new Map<string, ExpectedWay[]>()
  readonly #perHost = new Map<string, number>()
  #size = 0

  /** `mediaPorts` as those of `MediaStreams`. */
  constructor(budgets: ExpectedBudgets, mediaPorts: readonly [number, number] | undefined) {
    this.#budgets = budgets
    this.#streams = new MediaStreams(mediaPorts)
  }

  get size(): number {
    return this.#size
  }

  all(): ExpectedWay[] {
    return [...this.#byEnd.values()].flat()
  }

  due(now: number): ExpectedWay[] {
    return this.all().filter(({ endsAt, connection }) => connection === undefined && endsAt <= now)
  }

  /** A connection has ended: nothing stands for its sake any more. */
  leave(connection: object): void {
    for (const way of this.all()) if (way.connection === connection) way.connection = undefined
  }

  has(way: ExpectedWay): boolean {
    return this.#at(endOf(way.path)).includes(way)
  }

  /** The way for what is expected: one that stands, a new one to be opened, or why there is none. */
  ask(flow: Flow, expected: Expected, now: number): AskedWay | HelperRefusal {
    const { from, to, transport } = expected
    const inside = { address: flow.binding.inside.address, port: to }
    const outside = this.#outsideFor(flow, inside, expected)
    if (!outside) return 'outside-taken'
    const standing = this.#at(keyOf(transport, outside))
    const covering = standing.find((way) => way.covers(from))
    if (covering) return prolonged(covering, expected, now)
    const binding = { transport, inside, outside, implied: undefined }
    const pathOf = (owner: PathOwner) => Path.signalling(flow.family, binding, from.address, owner, from.port)
    const replaced = standing.filter((way) => way.isWithin(from))
    return this.#enter(pathOf, expected, replaced, inside.address, now)
  }

  /** The same for a media stream. What the connection, or anybody, has asked for between these ends makes room. */
  askMedia(flow: Flow, expected: ExpectedStream, now: number): AskedWay | HelperRefusal {
    const { from, to, rtcpPort, connection } = expected
    const stream = this.#streams.at(flow, to, rtcpPort)
    if (!stream) return 'ports-exhausted'
    const far = { address: from.address, port: from.port }
    const farRtcp = rtcpPort === 0 ? undefined : { address: from.address, port: from.rtcpPort }
    const isKnown = from.port !== 0
    const rules = { far, farRtcp, source: 'latch', inbound: true, outbound: isKnown, early: !isKnown } as const
    const pathOf = (owner: PathOwner) => Path.media(stream, { ...rules, owner })
    const standing = this.#at(streamKey(stream))
    const wish = pathOf(NOBODY)
    const same = standing.find(({ path }) => path.isSame(wish))
    if (same) return prolonged(same, expected, now)
    const makesRoom = (way: ExpectedWay) =>
      way.path.far.address === from.address || (connection !== undefined && way.connection === connection)
    const entered = this.#enter(pathOf, expected, standing.filter(makesRoom), stream.inside.address, now)
    if (typeof entered === 'string' && stream.holders === 0) this.#streams.release(stream)
    return entered
  }

  #enter(
    pathOf: (owner: PathOwner) => Path,
    { lifetimeMs, connection }: Term,
    replaced: readonly ExpectedWay[],
    host: string,
    now: number,
  ): AskedWay | HelperRefusal {
    const { pinholes, pinholesPerHost } = this.#budgets
    if (this.#size - replaced.length >= pinholes) return 'pinholes-exhausted'
    const count = this.#perHost.get(host) ?? 0
    if (count - replaced.length >= pinholesPerHost) return 'host-pinholes-exhausted'
    const longest = Math.max(now + lifetimeMs, ...replaced.map((way) => way.endsAt))
    const way = new ExpectedWay(pathOf, longest, connection ?? replaced.find((it) => it.connection)?.connection)
    // First this one, so that a stream never is without.
    this.#add(way)
    for (const it of replaced) this.remove(it)
    return { way, isNew: true, replaced }
  }

  /** As if it had not been asked for; a lifetime that it prolonged stays. */
  takeBack({ way, isNew, replaced }: AskedWay): void {
    if (!isNew) return
    for (const it of replaced) this.#add(it)
    this.remove(way)
  }

  /** As `MediaStreams.relocate` says. */
  relocate(path: Path): boolean {
    return this.#streams.relocate(path)
  }

  /** Where the outside reaches `inside`; undefined when another host's way is there. */
  #outsideFor(flow: Flow, inside: Endpoint, expected: Expected): Endpoint | undefined {
    const { binding } = flow
    if (inside.port === binding.inside.port && expected.transport === binding.transport)
      return this.#isFree(binding.outside, inside, expected) ? binding.outside : undefined
    const { address } = binding.outside
    const isTranslated = address !== inside.address
    for (let port = inside.port; port < inside.port + ATTEMPTS && port <= 65_535; port++) {
      const outside = { address, port }
      if (this.#isFree(outside, inside, expected)) return outside
      if (!isTranslated) break
    }
    return undefined
  }

  #isFree(outside: Endpoint, inside: Endpoint, { from, transport }: Expected): boolean {
    const isOther = ({ path }: ExpectedWay) =>
      path.inside.address !== inside.address || path.inside.port !== inside.port
    return !this.#at(keyOf(transport, outside)).some((way) => isOther(way) && (way.covers(from) || way.isWithin(from)))
  }

  #at(end: string): readonly ExpectedWay[] {
    return this.#byEnd.get(end) ?? []
  }

  #add(way: ExpectedWay): void {
    const { inside, local } = way.path
    const end = endOf(way.path)
    this.#byEnd.set(end, [...this.#at(end), way])
    this.#perHost.set(inside.address, (this.#perHost.get(inside.address) ?? 0) + 1)
    this.#size++
    if (local) this.#streams.hold(local)
  }

  remove(way: ExpectedWay): void {
    if (!this.has(way)) return
    const { inside, local } = way.path
    const end = endOf(way.path)
    const left = this.#at(end).filter((it) => it !== way)
    if (left.length > 0) this.#byEnd.set(end, left)
    else this.#byEnd.delete(end)
    const count = this.#perHost.get(inside.address)! - 1
    if (count > 0) this.#perHost.set(inside.address, count)
    else this.#perHost.delete(inside.address)
    this.#size--
    if (local) this.#streams.release(local)
  }
}

const NOBODY: PathOwner = { callId: undefined }

function prolonged(way: ExpectedWay, { lifetimeMs, connection }: Term, now: number): AskedWay {
  way.endsAt = Math.max(way.endsAt, now + lifetimeMs)
  way.connection = connection ?? way.connection
  return { way, isNew: false, replaced: [] }
}

const keyOf = (transport: Transport, { address, port }: Endpoint): string => `${transport} ${address} ${port}`

const streamKey = ({ inside, insideRtcpPort }: LocalStream): string =>
  `media ${inside.address} ${inside.port} ${insideRtcpPort}`

/** Of media the inside end, as the outside one may move. */
const endOf = ({ local, transport, outside }: Path): string => (local ? streamKey(local) : keyOf(transport, outside))
