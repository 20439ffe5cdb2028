import type { Endpoint, Family } from '../../types/endpoint.js'
import type { NamedSet, SetElement, Table } from '../../types/nftables.js'
import type { Path } from '../call/index.js'
import { contactSet } from '../proxy/index.js'

/** Adds to, or takes from, a set of our table. */
export type SetChange = (kind: 'add' | 'delete', set: string, elements: readonly SetElement[]) => Promise<unknown>

interface Held {
  readonly family: Family
  readonly inside: Endpoint
  /** Ways, and connections that are followed. */
  users: number
}

/**
 * Inside endpoints that a TCP way in leads to, as elements of the sets by which rules know the connections that are the proxy's, or
 * followed. An endpoint is there as long as one way leads to it, or a connection to it is followed.
 */
export class TcpContacts {
  readonly #held = new Map<string, Held>()
  readonly #onError: (error: Error) => void
  #change: SetChange | undefined

  /** `onError` hears what a set would not take: the message goes on, and new connections to that endpoint pass the proxy by. */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError
  }

  /** There are such sets from now on. */
  serve(change: SetChange): void {
    this.#change = change
  }

  get size(): number {
    return this.#held.size
  }

  /** Follows ways that open and close; resolves when the sets have. */
  async apply(open: readonly Path[], close: readonly Path[]): Promise<void> {
    const added: Held[] = []
    const removed: Held[] = []
    for (const path of close) if (isTcpWay(path)) this.#drop(path, removed)
    for (const path of open) if (isTcpWay(path)) this.#hold(path, added)
    if (added.length + removed.length === 0) return
    for (const family of [4, 6] as const) {
      await this.#send('delete', family, removed)
      await this.#send('add', family, added)
    }
  }

  /**
   * Keeps the endpoint of a connection that came to it for as long as that is followed: the ways may be shut in the midst of a call. Returns
   * what lets go of it; undefined for one that no way leads to.
   */
  keep(inside: Endpoint): (() => void) | undefined {
    const known = this.#held.get(keyOf(inside))
    if (!known) return undefined
    known.users++
    return () => {
      const removed: Held[] = []
      this.#drop({ inside }, removed)
      void this.#send('delete', known.family, removed)
    }
  }

  /** The sets are gone. */
  close(): void {
    this.#change = undefined
  }

  #hold({ family, inside }: Path, added: Held[]): void {
    const key = keyOf(inside)
    const known = this.#held.get(key)
    if (known) known.users++
    else {
      const held: Held = { family, inside, users: 1 }
      this.#held.set(key, held)
      added.push(held)
    }
  }

  #drop({ inside }: Pick<Path, 'inside'>, removed: Held[]): void {
    const key = keyOf(inside)
    const known = this.#held.get(key)
    if (!known || --known.users > 0) return
    this.#held.delete(key)
    removed.push(known)
  }

  async #send(kind: 'add' | 'delete', family: Family, changed: readonly Held[]): Promise<void> {
    const elements = changed.filter((it) => it.family === family).map(elementOf)
    if (elements.length > 0) await this.#change?.(kind, contactSet(family), elements).catch(this.#onError)
  }

  /** The table with what these sets hold now, for when it is installed again. */
  fill(table: Table): Table {
    return { ...table, sets: this.#filled(table.sets ?? []) }
  }

  #filled(sets: readonly NamedSet[]): NamedSet[] {
    return sets.map((set) => {
      const family = ([4, 6] as const).find((it) => contactSet(it) === set.name)
      if (family === undefined) return set
      return { ...set, elements: [...this.#held.values()].filter((it) => it.family === family).map(elementOf) }
    })
  }
}

const isTcpWay = ({ kind, transport }: Path): boolean => kind === 'signalling' && transport === 'tcp'
const keyOf = ({ address, port }: Endpoint): string => `${address} ${port}`
const elementOf = ({ inside }: Held): SetElement => [inside.address, inside.port]
