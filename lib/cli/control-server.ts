import { lstatSync, type Stats, unlinkSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { dirname } from 'node:path'
import type { CallInfo, PinholeInfo, RegistrationInfo } from '../../types/call.js'
import type { HelperEvents, HelperStatus } from '../../types/helper.js'
import {
  type ControlCommand,
  type ControlMessage,
  encodeMessage,
  Lines,
  MAX_LINE,
  readQuestion,
  watchedEvents,
} from './control.js'
import { askControl } from './control-client.js'
import { Failure, messageOf, systemCode, usage } from './failure.js'

/** What the control socket shows; `SipHelper` is one. */
export interface Controlled {
  status(): HelperStatus
  calls(): CallInfo[]
  pinholes(): PinholeInfo[]
  registrations(): RegistrationInfo[]
  on<K extends keyof HelperEvents>(event: K, listener: (...args: HelperEvents[K]) => void): unknown
  off<K extends keyof HelperEvents>(event: K, listener: (...args: HelperEvents[K]) => void): unknown
}

export interface ControlServerOptions {
  readonly path: string
  readonly version: string
  readonly helper: Controlled
}

export interface ControlServer {
  /** Ends all clients and removes the socket file. */
  close(): Promise<void>
}

const MAX_CLIENTS = 64
/** Questions of one client that wait for their turn. */
const MAX_WAITING = 16
/** A watcher that is so many bytes behind is cut off: it shall not grow this process. */
const MAX_BEHIND = 4 << 20
/** Items written before looking whether the client reads. */
const AT_ONCE = 256

/**
 * Refuses when a living process answers at `path` (its pid is named), and removes the socket file of a dead one. Call it before
 * anything is touched. Throws `Failure`: 2, or 3 where permissions forbid to look.
 */
export async function requireFreeSocket(path: string): Promise<void> {
  const stat = fileAt(path)
  // bind() would say EACCES.
  if (!stat && !fileAt(dirname(path))) throw usage(`the directory of ${path} does not exist: make it, or use --socket`)
  if (!stat) return
  if (!stat.isSocket()) throw usage(`${path} is no socket: remove it, or choose another path with --socket`)
  try {
    const [item] = await askControl(path, 'status')
    const { pid } = (item ?? {}) as { pid?: unknown }
    throw usage(`cthelper runs already, pid ${pid}: stop it first, or choose another control socket with --socket`)
  } catch (error) {
    if (error instanceof Failure) throw error
    const code = systemCode(error)
    if (code === 'ENOENT') return
    if (code === 'ECONNREFUSED') return unlinkSync(path)
    if (code === 'EACCES')
      throw new Failure(3, `may not connect to ${path}: run as root, or choose another with --socket`)
    throw usage(`a process that is not answering holds ${path} (${messageOf(error)}): end it, or use --socket`)
  }
}

function fileAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    const exitCode = systemCode(error) === 'EACCES' ? 3 : 2
    throw new Failure(exitCode, `cannot look at ${path} (${messageOf(error)}): choose another path with --socket`)
  }
}

/** Listens at `options.path`, which must be free. Throws `Failure`: 2 for a path that cannot be, 3 where permissions forbid it. */
export async function serveControl(options: ControlServerOptions): Promise<ControlServer> {
  const since = Date.now()
  const server = createServer((socket) => {
    new Client(socket, options, since)
    clients.add(socket)
    socket.once('close', () => clients.delete(socket))
    if (clients.size > MAX_CLIENTS) refuse(socket, `more than ${MAX_CLIENTS} clients`)
  })
  const clients = new Set<Socket>()
  await listen(server, options.path)
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const client of clients) client.destroy()
      }),
  }
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error) => {
      const code = systemCode(error)
      const exitCode = code === 'EACCES' || code === 'EPERM' ? 3 : 2
      reject(new Failure(exitCode, `cannot listen at ${path} (${messageOf(error)}): choose another path with --socket`))
    })
    // bind() makes the file with these rights, before anybody can connect; libuv binds within the call.
    const before = process.umask(0o177)
    try {
      server.listen(path, resolve)
    } finally {
      process.umask(before)
    }
  })
}

function refuse(socket: Socket, message: string): void {
  socket.end(encodeMessage({ kind: 'error', message }))
}

class Client {
  readonly #socket: Socket
  readonly #options: ControlServerOptions
  readonly #since: number
  readonly #lines = new Lines(MAX_LINE)
  readonly #unsubscribe: (() => void)[] = []
  readonly #watched = new Set<ControlCommand>()
  #turn = Promise.resolve()
  #waiting = 0

  constructor(socket: Socket, options: ControlServerOptions, since: number) {
    this.#socket = socket
    this.#options = options
    this.#since = since
    socket.on('data', (chunk) => this.#take(chunk))
    // A client that goes away in the middle is no failure of ours.
    socket.on('error', () => {})
    socket.on('close', () => {
      for (const end of this.#unsubscribe) end()
    })
  }

  #take(chunk: Buffer): void {
    if (this.#socket.writableEnded) return
    const lines = this.#lines.push(chunk)
    if (!lines) return refuse(this.#socket, `a line of more than ${MAX_LINE} bytes`)
    this.#waiting += lines.length
    if (this.#waiting > MAX_WAITING) return refuse(this.#socket, `more than ${MAX_WAITING} questions at once`)
    for (const line of lines) {
      this.#turn = this.#turn
        .then(() => this.#answer(line))
        .catch((error) => refuse(this.#socket, messageOf(error)))
        .finally(() => this.#waiting--)
    }
  }

  async #answer(line: string): Promise<void> {
    const question = readQuestion(line)
    if (typeof question === 'string') return this.#send({ kind: 'error', message: question })
    const items = this.#items(question.command)
    // Before the items are written, which may take time: no change shall fall between the two.
    if (question.watch) this.#watch(question.command)
    for (let i = 0; i < items.length; i += AT_ONCE) {
      const text = items.slice(i, i + AT_ONCE).map((item) => encodeMessage({ kind: 'item', item }))
      if (!(await this.#write(text.join('')))) return
    }
    this.#send({ kind: 'end', count: items.length })
  }

  #items(command: ControlCommand): readonly unknown[] {
    const { helper, version } = this.#options
    if (command !== 'status') return helper[command]()
    return [{ pid: process.pid, version, since: this.#since, status: helper.status() }]
  }

  #watch(command: ControlCommand): void {
    const { helper } = this.#options
    if (this.#watched.has(command)) return
    this.#watched.add(command)
    for (const event of watchedEvents[command]) {
      const listener = (thing: unknown) => this.#send(changeOf(event, thing))
      helper.on(event, listener)
      this.#unsubscribe.push(() => helper.off(event, listener))
    }
  }

  #send(message: ControlMessage): void {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return
    socket.write(encodeMessage(message))
    if (socket.writableLength > MAX_BEHIND) socket.destroy()
  }

  /** Resolves when there is room again; false when the client is gone. */
  async #write(text: string): Promise<boolean> {
    const socket = this.#socket
    if (socket.destroyed || socket.writableEnded) return false
    if (socket.write(text)) return true
    await new Promise<void>((resolve) => {
      const go = () => {
        socket.off('drain', go).off('close', go)
        resolve()
      }
      socket.on('drain', go).on('close', go)
    })
    return !socket.destroyed
  }
}

function changeOf(event: keyof HelperEvents, thing: unknown): ControlMessage {
  if (event !== 'pinhole') return { kind: 'change', event, item: thing }
  const { kind, pinhole } = thing as HelperEvents['pinhole'][0]
  return { kind: 'change', event: kind, item: pinhole }
}
