import type { SetElement } from '../../types/nftables.js'
import type { HeldCall } from '../call/index.js'
import { type MusicStream, musicElements } from '../nftables/index.js'

/** What is needed of `Nftables`. */
export interface MusicMaps {
  replaceElements(family: 'inet', table: string, set: string, elements: readonly SetElement[]): Promise<void>
  deleteElements(family: 'inet', table: string, set: string, elements: readonly SetElement[]): Promise<unknown>
}

export interface MusicOptions {
  readonly maps: MusicMaps
  readonly table: string
  readonly dropsHeld: boolean
  readonly onError: (error: Error) => void
}

/**
 * Keeps the maps that address music on hold in step with the calls that are held. Changes are made one after the other, in the order in
 * which they were asked for; nothing waits for them, as music begins after the hold has been agreed on.
 */
export class Music {
  readonly #options: MusicOptions
  readonly #held = new Map<object, readonly MusicStream[]>()
  /** What is in the maps, by far end: two calls may hold streams to one, and the later has it. */
  #installed = new Map<string, MusicStream>()
  #work = Promise.resolve()

  constructor(options: MusicOptions) {
    this.#options = options
  }

  /** Streams on hold. */
  get size(): number {
    let size = 0
    for (const streams of this.#held.values()) size += streams.length
    return size
  }

  /** What the maps shall hold, for a table that is made anew; from then on they are taken to hold it. */
  reinstalled(): readonly MusicStream[] {
    this.#installed = this.#wanted()
    return [...this.#installed.values()]
  }

  update({ call, streams }: HeldCall): void {
    if (streams.length > 0) this.#held.set(call, streams)
    else if (!this.#held.delete(call)) return
    this.#work = this.#work.then(() => this.#apply()).catch(this.#options.onError)
  }

  /** Resolves when the maps are as the calls are. */
  settled(): Promise<void> {
    return this.#work
  }

  #wanted(): Map<string, MusicStream> {
    const wanted = new Map<string, MusicStream>()
    for (const streams of this.#held.values()) {
      for (const stream of streams) wanted.set(`${stream.far.address} ${stream.far.port}`, stream)
    }
    return wanted
  }

  async #apply(): Promise<void> {
    const wanted = this.#wanted()
    const before = this.#installed
    this.#installed = wanted
    for (const [key, stream] of before) if (!isSame(wanted.get(key), stream)) await this.#remove(stream)
    for (const [key, stream] of wanted) if (!isSame(before.get(key), stream)) await this.#add(stream)
  }

  async #add(stream: MusicStream): Promise<void> {
    const { maps, table, dropsHeld } = this.#options
    for (const { set, element } of musicElements(stream, dropsHeld))
      await maps.replaceElements('inet', table, set, [element])
  }

  async #remove(stream: MusicStream): Promise<void> {
    const { maps, table, dropsHeld } = this.#options
    for (const { set, element } of musicElements(stream, dropsHeld).reverse())
      await maps.deleteElements('inet', table, set, [element.key])
  }
}

function isSame(a: MusicStream | undefined, b: MusicStream): boolean {
  return a?.outside.port === b.outside.port && a.outside.address === b.outside.address
}
