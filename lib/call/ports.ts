/** Ports of one outside address that calls have in use. */
type Taken = Map<number, object>

const FALLBACK: readonly [number, number] = [30000, 39999]
const LOWEST = 1024

export interface PortOptions {
  /** First and last outside port; undefined: the inside port while it is free, else one of `fallback`. */
  readonly range?: readonly [number, number] | undefined
  /** Default 30000 to 39999. */
  readonly fallback?: readonly [number, number]
}

/**
 * Outside media ports by outside address. A lease is a run of `count` ports from one number; RTP with RTCP takes an even pair
 * (RFC 3550 11), unless the inside's own odd port can be kept.
 */
export class Ports {
  readonly #byAddress = new Map<string, Taken>()
  readonly #range: readonly [number, number] | undefined
  readonly #fallback: readonly [number, number]
  #cursor: number

  constructor(options: PortOptions = {}) {
    this.#range = options.range
    this.#fallback = options.fallback ?? FALLBACK
    this.#cursor = even((this.#range ?? this.#fallback)[0])
  }

  get size(): number {
    let size = 0
    for (const taken of this.#byAddress.values()) size += taken.size
    return size
  }

  /** Who leases that port, if anybody. */
  holder(address: string, port: number): object | undefined {
    return this.#byAddress.get(address)?.get(port)
  }

  /**
   * Leases `count` consecutive ports for `holder`: `preferred` when it is free and allowed, the next free ones otherwise.
   * Returns the first port, or 0 when there is none. `refused` names ports that the kernel would not have.
   */
  lease(address: string, preferred: number, count: number, holder: object, refused?: ReadonlySet<number>): number {
    let taken = this.#byAddress.get(address)
    if (!taken) {
      taken = new Map()
      this.#byAddress.set(address, taken)
    }
    const [low, high] = this.#range ?? [LOWEST, 65535]
    const isFit = preferred >= low && preferred + count - 1 <= high && !refused?.has(preferred)
    const port = isFit && isFree(taken, preferred, count) ? preferred : this.#next(taken, count, refused)
    for (let i = 0; port !== 0 && i < count; i++) taken.set(port + i, holder)
    if (taken.size === 0) this.#byAddress.delete(address)
    return port
  }

  release(address: string, port: number, count: number): void {
    const taken = this.#byAddress.get(address)
    if (!taken) return
    for (let i = 0; i < count; i++) taken.delete(port + i)
    if (taken.size === 0) this.#byAddress.delete(address)
  }

  #next(taken: Taken, count: number, refused: ReadonlySet<number> | undefined): number {
    const [low, high] = this.#range ?? this.#fallback
    const first = even(low)
    const step = count + (count & 1)
    const steps = Math.floor((high - first + 1) / 2)
    for (let i = 0; i < steps; i++) {
      if (this.#cursor + count - 1 > high) this.#cursor = first
      const port = this.#cursor
      this.#cursor += isFree(taken, port, count) ? step : 2
      if (!refused?.has(port) && isFree(taken, port, count)) return port
    }
    return 0
  }
}

function isFree(taken: Taken, port: number, count: number): boolean {
  for (let i = 0; i < count; i++) if (taken.has(port + i)) return false
  return true
}

function even(port: number): number {
  return port + (port & 1)
}
