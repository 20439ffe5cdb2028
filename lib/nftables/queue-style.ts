import type { NetlinkTransport } from '../../types/netlink.js'
import type { QueueStyle, Table } from '../../types/nftables.js'
import { encodeTable, ensureTable } from './table.js'
import { refusedTransaction, rehearse } from './transaction.js'

const EPERM = 1

/** How this kernel takes a queue statement, by a rehearsal that changes nothing. Throws where the question was not heard. */
export async function findQueueStyle(transport: NetlinkTransport): Promise<QueueStyle> {
  const name = `cthelper-probe-${process.pid}`
  const rules = [{ expressions: [{ kind: 'queue', number: 0, bypass: true } as const] }]
  const table: Table = { family: 'inet', name, chains: [{ name: 'probe', rules }] }
  for (const style of ['native', 'xtables'] as const) {
    const messages = encodeTable(table, style)
    const refusals = await rehearse(transport, messages, ensureTable(table))
    if (refusals.length === 0) return style
    // Only the rule's refusal is an answer; others mean that the question was not heard.
    const other = refusals.find(({ index, errno }) => index !== messages.length - 1 || errno === EPERM)
    if (other) throw await refusedTransaction(transport, messages, [other])
  }
  return 'none'
}
