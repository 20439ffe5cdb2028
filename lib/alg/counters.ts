/** Counts by literal reason: what `counters()` and the metrics show. */
export class Counters {
  readonly #values = new Map<string, number>()

  add(name: string, count = 1): void {
    this.#values.set(name, (this.#values.get(name) ?? 0) + count)
  }

  snapshot(): Record<string, number> {
    return Object.fromEntries(this.#values)
  }
}
