import type { Server, Socket } from 'node:net'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import { CthelperError, errnoName } from '../base/errors.js'
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
  /** Where rules bring connections from inside; those from outside come to the next port. */
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

/** A phone gives up after 32 s (RFC 3261 17.1.1.2, timer B): a connection that comes later comes too late. */
const CONNECT_MS = 30_000
const ATTEMPTS = 8

/**
 * A transparent TCP proxy: connections that rules bring to it are made anew from the client's own address, and what is said on them is
 * judged message by message. Client and server see each other's addresses.
 */
export class TcpProxy<Message> {
  readonly #options: ProxyOptions<Message>
  readonly #servers: Server[] = []
  readonly #connections = new Set<Connection<Message>>()
  /** Clients whose server has not answered yet. */
  readonly #connecting = new Set<Socket>()
  readonly #hosts: Hosts
  readonly #ports = new SourcePorts()

  private constructor(options: ProxyOptions<Message>) {
    this.#options = options
    this.#hosts = new Hosts(options.limits)
  }

  /** Throws ERR_IN_USE, ERR_PERMISSION, ERR_KERNEL, and leaves nothing behind then. */
  static async open<Message>(options: ProxyOptions<Message>): Promise<TcpProxy<Message>> {
    const proxy = new TcpProxy(options)
    try {
      for (const family of options.families) {
        await proxy.#listen(family, 'out', options.port)
        await proxy.#listen(family, 'in', options.port + 1)
      }
    } catch (error) {
      await proxy.close()
      throw error
    }
    return proxy
  }

  async #listen(family: Family, way: Way, port: number): Promise<void> {
    const server = await listen(this.#options.netns, family, port)
    this.#servers.push(server)
    server.on('connection', (client) => this.#accept(client, family, way, port))
    server.on('error', (error) => this.#options.onError(error))
  }

  get size(): { connections: number; connecting: number; heldBytes: number } {
    return { connections: this.#connections.size, connecting: this.#connecting.size, heldBytes: this.#hosts.heldBytes }
  }

  #accept(client: Socket, family: Family, way: Way, port: number): void {
    const { count } = this.#options
    const [address, server] = [client.remoteAddress, client.localAddress]
    // Gone again, or somebody of this machine who has found the port.
    if (address === undefined || server === undefined || client.localPort === port) return reset(client)
    const reason = this.#hosts.add(address)
    if (reason) {
      count(reason)
      return reset(client)
    }
    count('tcp-connections')
    this.#connecting.add(client)
    const from = { address, port: client.remotePort! }
    const to = { address: server, port: client.localPort! }
    client.once('error', () => {})
    this.#connect({ family, way, client: from, server: to }, client, ATTEMPTS)
  }

  #connect(ends: Omit<ConnectionEnds, 'local'>, client: Socket, attempts: number): void {
    const { family, client: from, server: to } = ends
    const local = { address: from.address, port: this.#ports.take(from.address, from.port) }
    const socket = local.port === 0 ? undefined : openSocket(this.#options.netns, family, local)
    if (typeof socket !== 'object') return this.#refused(ends, client, local, socket, attempts)
    const timer = setTimeout(() => socket.destroy(new CthelperError('ERR_TIMEOUT', 'connect', 'no answer')), CONNECT_MS)
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(timer)
      this.#refused(ends, client, local, error.errno === undefined ? undefined : -error.errno, attempts)
    }
    socket.once('error', fail)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', fail).once('error', () => {})
      socket.pause()
      void this.#attend({ ...ends, local }, client, socket)
    })
    socket.connect(to.port, to.address)
  }

  /** The server cannot be had; the client hears so as soon as may be, by a reset. A port that somebody else has is tried again. */
  #refused(
    ends: Omit<ConnectionEnds, 'local'>,
    client: Socket,
    local: Endpoint,
    errno: number | undefined,
    attempts: number,
  ): void {
    this.#ports.give(local.address, local.port)
    const name = errno === undefined ? 'ETIMEDOUT' : errnoName(errno)
    const isTaken = name === 'EADDRINUSE' || name === 'EADDRNOTAVAIL'
    if (isTaken && attempts > 1 && local.port !== 0) return this.#connect(ends, client, attempts - 1)
    this.#options.count(isTaken ? 'tcp-ports-exhausted' : 'tcp-unreachable')
    this.#connecting.delete(client)
    this.#hosts.remove(ends.client.address)
    reset(client)
  }

  async #attend(ends: ConnectionEnds, client: Socket, server: Socket): Promise<void> {
    const { attend, onError, policy, cut, now, count } = this.#options
    const attendant = await attend(ends).catch((error: Error) => void onError(error))
    const { address } = ends.client
    if (!this.#connecting.delete(client)) {
      // The proxy was closed meanwhile.
      attendant?.close()
      return reset(server)
    }
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
    for (const client of this.#connecting) reset(client)
    this.#connecting.clear()
    for (const connection of this.#connections) connection.reset()
    await Promise.all(closed)
  }
}
