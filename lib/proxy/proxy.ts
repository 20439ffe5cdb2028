import type { Server, Socket } from 'node:net'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import { errnoName } from '../base/errors.js'
import { type Attendant, Connection, type ConnectionEnds, type ConnectionOptions, reset } from './connection.js'
import { Hosts } from './hosts.js'
import { listen, openSocket } from './sockets.js'
import { SourcePorts } from './source-ports.js'

export interface ProxyLimits {
  /** Connections in all, and of one client address. */
  readonly connections: number
  readonly hostConnections: number
  /** Bytes held in memory for the connections of one client address. */
  readonly hostBytes: number
}

export interface ProxyOptions<Message> {
  readonly netns: string | undefined
  readonly families: readonly Family[]
  /** Where rules bring connections that are awaited. */
  readonly port: number
  readonly limits: ProxyLimits
  readonly policy: ConnectionOptions<Message>['policy']
  readonly cut: ConnectionOptions<Message>['cut']
  now(): number
  /** Who judges a connection's messages, once its server has taken it; undefined: nobody, it passes as it is. */
  attend(ends: ConnectionEnds): Promise<Attendant<Message> | undefined>
  count(reason: string): void
  onError(error: Error): void
}

/** Whoever asks for a connection, and where to. */
export type Asked = Omit<ConnectionEnds, 'local'>

/** The server has taken the connection, and the client's is awaited; or why not. */
export type Dialled = { readonly ends: ConnectionEnds } | { readonly reason: string }

/** A connection whose client has not come yet. */
interface Awaited {
  readonly asked: Asked
  /** Asks the server; closed with the proxy. */
  asking?: Socket
  /** Undefined while the server has not answered. */
  server?: { readonly ends: ConnectionEnds; readonly socket: Socket }
  timer?: NodeJS.Timeout
}

/** A phone gives up after 32 s (RFC 3261 17.1.1.2, timer B): a connection that comes later comes too late. */
const CONNECT_MS = 30_000
/** A client whose SYN was answered answers within a round trip; lost, it is said again after 1, 3, 7 s (RFC 6298 2, 5.5). */
const ARRIVE_MS = 10_000
const ATTEMPTS = 8
/**
 * Connections awaited at a time, each way: whoever sends SYNs and no more keeps others of his side from being helped, not from passing, and nobody
 * of the other side.
 */
const MOST_AWAITED = 1000

/**
 * A transparent TCP proxy: what a client asks for is first asked of its server, from the client's own address; when the server has
 * taken it, the client's connection is brought here by rules, and what is said on both is judged message by message. Client and
 * server see each other's addresses.
 */
export class TcpProxy<Message> {
  readonly #options: ProxyOptions<Message>
  readonly #servers: Server[] = []
  readonly #connections = new Set<Connection<Message>>()
  readonly #awaited = new Map<string, Awaited>()
  readonly #awaitedCount: Record<Way, number> = { in: 0, out: 0 }
  readonly #hosts: Hosts
  readonly #ports = new SourcePorts()
  #isClosed = false

  private constructor(options: ProxyOptions<Message>) {
    this.#options = options
    this.#hosts = new Hosts(options.limits)
  }

  /** Throws ERR_IN_USE, ERR_PERMISSION, ERR_KERNEL, and leaves nothing behind then. */
  static async open<Message>(options: ProxyOptions<Message>): Promise<TcpProxy<Message>> {
    const proxy = new TcpProxy(options)
    try {
      for (const family of options.families) await proxy.#listen(family)
    } catch (error) {
      await proxy.close()
      throw error
    }
    return proxy
  }

