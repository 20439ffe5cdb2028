import type { ExpectedFlow, PacketContext } from '../../types/define.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit, Range } from '../../types/range.js'
import { canonicalAddress, familyOf } from '../base/address.js'
import { CthelperError } from '../base/errors.js'
import type { Expected } from './expected-ways.js'

const LAST_PORT = 65_535
const FIRST_UNRESERVED = 1024
const LONGEST_SEC = 86_400

function misuse(operation: string, why: string): never {
  throw new CthelperError('ERR_ARGUMENT', operation, `${operation}: ${why}`)
}

const isWithin = (value: unknown, low: number, high: number): value is number =>
  Number.isInteger(value) && (value as number) >= low && (value as number) <= high

/** One datagram before a helper's author, and what he has said of it. */
export class PacketTurn implements PacketContext {
  readonly way: Way
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  /** Ranges of the payload, in order. */
  readonly edits: Edit[] = []
  isDropped = false
  readonly #flow: Flow
  readonly #length: number
  readonly #ask: (expected: Expected) => Endpoint | undefined
  #isOver = false

  /** `length`: of the payload, bytes. `ask` finds a way, and says at which outside endpoint. */
  constructor(flow: Flow, way: Way, length: number, ask: (expected: Expected) => Endpoint | undefined) {
    this.way = way
    this.inside = flow.binding.inside
    this.outside = flow.binding.outside
    this.peer = flow.peer
    this.#flow = flow
    this.#length = length
    this.#ask = ask
  }

  replace({ start, end }: Range, text: string | Uint8Array): void {
    this.#check('replace')
    const isRange = isWithin(start, 0, this.#length) && isWithin(end, start, this.#length)
    if (!isRange) misuse('replace', `[${start}, ${end}) is not within the payload, [0, ${this.#length})`)
    const at = this.edits.findIndex((edit) => edit.start > start || (edit.start === start && edit.end > end))
    const place = at < 0 ? this.edits.length : at
    const [before, after] = [this.edits[place - 1], this.edits[place]]
    if ((before && before.end > start) || (after && after.start < end))
      misuse('replace', `[${start}, ${end}) meets an earlier range`)
    // Edits are latin1, a character a byte.
    this.edits.splice(place, 0, { start, end, text: Buffer.from(text as string).toString('latin1') })
  }

  drop(): void {
    this.#check('drop')
    this.isDropped = true
  }

  expect({ from, to, lifetimeSec }: ExpectedFlow): Endpoint | undefined {
    this.#check('expect')
    const { port } = from
    const address = from.address === undefined ? undefined : canonicalAddress(from.address)
    if (from.address !== undefined && (address === undefined || familyOf(address) !== this.#flow.family))
      misuse('expect', `${from.address} is no IPv${this.#flow.family} address`)
    if (!isWithin(port, 0, LAST_PORT)) misuse('expect', `${port} is no port`)
    if (address === undefined && port !== 0) misuse('expect', 'a port needs the address that has it')
    if (to !== this.inside.port && !isWithin(to, FIRST_UNRESERVED, LAST_PORT))
      misuse('expect', `${to} is no port from ${FIRST_UNRESERVED}`)
    if (!isWithin(lifetimeSec, 1, LONGEST_SEC)) misuse('expect', `${lifetimeSec} is not 1 to ${LONGEST_SEC} seconds`)
    return this.#ask({ from: { address, port }, to, lifetimeMs: lifetimeSec * 1000 })
  }

  /** From now on everything is too late. */
  end(): void {
    this.#isOver = true
  }

  #check(operation: string): void {
    if (this.#isOver) misuse(operation, 'the datagram is gone: onPacket has returned')
  }
}
