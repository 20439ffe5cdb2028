import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import type { Endpoint } from '../../types/endpoint.js'
import { canonicalAddress, familyOf, parseAddress } from '../base/address.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'
import type { Namespace } from './netns.js'
import { scaled } from './time.js'

/** A received datagram; the caller owns the bytes. */
export interface Datagram {
  readonly bytes: Buffer
  readonly from: Endpoint
  /** performance.now() at reception, milliseconds. */
  readonly atMs: number
}

export interface ReceiveOptions {
  /** Milliseconds, stretched by CTHELPER_TIME_SCALE; default 2000. */
  readonly timeoutMs?: number
  /** Only datagrams this accepts; the others stay queued for other receivers. Default: any. */
  readonly where?: (datagram: Datagram) => boolean
}

interface Waiter {
  readonly where: (datagram: Datagram) => boolean
  readonly resolve: (datagram: Datagram) => void
}

const anything = (): boolean => true

/** `ADDRESS:PORT`, with brackets around IPv6: the key of `UdpEndpoint.counts`. */
export function endpointText({ address, port }: Endpoint): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * A UDP socket of this process that lives in any network namespace, with a queue of what arrived. One process can so play phone,
 * registrar and media server, and its clock is the same for all. Queued datagrams are kept until received or drained.
 *
 * @example
 * const phone = UdpEndpoint.open(lab.phone, { address: '192.168.7.10', port: 5060 })
 * phone.send('hello', { address: '198.51.100.10', port: 5060 })
 * const { bytes, from } = await registrar.receive()
 */
export class UdpEndpoint {
  readonly local: Endpoint
  /** Datagrams received since open, by `endpointText` of their source. */
  readonly counts = new Map<string, number>()
  readonly #socket: Socket
  readonly #queue: Datagram[] = []
  readonly #waiters: Waiter[] = []
  readonly #listeners = new Set<(datagram: Datagram) => void>()

  private constructor(socket: Socket, local: Endpoint) {
    this.#socket = socket
    this.local = local
    socket.on('message', (bytes, from) => this.#arrived(bytes, from))
    // ICMP errors surface here on some kernels; a refused port is silence, and silence is what tests wait for.
    socket.on('error', () => {})
  }

  /**
   * Binds a socket in `namespace` (undefined: the process's own). Port 0 takes a free one, then found in `local`.
   * Throws `CthelperError`: ERR_ARGUMENT for no address, ERR_KERNEL (EADDRINUSE ...) when the kernel refuses.
   */
  static async open(namespace: Namespace | undefined, local: Endpoint): Promise<UdpEndpoint> {
    const family = familyOf(local.address)
    const bytes = parseAddress(local.address)
    if (!family || !bytes) throw new CthelperError('ERR_ARGUMENT', 'open UDP', `${local.address} is no address`)
    const fd = nativeAddon().openUdp(namespace?.path ?? '', family, bytes, local.port)
    if (fd < 0) throw kernelError(`bind ${endpointText(local)}`, -fd)
    const socket = createSocket({ type: family === 4 ? 'udp4' : 'udp6' })
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind({ fd }, () => resolve())
    })
    socket.removeAllListeners('error')
    return new UdpEndpoint(socket, { address: local.address, port: socket.address().port })
  }

  /** Datagrams received since open, from one source or from all. */
  count(from?: Endpoint): number {
    if (from) return this.counts.get(endpointText(from)) ?? 0
    return [...this.counts.values()].reduce((sum, count) => sum + count, 0)
  }

  /** Hands one datagram to the kernel. What the kernel refuses (EPERM by a rule, EMSGSIZE) rejects with the system's error. */
  send(bytes: Uint8Array | string, to: Endpoint): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#socket.send(bytes, to.port, to.address, (error) => (error ? reject(error) : resolve())),
    )
  }

  /** The oldest queued datagram that fits, or the next to come. Rejects with ERR_TIMEOUT, saying what else is queued. */
  receive(options: ReceiveOptions = {}): Promise<Datagram> {
    const { where = anything, timeoutMs = 2000 } = options
    const found = this.#queue.findIndex(where)
    if (found >= 0) return Promise.resolve(this.#queue.splice(found, 1)[0]!)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        reject(this.#nothingCame(timeoutMs))
      }, scaled(timeoutMs))
      const waiter: Waiter = {
        where,
        resolve: (datagram) => {
          clearTimeout(timer)
          resolve(datagram)
        },
      }
      this.#waiters.push(waiter)
    })
  }

  /** Waits; rejects, naming the speaker, if a (fitting) datagram is queued already or comes meanwhile. */
  async expectSilence(milliseconds: number, where: (datagram: Datagram) => boolean = anything): Promise<void> {
    const heard = await this.receive({ timeoutMs: milliseconds, where }).catch(() => undefined)
    if (!heard) return
    const said = heard.bytes.toString('latin1', 0, 60)
    throw new Error(
      `${endpointText(this.local)}: expected silence, heard ${endpointText(heard.from)} say ${JSON.stringify(said)}`,
    )
  }

  /** Calls `listener` for every datagram from now on, before it is queued. Returns what ends that. */
  onDatagram(listener: (datagram: Datagram) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Takes everything queued. */
  drain(): Datagram[] {
    return this.#queue.splice(0)
  }

  /** Waiting receivers run into their timeout; further sends reject. */
  close(): void {
    this.#socket.close()
  }

  #arrived(bytes: Buffer, remote: RemoteInfo): void {
    const from = { address: canonicalAddress(remote.address) ?? remote.address, port: remote.port }
    const datagram = { bytes, from, atMs: performance.now() }
    const key = endpointText(from)
    this.counts.set(key, (this.counts.get(key) ?? 0) + 1)
    for (const listener of this.#listeners) listener(datagram)
    const waiting = this.#waiters.findIndex(({ where }) => where(datagram))
    if (waiting < 0) this.#queue.push(datagram)
    else this.#waiters.splice(waiting, 1)[0]!.resolve(datagram)
  }

  #nothingCame(timeoutMs: number): CthelperError {
    const queued = this.#queue.map(({ from }) => endpointText(from)).join(', ') || 'nothing'
    const where = endpointText(this.local)
    return new CthelperError(
      'ERR_TIMEOUT',
      `receive at ${where}`,
      `${where}: nothing fitting in ${scaled(timeoutMs)} ms; queued: ${queued}`,
    )
  }
}
