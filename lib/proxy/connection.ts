import type { Socket } from 'node:net'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import { type Cutter, STALLED_MS } from '../base/cutter.js'
import { Half, type MessageJudge } from './half.js'

/** The ends of a proxied connection. */
export interface ConnectionEnds {
  readonly family: Family
  /** Which way its first message goes: `out` when a host inside has made it. */
  readonly way: Way
  /** Who made it. */
  readonly client: Endpoint
  /** Where to. */
  readonly server: Endpoint
  /** The proxy's own end towards the server: the client's address, another port. */
  readonly local: Endpoint
}

/** What a connection's messages are judged by, for as long as it lasts. */
export interface Attendant<Message> extends MessageJudge<Message> {
  close(): void
}

export interface ConnectionOptions<Message> {
  /** What becomes of a connection that is not of the protocol, or breaks it. */
  readonly policy: { readonly foreign: 'accept' | 'drop'; readonly malformed: 'accept' | 'drop' }
  /** Cuts what goes one way. */
  cut(way: Way): Cutter<Message>
  now(): number
  count(reason: string): void
  /** False: the connection is to be closed, as its host holds too many. */
  onHeld(change: number): boolean
  onClosed(): void
}

/** Ends find out that the other is gone by the proxy's own keep-alives, as theirs end here. */
const KEEP_ALIVE_MS = 120_000

const passing: MessageJudge<unknown> = { judge: () => {} }

/** Two sockets and what goes between them. A reset of one is passed on as a reset of the other, a close as a close. */
export class Connection<Message> {
  readonly ends: ConnectionEnds
  readonly #client: Socket
  readonly #server: Socket
  readonly #options: ConnectionOptions<Message>
  readonly #attendant: Attendant<Message> | undefined
  readonly #halves: readonly Half<Message>[]
  #open = 2
  #isPassing = false

  /** Both sockets are connected; without an attendant everything passes as it is. */
  constructor(
    ends: ConnectionEnds,
    client: Socket,
    server: Socket,
    attendant: Attendant<Message> | undefined,
    options: ConnectionOptions<Message>,
  ) {
    this.ends = ends
    this.#client = client
    this.#server = server
    this.#attendant = attendant
    this.#options = options
    const { way } = ends
    this.#halves = [this.#half(client, server, way), this.#half(server, client, way === 'out' ? 'in' : 'out')]
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setKeepAlive(true, KEEP_ALIVE_MS)
      socket.setNoDelay(true)
      socket.on('error', () => reset(other))
      socket.on('close', () => this.#closed())
    }
    if (!attendant) this.pass()
    for (const half of this.#halves) half.start()
  }

  #half(source: Socket, sink: Socket, way: Way): Half<Message> {
    const { cut, now, count, policy, onHeld } = this.#options
    return new Half<Message>({
      source,
      sink,
      way,
      judge: this.#attendant ?? passing,
      stream: cut(way),
      now,
      onOver: ({ kind, reason }) => {
        count(reason)
        if (policy[kind] === 'drop') this.reset()
        else this.pass()
      },
      onReset: () => this.reset(),
      onHeld: (change) => {
        if (onHeld(change)) return
        count('tcp-bytes-exhausted')
        this.reset()
      },
    })
  }

  /** It is not of the protocol, or not any more: from now on everything passes as it is, both ways, and is not looked at. */
  pass(): void {
    if (this.#isPassing) return
    this.#isPassing = true
    for (const half of this.#halves) half.pass()
  }

  /** A message that has begun and does not go on is none. */
  expire(now: number): void {
    const isStalled = this.#halves.some(({ unfinishedAt }) => unfinishedAt !== 0 && now - unfinishedAt > STALLED_MS)
    if (!isStalled || this.#isPassing) return
    this.#options.count('message-unfinished')
    if (this.#options.policy.malformed === 'drop') this.reset()
    else this.pass()
  }

  reset(): void {
    reset(this.#client)
    reset(this.#server)
  }

  /** A socket that closes has ended both ways, and what it said last may still wait; or it has failed, and the other is reset. */
  #closed(): void {
    if (--this.#open > 0) return
    for (const half of this.#halves) half.close()
    this.#attendant?.close()
    this.#options.onClosed()
  }
}

/** Sends RST; a socket that has said its end already is just closed. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return
  if (socket.writableEnded || socket.connecting) socket.destroy()
  else socket.resetAndDestroy()
}
