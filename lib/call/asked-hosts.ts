import type { Flow } from '../../types/flow.js'
import { Deadlines, type Timed } from '../base/deadlines.js'
import type { SignallingWay, SignallingWays, WayChanges } from './signalling-ways.js'
import { TRANSACTION_MS } from './transaction.js'

/** Hosts asked at a time: more than wait for an answer at once, and few beside the kernel's table of expectations. */
const MAX_ASKED = 256

/** A host that a flow has asked something, and until when its answer may come. */
class Asked implements Timed {
  deadline = 0
  readonly key: string
  readonly way: SignallingWay

  constructor(key: string, way: SignallingWay) {
    this.key = key
    this.way = way
  }
}

/**
 * The ways in for answers to requests outside calls (OPTIONS, SUBSCRIBE, MESSAGE ...): from any port of the asked host, for as long as a
 * transaction may last after the last request. One for all transactions of a flow, so that a flood of them costs the kernel nothing.
 */
export class AskedHosts {
  readonly #ways: SignallingWays
  readonly #asked = new Map<string, Asked>()
  readonly #deadlines = new Deadlines<Asked>()

  constructor(ways: SignallingWays) {
    this.#ways = ways
  }

  get size(): number {
    return this.#asked.size
  }

  /** A request leaves by the flow. */
  ask(flow: Flow, now: number, changes: WayChanges): void {
    const { binding, peer, family } = flow
    if (binding.transport !== 'udp') return
    const key = keyOf(flow)
    let asked = this.#asked.get(key)
    if (!asked) {
      if (this.#asked.size >= MAX_ASKED) this.#forget(this.#asked.values().next().value!, changes)
      asked = new Asked(key, this.#ways.hold(family, binding, peer.address, changes))
      this.#asked.set(key, asked)
    }
    this.#deadlines.set(asked, now + TRANSACTION_MS)
  }

  /** No answer is due any more. */
  answered(flow: Flow, changes: WayChanges): void {
    const asked = this.#asked.get(keyOf(flow))
    if (asked) this.#forget(asked, changes)
  }

  #forget(asked: Asked, changes: WayChanges): void {
    this.#asked.delete(asked.key)
    this.#deadlines.clear(asked)
    this.#ways.release(asked.way, changes)
  }

  /** Shuts the ways whose time is over. */
  expire(now: number, changes: WayChanges): void {
    for (const asked of this.#deadlines.expire(now)) this.#forget(asked, changes)
  }
}

const keyOf = ({ binding: { inside, outside }, peer }: Flow): string =>
  `${inside.address}|${inside.port}|${outside.port}|${peer.address}`
