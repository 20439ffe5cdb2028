import { constants } from 'node:os'
import type { NetlinkTransport } from '../../types/netlink.js'
import { kernelError } from '../base/errors.js'
import { type Channel, Exchange } from './exchange.js'
import { NETLINK_NETFILTER } from './message.js'
import { type NetlinkSocket, openNetlinkSocket, sendDatagram } from './socket.js'

export interface TransportOptions {
  /** Network namespace path (/run/netns/NAME); default: the process's own. */
  readonly netns?: string | undefined
  /** How long the kernel may be silent while an answer is outstanding, milliseconds; default 5000. Then ERR_TIMEOUT. */
  readonly timeoutMs?: number | undefined
  /** SO_RCVBUFFORCE, bytes; default 2 MiB: the answers to one full datagram of requests. What finds no room is ENOBUFS. */
  readonly receiveBuffer?: number | undefined
}

/** The kernel builds dump answers of up to 32 KiB for a reader with that much room. */
const slotSize = 32768
const slots = 8
/** A limit, not an allocation. */
const defaultReceiveBuffer = 2 << 20

/**
 * Requests over the addon: many in one datagram, extended ACKs, any network namespace. Throws where the socket cannot be opened:
 * ERR_ADDON, ERR_PERMISSION, ERR_UNSUPPORTED (no such protocol in this kernel), ERR_KERNEL (ENOENT: no such namespace).
 *
 * @example
 * const transport = openTransport(NETLINK_NETFILTER, { netns: '/run/netns/gateway' })
 * const { errno } = await transport.request({ type: 0x102, flags: 0, payload })
 */
export function openTransport(protocol: number, options: TransportOptions = {}): NetlinkTransport {
  const { netns, receiveBuffer = defaultReceiveBuffer } = options
  const socket = openNetlinkSocket(protocol, { netns, slotSize, slots, receiveBuffer })
  const open = (exchange: Exchange) => new NativeChannel(socket, exchange)
  return new Exchange(open, protocol === NETLINK_NETFILTER, options.timeoutMs ?? 5000)
}

class NativeChannel implements Channel {
  readonly #socket: NetlinkSocket
  readonly #exchange: Exchange

  constructor(socket: NetlinkSocket, exchange: Exchange) {
    this.#socket = socket
    this.#exchange = exchange
  }

  send(bytes: Uint8Array): void {
    sendDatagram(this.#socket.native, bytes, 0, bytes.length)
  }

  poll(): boolean {
    const count = this.#socket.native.receive()
    if (count !== 0) this.#take(count)
    return count !== 0
  }

  setWaiting(isWaiting: boolean): void {
    if (isWaiting) this.#socket.native.start((count) => this.#take(count))
    else this.#socket.native.stop()
  }

  close(): void {
    this.#socket.native.close()
  }

  #take(count: number): void {
    const { native, buffer, lengths } = this.#socket
    if (count === -constants.errno.ENOBUFS) {
      // The kernel adds nothing more until the socket has been read empty.
      for (let rest = native.receive(); rest > 0; rest = native.receive()) this.#take(rest)
      this.#exchange.overrun()
    } else if (count < 0) this.#exchange.fail(kernelError('receive netlink message', -count))
    for (let i = 0; i < count; i++) {
      const start = i * slotSize
      this.#exchange.receive(buffer, start, start + Math.min(lengths[i]!, slotSize))
    }
  }
}
