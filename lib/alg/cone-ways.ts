import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import type { Tuple } from '../../types/tuple.js'
import { Path, type PathOwner } from '../call/index.js'

export interface ConeBudgets {
  /** Ways in all. */
  readonly ways: number
  /** Ways to one inside host. */
  readonly waysPerHost: number
}

export interface ConeWaysOptions extends ConeBudgets {
  /** `restricted`: the asked host, from any port; `full`: anybody. */
  readonly filtering: 'restricted' | 'full'
  /** How long a way stays without a new flow before its flows are looked for, milliseconds. */
  readonly lifetimeMs: number
}

/** Why a flow gets no way. */
export type ConeRefusal = 'ways-exhausted' | 'host-ways-exhausted'

/** Peers of one way that are remembered: whose flows tell whether it is still in use. */
const MOST_PEERS = 64
const UDP = 17

/** A way in to one inside endpoint, and the flows that asked for it. */
export class ConeWay implements PathOwner {
  readonly callId = undefined
  readonly key: string
  readonly family: Family
  readonly inside: Endpoint
  readonly path: Path
  readonly peers = new Map<string, Endpoint>()
  /** When to look whether its flows are still there. */
  dueAt = 0

  constructor(key: string, { family, binding, peer }: Flow, isFull: boolean) {
    this.key = key
    this.family = family
    this.inside = binding.inside
    this.path = Path.signalling(family, binding, isFull ? undefined : peer.address, this)
  }

  /** Its flows as conntrack has them, original direction. */
  flows(): Tuple[] {
    return [...this.peers.values()].map((destination) => ({
      family: this.family,
      protocol: UDP,
      source: this.inside,
      destination,
    }))
  }
}

/** Which ways stand for which outbound flows. No I/O, no clock. */
export class ConeWays {
  readonly #options: ConeWaysOptions
  readonly #ways = new Map<string, ConeWay>()
  readonly #perHost = new Map<string, number>()

  constructor(options: ConeWaysOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#ways.size
  }

  all(): ConeWay[] {
    return [...this.#ways.values()]
  }

  /** The way for a flow that begins: one that stands, a new one to be opened, or why there is none. */
  ask(flow: Flow, now: number): { way: ConeWay; isNew: boolean } | ConeRefusal {
    const { filtering, lifetimeMs, ways, waysPerHost } = this.#options
    const { inside, outside } = flow.binding
    const key = `${keyOf(inside)} ${keyOf(outside)}${filtering === 'full' ? '' : ` ${flow.peer.address}`}`
    let way = this.#ways.get(key)
    const isNew = way === undefined
    if (!way) {
      if (this.#ways.size >= ways) return 'ways-exhausted'
      const count = this.#perHost.get(inside.address) ?? 0
      if (count >= waysPerHost) return 'host-ways-exhausted'
      way = new ConeWay(key, flow, filtering === 'full')
      this.#ways.set(key, way)
      this.#perHost.set(inside.address, count + 1)
    }
    const peer = keyOf(flow.peer)
    way.peers.delete(peer)
    way.peers.set(peer, flow.peer)
    if (way.peers.size > MOST_PEERS) way.peers.delete(way.peers.keys().next().value!)
    way.dueAt = now + lifetimeMs
    return { way, isNew }
  }

  /** Ways whose time has come. */
  due(now: number): ConeWay[] {
    return this.all().filter(({ dueAt }) => dueAt <= now)
  }

  /** Of the flows of `way` those in `gone` have ended. False when none is left: the way is forgotten, and is to be shut. */
  keep(way: ConeWay, gone: readonly Tuple[], now: number): boolean {
    for (const { destination } of gone) way.peers.delete(keyOf(destination))
    way.dueAt = now + this.#options.lifetimeMs
    if (way.peers.size > 0) return true
    this.remove(way)
    return false
  }

  remove(way: ConeWay): void {
    if (this.#ways.get(way.key) !== way) return
    this.#ways.delete(way.key)
    const { address } = way.inside
    const count = this.#perHost.get(address)! - 1
    if (count === 0) this.#perHost.delete(address)
    else this.#perHost.set(address, count)
  }
}

const keyOf = ({ address, port }: Endpoint): string => `${address} ${port}`
