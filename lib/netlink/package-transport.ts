import { createRequire } from 'node:module'
import { constants } from 'node:os'
import type * as netlink from 'netlink'
import type { NetlinkTransport } from '../../types/netlink.js'
import { CthelperError } from '../base/errors.js'
import { type Channel, Exchange } from './exchange.js'
import { NETLINK_NETFILTER } from './message.js'
import { closedError } from './socket.js'

/**
 * The same requests over the npm package `netlink`, its raw socket: its own high-level class hides the errno. No extended ACKs (so
 * `reply.message` is never there) and no namespace but the process's own. Throws ERR_ADDON when the package does not load.
 */
export function openPackageTransport(protocol: number, options: { timeoutMs?: number } = {}): NetlinkTransport {
  const { RawNetlinkSocket } = loadPackage()
  const open = (exchange: Exchange) => new PackageChannel(new RawNetlinkSocket(protocol), exchange)
  return new Exchange(open, protocol === NETLINK_NETFILTER, options.timeoutMs ?? 5000)
}

/** Loaded on use, so that a platform it has no binary for loses this transport and nothing else. */
function loadPackage(): typeof netlink {
  try {
    return createRequire(import.meta.url)('netlink') as typeof netlink
  } catch (cause) {
    const message = `cannot load the npm package netlink for ${process.platform}-${process.arch}`
    throw new CthelperError('ERR_ADDON', 'load netlink', message, { cause })
  }
}

class PackageChannel implements Channel {
  readonly #socket: netlink.RawNetlinkSocket
  readonly #exchange: Exchange
  #isClosed = false

  constructor(socket: netlink.RawNetlinkSocket, exchange: Exchange) {
    this.#socket = socket
    this.#exchange = exchange
    socket.unref()
    socket.on('message', (bytes) => exchange.receive(bytes, 0, bytes.length))
    socket.on('error', (error) => this.#onError(error))
  }

  send(bytes: Uint8Array): void {
    if (this.#isClosed) throw closedError()
    // The package may send later; the exchange reuses its buffer.
    this.#socket.send(Uint8Array.from(bytes))
  }

  poll(): boolean {
    return false
  }

  setWaiting(isWaiting: boolean): void {
    if (this.#isClosed) return
    if (isWaiting) this.#socket.ref()
    else this.#socket.unref()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#socket.close()
  }

  #onError(cause: netlink.ErrnoException): void {
    const errno = Math.abs(cause.errno ?? 0)
    if (errno === constants.errno.ENOBUFS) this.#exchange.overrun()
    else this.#exchange.fail(new CthelperError('ERR_KERNEL', 'netlink socket', cause.message, { errno, cause }))
  }
}
