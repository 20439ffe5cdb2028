import { closeSync } from 'node:fs'
import type { Family } from '../../types/endpoint.js'
import { familyOf, parseAddress } from '../base/address.js'
import { kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'

/** Mark of packets that conntrack is not to see: a rule of our table lets them pass it by. */
export const UNTRACKED_MARK = 0xc6000001

/** Sends whole IP packets, in whose name they may be, with a mark by which rules know them. Its sockets are opened when first needed. */
export class RawPackets {
  readonly #netns: string
  readonly #mark: number
  readonly #sockets = new Map<Family, number>()

  constructor(netns: string | undefined, mark: number) {
    this.#netns = netns ?? ''
    this.#mark = mark
  }

  /** Routed to `address`. Throws CthelperError ERR_KERNEL, ERR_PERMISSION when the kernel does not take it. */
  send(address: string, packet: Uint8Array): void {
    const family = familyOf(address)!
    const result = nativeAddon().sendRaw(this.#socket(family), family, parseAddress(address)!, packet)
    if (result < 0) throw kernelError('send packet', -result)
  }

  #socket(family: Family): number {
    const open = this.#sockets.get(family)
    if (open !== undefined) return open
    const fd = nativeAddon().openRaw(this.#netns, family, this.#mark)
    if (fd < 0) throw kernelError('open raw socket', -fd)
    this.#sockets.set(family, fd)
    return fd
  }

  close(): void {
    for (const fd of this.#sockets.values()) closeSync(fd)
    this.#sockets.clear()
  }
}