  async #listen(family: Family): Promise<void> {
    const server = await listen(this.#options.netns, family, this.#options.port)
    this.#servers.push(server)
    server.on('connection', (client) => this.#accept(client))
    server.on('error', (error) => this.#options.onError(error))
  }

  get size(): { connections: number; connecting: number; heldBytes: number } {
    return { connections: this.#connections.size, connecting: this.#awaited.size, heldBytes: this.#hosts.heldBytes }
  }

  /** Whether that connection has been asked for, and its client has not come yet. */
  isAwaited({ client, server }: Asked): boolean {
    return this.#awaited.has(keyOf(client, server))
  }

  /**
   * Asks the server for a connection in the client's name. `onBound` is waited for before, when the proxy's own end is known. When the
   * server has taken it, the client has ten seconds to come; `forget` does not wait for it. Reasons are `tcp-unreachable`
   * (refused, or no answer within 30 s), and what is exhausted: `tcp-dials-`, `tcp-connections-`, `tcp-host-`, `tcp-ports-`,
   * `tcp-descriptors-exhausted`.
   */
  async dial(asked: Asked, onBound?: (ends: ConnectionEnds) => Promise<void>): Promise<Dialled> {
    const { client, server, way } = asked
    const reason = this.#awaitedCount[way] >= MOST_AWAITED ? 'tcp-dials-exhausted' : this.#hosts.add(client.address)
    if (reason) return { reason }
    const awaited: Awaited = { asked }
    this.#awaited.set(keyOf(client, server), awaited)
    this.#awaitedCount[way]++
    try {
      for (let attempts = 1; ; attempts++) {
        const local = { address: client.address, port: this.#ports.take(client.address, client.port) }
        const ends = { ...asked, local }
        const socket = local.port === 0 ? 'EADDRINUSE' : await this.#connect(awaited, ends, onBound)
        if (typeof socket === 'object' && !this.#isClosed) return this.#await(awaited, ends, socket)
        this.#ports.give(local.address, local.port)
        if (typeof socket === 'object') reset(socket)
        const isTaken = socket === 'EADDRINUSE' || socket === 'EADDRNOTAVAIL'
        if (isTaken && attempts < ATTEMPTS && local.port !== 0) continue
        return { reason: reasonOf(socket) }
      }
    } finally {
      if (!awaited.server) this.#forget(awaited)
    }
  }

  #await(awaited: Awaited, ends: ConnectionEnds, socket: Socket): Dialled {
    awaited.server = { ends, socket }
    awaited.timer = setTimeout(() => {
      this.#options.count('tcp-client-gone')
      this.#forget(awaited)
    }, ARRIVE_MS)
    return { ends }
  }

  /** A connected socket, paused; or the name of what the kernel says instead. */
  async #connect(
    awaited: Awaited,
    ends: ConnectionEnds,
    onBound: ((ends: ConnectionEnds) => Promise<void>) | undefined,
  ): Promise<Socket | string> {
    const { family, local, server } = ends
    const socket = openSocket(this.#options.netns, family, local)
    if (typeof socket === 'number') return errnoName(socket)
    await onBound?.(ends)
    if (this.#isClosed) {
      socket.destroy()
      return 'ECANCELED'
    }
    awaited.asking = socket
    return new Promise((resolve) => {
      const timer = setTimeout(() => socket.destroy(), CONNECT_MS)
      const fail = ({ errno = 0 }: NodeJS.ErrnoException) => end(errnoName(-errno))
      const end = (result: Socket | string) => {
        clearTimeout(timer)
        socket.off('error', fail).off('close', gone)
        socket.once('error', () => {})
        resolve(result)
      }
      const gone = () => end('ETIMEDOUT')
      socket.once('error', fail).once('close', gone)
      socket.once('connect', () => {
        socket.pause()
        end(socket)
      })
      socket.connect(server.port, server.address)
    })
  }

  /** The client of an awaited connection will not come: the server is told. */
  forget(ends: ConnectionEnds): void {
    const awaited = this.#awaited.get(keyOf(ends.client, ends.server))
    if (awaited?.server?.ends === ends) this.#forget(awaited)
  }

  #forget(awaited: Awaited): void {
    const { client, server } = awaited.asked
    const { server: dialled, timer } = awaited
    clearTimeout(timer)
    if (this.#awaited.get(keyOf(client, server)) !== awaited) return
    this.#take(awaited)
    this.#hosts.remove(client.address)
    if (!dialled) return void awaited.asking?.destroy()
    this.#ports.give(dialled.ends.local.address, dialled.ends.local.port)
    reset(dialled.socket)
  }

  /** Nobody is awaited there any more. */
  #take({ asked: { client, server, way } }: Awaited): void {
    this.#awaited.delete(keyOf(client, server))
    this.#awaitedCount[way]--
  }

  #accept(client: Socket): void {
    client.once('error', () => {})
    const { remoteAddress, remotePort, localAddress, localPort } = client
    if (remoteAddress === undefined || localAddress === undefined) {
      client.destroy()
      return this.#goneFrom(localAddress ?? '', localPort)
    }
    const key = keyOf({ address: remoteAddress, port: remotePort! }, { address: localAddress, port: localPort! })
    const awaited = this.#awaited.get(key)
    // Somebody of this machine who has found the port.
    if (!awaited?.server) return reset(client)
    clearTimeout(awaited.timer)
    this.#take(awaited)
    this.#options.count('tcp-connections')
    void this.#attend(awaited.server.ends, client, awaited.server.socket)
  }

  /** A client came and is gone again, and the kernel has forgotten who it was: the only one that was to come for that server. */
  #goneFrom(address: string, port: number | undefined): void {
    const [only, another] = [...this.#awaited.values()].filter(
      ({ asked, server }) => server && asked.server.port === port && asked.server.address === address,
    )
    if (only && !another) this.#forget(only)
  }

  async #attend(ends: ConnectionEnds, client: Socket, server: Socket): Promise<void> {
    const { attend, onError, policy, cut, now, count } = this.#options
    const attendant = await attend(ends).catch((error: Error) => void onError(error))
    const { address } = ends.client
    const connection: Connection<Message> = new Connection(ends, client, server, attendant, {
      policy,
      cut,
      now,
      count,
      onHeld: (change) => this.#hosts.hold(address, change),
      onClosed: () => {
        this.#connections.delete(connection)
        this.#hosts.remove(address)
        this.#ports.give(ends.local.address, ends.local.port)
      },
    })
    this.#connections.add(connection)
    if (this.#isClosed) connection.reset()
  }

  /** Call it once a second. */
  tick(): void {
    const now = this.#options.now()
    for (const connection of this.#connections) connection.expire(now)
  }

  connections(): ConnectionEnds[] {
    return [...this.#connections].map(({ ends }) => ends)
  }

  /** Takes no more, and resets what there is. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())))
    this.#isClosed = true
    for (const awaited of [...this.#awaited.values()]) this.#forget(awaited)
    for (const connection of this.#connections) connection.reset()
    await Promise.all(closed)
  }
}

/** Why there is no connection, by what the kernel said. */
function reasonOf(name: unknown): string {
  if (name === 'EADDRINUSE' || name === 'EADDRNOTAVAIL') return 'tcp-ports-exhausted'
  return name === 'EMFILE' || name === 'ENFILE' ? 'tcp-descriptors-exhausted' : 'tcp-unreachable'
}

const keyOf = (client: Endpoint, server: Endpoint): string =>
  `${client.address} ${client.port} ${server.address} ${server.port}`
