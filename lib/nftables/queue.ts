import type { Expression } from '../../types/nftables.js'
import { CthelperError } from '../base/errors.js'
import type { KernelExpression } from './nftables.table.js'

type Queue = Extract<Expression, { kind: 'queue' }>

/** NFT_QUEUE_FLAG_BYPASS, NFT_QUEUE_FLAG_CPU_FANOUT; the xtables target's NFQ_FLAG_* have the same values. */
const BYPASS = 1
const CPU_FANOUT = 2
const NFQUEUE_REVISION = 3

/**
 * A queue statement in the kernel's words. `native` is nft's own expression; `xtables` the NFQUEUE target that iptables-nft uses
 * (struct xt_NFQ_info_v3, padded to eight bytes as XT_ALIGN wants), for kernels built without the former: `nft list` prints both
 * alike. Throws ERR_ARGUMENT for queue numbers outside 0..65535.
 */
export function encodeQueue(style: 'native' | 'xtables', queue: Queue): KernelExpression {
  const { number, total = 1 } = queue
  const isRange = Number.isInteger(number) && Number.isInteger(total) && number >= 0 && total >= 1
  if (!isRange || number + total > 0x10000) {
    throw new CthelperError('ERR_ARGUMENT', 'queue', `queue: no queues ${number} to ${number + total - 1}`)
  }
  const flags = (queue.bypass ? BYPASS : 0) | (queue.fanout ? CPU_FANOUT : 0)
  if (style === 'native') return { name: 'queue', data: { number, total, ...(flags ? { flags } : {}) } }
  const info = Uint8Array.of(number, number >> 8, total, total >> 8, flags, 0, 0, 0)
  return { name: 'target', data: { name: 'NFQUEUE', revision: NFQUEUE_REVISION, info } }
}
