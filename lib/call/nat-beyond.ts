import type { RefusalReason } from '../../types/call.js'
import type { Flow } from '../../types/flow.js'
import type { AddressField } from '../../types/sip.js'

/** Pairs of addresses that are remembered, and so reported. A gateway has one; whoever forges others is not heard for ever. */
const MOST = 64

/**
 * Notices by the answers from outside (Via `received`, RFC 3261 18.2.1, RFC 3581 4) that they see another address than this machine's:
 * a NAT is further on, and what is written into descriptions here is not where the far end can send to.
 */
export class NatBeyond {
  readonly #told = new Set<string>()

  /** Reads the addresses of an answer that comes in, before they are mapped. Refuses nothing, and says each pair of addresses once. */
  notice(
    fields: readonly AddressField[],
    { binding, peer }: Flow,
    refuse: (reason: RefusalReason, detail: string) => void,
  ): void {
    const own = binding.outside.address
    const seen = fields.find(
      ({ header, part, index }) => header === 'via' && part === 'received' && index === 0,
    )?.address
    if (seen === undefined || seen === own || this.#told.size >= MOST) return
    const pair = `${own} ${seen}`
    if (this.#told.has(pair)) return
    this.#told.add(pair)
    const detail = `${peer.address} sees ${seen} and not ${own}: another NAT is on the way, and media comes back only from ends that send it to where they hear theirs from`
    refuse('nat-beyond', detail)
  }
}
