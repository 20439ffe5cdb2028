import { randomInt } from 'node:crypto'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import { allowFragments, fragmentsOf } from '../packet/index.js'
import type { RawPackets } from './raw-packets.js'

export interface OutgrownOptions {
  /** Bytes of the largest packet that leaves by an interface; undefined: not known. */
  mtuOf(index: number): number | undefined
  /** Sends packets that conntrack does not see. */
  readonly packets: Pick<RawPackets, 'send'>
  onError(error: Error): void
}

/**
 * Datagrams that outgrow their link by our edits leave in fragments, whatever their sender thought (DF): they never were as large.
 * IPv4's are the kernel's to make. Of IPv6 it fragments only what it sends or has put together itself: so the first fragment
 * goes on in the datagram's place, and confirms its conntrack, and the others follow from here.
 */
export class Outgrown {
  readonly #options: OutgrownOptions
  #identification = randomInt(2 ** 32)

  constructor(options: OutgrownOptions) {
    this.#options = options
  }

  /** What goes on in the place of `packet`; `rebuilt`, which is longer than it, or may be, and is changed in place; or a part of it. */
  fit(packet: QueuedPacket, { family, end, destination }: PacketLocation, rebuilt: Uint8Array): Uint8Array {
    const mtu = this.#options.mtuOf(packet.outdev)
    if (mtu === undefined || rebuilt.length <= mtu || rebuilt.length <= end) return rebuilt
    this.#identification = (this.#identification + 1) >>> 0
    if (family === 4) {
      // Zero would be none.
      allowFragments(rebuilt, this.#identification & 0xffff || 1)
      return rebuilt
    }
    // What was as large before has come in fragments, and the kernel makes them again; what crosses a bridge is not routed.
    if (end > mtu || packet.physicalIndev !== 0) return rebuilt
    const [first, ...others] = fragmentsOf(rebuilt, this.#identification)
    try {
      for (const fragment of others) this.#options.packets.send(destination.address, fragment)
    } catch (error) {
      this.#options.onError(error as Error)
    }
    return first ?? rebuilt
  }
}
