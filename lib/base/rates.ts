interface Bucket {
  /** What may be taken at once. */
  left: number
  at: number
}

/** Senders remembered: one that has been silent longest is forgotten, and may then begin afresh. */
const REMEMBERED = 4096

/** A rate a key, on a clock that the caller owns: `perSecond` at once after a second of silence, and `perSecond` a second from then on. */
export class Rates {
  readonly #perSecond: number
  readonly #buckets = new Map<string, Bucket>()

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  get size(): number {
    return this.#buckets.size
  }

  /** Takes one for `key` at `now`, milliseconds; false when there is none left. */
  take(key: string, now: number): boolean {
    let bucket = this.#buckets.get(key)
    if (bucket) {
      bucket.left = Math.min(this.#perSecond, bucket.left + (Math.max(0, now - bucket.at) / 1000) * this.#perSecond)
      bucket.at = now
      this.#buckets.delete(key)
    } else bucket = { left: this.#perSecond, at: now }
    this.#buckets.set(key, bucket)
    if (this.#buckets.size > REMEMBERED) this.#buckets.delete(this.#buckets.keys().next().value!)
    if (bucket.left < 1) return false
    bucket.left--
    return true
  }
}
