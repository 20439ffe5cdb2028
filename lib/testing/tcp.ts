import { createServer, type Server, Socket } from 'node:net'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { familyOf, parseAddress } from '../base/address.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'
import type { Namespace } from './netns.js'
import { scaled } from './time.js'
import { type Datagram, endpointText, type ReceiveOptions } from './udp.js'

function openSocket(namespace: Namespace | undefined, local: Endpoint): number {
  const family = familyOf(local.address) as Family | undefined
  const bytes = parseAddress(local.address)
  if (!family || !bytes) throw new CthelperError('ERR_ARGUMENT', 'open TCP', `${local.address} is no address`)
  const fd = nativeAddon().openTcp(namespace?.path ?? '', family, bytes, local.port)
  if (fd < 0) throw kernelError(`bind ${endpointText(local)}`, -fd)
  return fd
}

/** How a connection ended, as this end saw it. */
export type TcpEnd = 'end' | 'reset'

/**
 * One end of a TCP connection in any network namespace, with what arrived on it: as bytes, and as SIP messages, cut by their
 * Content-Length. Like `UdpEndpoint`, but that there is one other end.
 *
 * @example
 * const phone = await TcpEndpoint.connect(lab.phone, { address: '192.168.7.10', port: 0 }, { address: '198.51.100.10', port: 5060 })
 * await phone.send('OPTIONS ...')
 */
export class TcpEndpoint {
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Everything that arrived, as latin1. */
  text = ''
  /** Resolves when the other end has closed, or reset. */
  readonly ended: Promise<TcpEnd>
  readonly #socket: Socket
  readonly #queue: Datagram[] = []
  readonly #waiting = new Set<() => void>()
  #cut = 0

  /** Takes over a connected socket. */
  constructor(socket: Socket) {
    this.#socket = socket
    this.local = { address: socket.localAddress!, port: socket.localPort! }
    this.remote = { address: socket.remoteAddress!, port: socket.remotePort! }
    this.ended = new Promise((resolve) => {
      socket.once('end', () => resolve('end')).once('error', () => resolve('reset'))
    })
    socket.on('data', (chunk: Buffer) => this.#arrived(chunk))
    socket.on('error', () => {})
    socket.resume()
  }

  /** Connects from `local` (port 0: any). Rejects with the system's error: ECONNREFUSED, ECONNRESET, ETIMEDOUT ... */
  static connect(namespace: Namespace | undefined, local: Endpoint, to: Endpoint): Promise<TcpEndpoint> {
    const socket = new Socket({ fd: openSocket(namespace, local), allowHalfOpen: true })
    socket.pause()
    return new Promise((resolve, reject) => {
      socket.once('error', reject)
      socket.connect(to.port, to.address, () => {
        socket.setNoDelay(true)
        resolve(new TcpEndpoint(socket))
      })
    })
  }

  #arrived(chunk: Buffer): void {
    this.text += chunk.toString('latin1')
    for (let end = messageEnd(this.text, this.#cut); end > 0; end = messageEnd(this.text, this.#cut)) {
      const bytes = Buffer.from(this.text.slice(this.#cut, end).replace(/^[\r\n]+/, ''), 'latin1')
      this.#cut = end
      this.#queue.push({ bytes, from: this.remote, atMs: performance.now() })
    }
    for (const wake of this.#waiting) wake()
  }

  /** Writes; resolves when the kernel has it all. The address is there to be like `UdpEndpoint`, and not looked at. */
  send(bytes: Uint8Array | string, _to?: Endpoint): Promise<void> {
    const data = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes
    return new Promise((resolve, reject) => this.#socket.write(data, (error) => (error ? reject(error) : resolve())))
  }

  /** The oldest message that fits, or the next to come. Rejects with ERR_TIMEOUT. */
  async receive(options: ReceiveOptions = {}): Promise<Datagram> {
    const { where = () => true } = options
    let found = -1
    const find = () => {
      found = this.#queue.findIndex(where)
      return found >= 0
    }
    await this.until(find, options.timeoutMs)
    return this.#queue.splice(found, 1)[0]!
  }

  /** Waits until something holds, which is looked at whenever bytes arrive. Milliseconds are stretched; default 4000. */
  async until(holds: () => boolean, timeoutMs = 4000): Promise<void> {
    if (holds()) return
    await new Promise<void>((resolve, reject) => {
      const wake = () => {
        if (holds()) done(resolve)
      }
      const done = (finish: () => void) => {
        clearTimeout(timer)
        this.#waiting.delete(wake)
        finish()
      }
      const late = () => new CthelperError('ERR_TIMEOUT', 'receive', `within ${timeoutMs} ms only ${this.text}`)
      const timer = setTimeout(() => done(() => reject(late())), scaled(timeoutMs))
      this.#waiting.add(wake)
    })
  }

  /** Stops reading, so that the sender's window closes; `resume` goes on. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Closes this direction (FIN). */
  end(): void {
    this.#socket.end()
  }

  /** Ends the connection at once (RST). */
  reset(): void {
    this.#socket.resetAndDestroy()
  }

  close(): void {
    this.#socket.destroy()
  }
}

/** Where the message at `from` ends, empty lines before it included; 0 while it is not all there. */
function messageEnd(text: string, from: number): number {
  let start = from
  while (text[start] === '\r' || text[start] === '\n') start++
  const head = text.indexOf('\r\n\r\n', start)
  if (head < 0) return 0
  const length = /^(?:content-length|l)[ \t]*:\s*(\d+)/im.exec(text.slice(start, head))?.[1] ?? '0'
  const end = head + 4 + Number(length)
  return end <= text.length ? end : 0
}

/** Listens for TCP connections in any network namespace. */
export class TcpListener {
  readonly local: Endpoint
  readonly #server: Server
  readonly #accepted: TcpEndpoint[] = []
  readonly #waiting: ((endpoint: TcpEndpoint) => void)[] = []
  readonly #all = new Set<TcpEndpoint>()

  private constructor(server: Server, local: Endpoint) {
    this.#server = server
    this.local = local
    server.on('connection', (socket) => {
      const endpoint = new TcpEndpoint(socket)
      this.#all.add(endpoint)
      const waiting = this.#waiting.shift()
      if (waiting) waiting(endpoint)
      else this.#accepted.push(endpoint)
    })
  }

  /** Throws as `UdpEndpoint.open`. */
  static async open(namespace: Namespace | undefined, local: Endpoint): Promise<TcpListener> {
    const fd = openSocket(namespace, local)
    const server = createServer({ allowHalfOpen: true, noDelay: true })
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen({ fd }, 4096, resolve)
    })
    return new TcpListener(server, local)
  }

  /** Connections accepted since open. */
  get count(): number {
    return this.#all.size
  }

  /** The next connection; rejects with ERR_TIMEOUT. Milliseconds are stretched; default 4000. */
  accept(timeoutMs = 4000): Promise<TcpEndpoint> {
    const ready = this.#accepted.shift()
    if (ready) return Promise.resolve(ready)
    return new Promise((resolve, reject) => {
      const take = (endpoint: TcpEndpoint) => {
        clearTimeout(timer)
        resolve(endpoint)
      }
      const timer = setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(take), 1)
        reject(new CthelperError('ERR_TIMEOUT', 'accept', `nobody connected within ${timeoutMs} ms`))
      }, scaled(timeoutMs))
      this.#waiting.push(take)
    })
  }

  /** Listens no more, and closes what it accepted. */
  close(): void {
    this.#server.close()
    for (const endpoint of this.#all) endpoint.close()
  }
}
