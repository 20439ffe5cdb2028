import type { ExpectedFlow, ExpectedMedia, HelperWay, MediaWay, StreamContext } from '../../types/define.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit, Range } from '../../types/range.js'
import { canonicalAddress, familyOf } from '../base/address.js'
import { CthelperError } from '../base/errors.js'
import type { Expected, ExpectedStream } from './expected-ways.js'

const LAST_PORT = 65_535
const FIRST_UNRESERVED = 1024
const LONGEST_SEC = 86_400

function misuse(operation: string, why: string): never {
  throw new CthelperError('ERR_ARGUMENT', operation, `${operation}: ${why}`)
}

const isWithin = (value: unknown, low: number, high: number): value is number =>
  Number.isInteger(value) && (value as number) >= low && (value as number) <= high

/** Who finds the ways that are asked for; undefined: there is none to be had. */
export interface WayFinder {
  expect(expected: Expected): HelperWay | undefined
  expectMedia(expected: ExpectedStream): MediaWay | undefined
}

export interface HelperTurnOptions {
  readonly flow: Flow
  readonly way: Way
  /** Of the payload, bytes. */
  readonly length: number
  /** The key of the connection; undefined for a datagram, which has none. */
  readonly connection: object | undefined
  readonly finder: WayFinder
}

/** A replacement whose text may be known only when the ways stand. */
interface Replacement extends Range {
  readonly text: string | (() => string)
}

/** One datagram or message before a helper's author, and what he has said of it. */
export class HelperTurn implements Omit<StreamContext, 'connection'> {
  readonly way: Way
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
  readonly connection: object | undefined
  isDropped = false
  isClosed = false
  readonly #options: HelperTurnOptions
  /** Ranges of the payload, in order. */
  readonly #replacements: Replacement[] = []
  #isOver = false

  constructor(options: HelperTurnOptions) {
    const { flow, way, connection } = options
    this.#options = options
    this.way = way
    this.inside = flow.binding.inside
    this.outside = flow.binding.outside
    this.peer = flow.peer
    this.connection = connection
  }

  replace({ start, end }: Range, text: string | Uint8Array | (() => string)): void {
    this.#check('replace')
    const { length } = this.#options
    const isRange = isWithin(start, 0, length) && isWithin(end, start, length)
    if (!isRange) misuse('replace', `[${start}, ${end}) is not within the payload, [0, ${length})`)
    const edits = this.#replacements
    const at = edits.findIndex((edit) => edit.start > start || (edit.start === start && edit.end > end))
    const place = at < 0 ? edits.length : at
    const [before, after] = [edits[place - 1], edits[place]]
    if ((before && before.end > start) || (after && after.start < end))
      misuse('replace', `[${start}, ${end}) meets an earlier range`)
    edits.splice(place, 0, { start, end, text: typeof text === 'function' ? () => latin1(text()) : latin1(text) })
  }

  /** What was replaced, in order. Throws what an author's function throws. */
  edits(): Edit[] {
    return this.#replacements.map(({ start, end, text }) => {
      return { start, end, text: typeof text === 'string' ? text : text() }
    })
  }

  drop(): void {
    this.#check('drop')
    this.isDropped = true
  }

  close(): void {
    this.#check('close')
    this.isDropped = this.isClosed = true
  }

  expect({ from, to, transport, lifetimeSec }: ExpectedFlow): HelperWay | undefined {
    this.#check('expect')
    const { flow, finder } = this.#options
    const { port } = from
    const address = from.address === undefined ? undefined : this.#address('expect', from.address)
    if (!isWithin(port, 0, LAST_PORT)) misuse('expect', `${port} is no port`)
    if (address === undefined && port !== 0) misuse('expect', 'a port needs the address that has it')
    if (transport !== undefined && transport !== 'udp' && transport !== 'tcp')
      misuse('expect', `${transport} is neither udp nor tcp`)
    const isOwn = to === this.inside.port && (transport ?? flow.binding.transport) === flow.binding.transport
    if (!isOwn) insidePort('expect', to)
    const term = this.#term('expect', lifetimeSec)
    return finder.expect({ from: { address, port }, to, transport: transport ?? flow.binding.transport, ...term })
  }

  expectMedia({ from, to, rtcpPort = 0, lifetimeSec }: ExpectedMedia): MediaWay | undefined {
    this.#check('expectMedia')
    const address = this.#address('expectMedia', from.address)
    const { port } = from
    const farRtcp = from.rtcpPort ?? (port === 0 ? 0 : port + 1)
    for (const it of [port, farRtcp]) if (!isWithin(it, 0, LAST_PORT)) misuse('expectMedia', `${it} is no port`)
    insidePort('expectMedia', to)
    if (rtcpPort !== 0) insidePort('expectMedia', rtcpPort)
    if (rtcpPort === to) misuse('expectMedia', `${to} cannot be both`)
    const term = this.#term('expectMedia', lifetimeSec)
    return this.#options.finder.expectMedia({ from: { address, port, rtcpPort: farRtcp }, to, rtcpPort, ...term })
  }

  /** Without a lifetime it is the connection's. */
  #term(operation: string, lifetimeSec: number | undefined): { lifetimeMs: number; connection: object | undefined } {
    const { connection } = this.#options
    if (lifetimeSec === undefined && connection) return { lifetimeMs: 0, connection }
    if (!isWithin(lifetimeSec, 1, LONGEST_SEC)) misuse(operation, `${lifetimeSec} is not 1 to ${LONGEST_SEC} seconds`)
    return { lifetimeMs: lifetimeSec * 1000, connection: undefined }
  }

  #address(operation: string, text: string): string {
    const { family } = this.#options.flow
    const address = canonicalAddress(text)
    if (address === undefined || familyOf(address) !== family) misuse(operation, `${text} is no IPv${family} address`)
    return address
  }

  /** From now on everything is too late. */
  end(): void {
    this.#isOver = true
  }

  #check(operation: string): void {
    if (this.#isOver) misuse(operation, 'it is gone: the handler has returned')
  }
}

function insidePort(operation: string, port: number): void {
  if (!isWithin(port, FIRST_UNRESERVED, LAST_PORT)) misuse(operation, `${port} is no port from ${FIRST_UNRESERVED}`)
}

/** Edits are latin1, a character a byte. */
const latin1 = (text: string | Uint8Array): string => Buffer.from(text as string).toString('latin1')
