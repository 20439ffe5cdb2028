import type { Endpoint } from '../../types/endpoint.js'
import { datagram } from '../packet/index.js'
import type { RawPackets } from './raw-packets.js'

/** Sends answers in the name of the one who was asked, to whom the question never got. */
export class Answers {
  readonly #packets: Pick<RawPackets, 'send'>

  /** `packets` sends what conntrack does not see: it would take answers for a flow of their own. */
  constructor(packets: Pick<RawPackets, 'send'>) {
    this.#packets = packets
  }

  /** Throws CthelperError ERR_KERNEL, ERR_PERMISSION when the kernel does not take it. */
  send(from: Endpoint, to: Endpoint, text: string): void {
    this.#packets.send(to.address, datagram(from, to, Buffer.from(text, 'latin1')))
  }
}
