import type { Endpoint } from '../../types/endpoint.js'
import { datagram } from '../packet/index.js'
import { RawPackets } from './raw-packets.js'

/** Mark of answers on their way out: a rule of our table lets them pass conntrack by, which would take them for a flow of their own. */
export const ANSWER_MARK = 0xc6000001

/** Sends answers in the name of the one who was asked, to whom the question never got. */
export class Answers {
  readonly #packets: RawPackets

  constructor(netns: string | undefined) {
    this.#packets = new RawPackets(netns, ANSWER_MARK)
  }

  /** Throws CthelperError ERR_KERNEL, ERR_PERMISSION when the kernel does not take it. */
  send(from: Endpoint, to: Endpoint, text: string): void {
    this.#packets.send(to.address, datagram(from, to, Buffer.from(text, 'latin1')))
  }

  close(): void {
    this.#packets.close()
  }
}
