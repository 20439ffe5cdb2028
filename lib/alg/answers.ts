import { closeSync } from 'node:fs'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { parseAddress } from '../base/address.js'
import { kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'
import { datagram } from '../packet/index.js'

/** Mark of answers on their way out: a rule of our table lets them pass conntrack by, which would take them for a flow of their own. */
export const ANSWER_MARK = 0xc6000001

/** Sends answers in the name of the one who was asked, to whom the question never got. */
export class Answers {
  readonly #netns: string
  readonly #sockets = new Map<Family, number>()

  constructor(netns: string | undefined) {
    this.#netns = netns ?? ''
  }

  /** Throws CthelperError ERR_KERNEL, ERR_PERMISSION when the kernel does not take it. */
  send(from: Endpoint, to: Endpoint, text: string): void {
    const address = parseAddress(to.address)
    const packet = datagram(from, to, Buffer.from(text, 'latin1'))
    const family: Family = to.address.includes(':') ? 6 : 4
    const result = nativeAddon().sendRaw(this.#socket(family), family, address!, packet)
    if (result < 0) throw kernelError('send answer', -result)
  }

  #socket(family: Family): number {
    const open = this.#sockets.get(family)
    if (open !== undefined) return open
    const fd = nativeAddon().openRaw(this.#netns, family, ANSWER_MARK)
    if (fd < 0) throw kernelError('open raw socket', -fd)
    this.#sockets.set(family, fd)
    return fd
  }

  close(): void {
    for (const fd of this.#sockets.values()) closeSync(fd)
    this.#sockets.clear()
  }
}
