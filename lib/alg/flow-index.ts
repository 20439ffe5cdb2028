import type { Tuple } from '../../types/tuple.js'

/**
 * What is found by a flow's original tuple. Keyed by the two ports in one number, as a key of text would cost more than the flow itself;
 * those that share both are told apart by whoever asks.
 */
export class FlowIndex<T> {
  readonly #byPorts = new Map<number, T | T[]>()
  #size = 0

  /** Flows. */
  get size(): number {
    return this.#size
  }

  add(tuple: Tuple, item: T): void {
    const key = keyOf(tuple)
    const known = this.#byPorts.get(key)
    this.#size++
    if (known === undefined) this.#byPorts.set(key, item)
    else this.#byPorts.set(key, Array.isArray(known) ? [...known, item] : [known, item])
  }

  /** Takes out one flow of `item`. */
  remove(tuple: Tuple, item: T): void {
    const key = keyOf(tuple)
    const known = this.#byPorts.get(key)
    if (Array.isArray(known)) {
      const at = known.indexOf(item)
      if (at < 0) return
      const left = known.toSpliced(at, 1)
      this.#byPorts.set(key, left.length === 1 ? left[0]! : left)
    } else if (known === item) this.#byPorts.delete(key)
    else return
    this.#size--
  }

  /** Those that may have the flow. */
  candidates(tuple: Tuple): readonly T[] {
    const known = this.#byPorts.get(keyOf(tuple))
    if (known === undefined) return []
    return Array.isArray(known) ? known : [known]
  }
}

// A whole number of 32 bits is kept in the table itself.
const keyOf = ({ source, destination }: Tuple): number => (source.port << 16) | destination.port
