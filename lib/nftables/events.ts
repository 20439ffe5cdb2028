import type { NetlinkMessage } from '../../types/netlink.js'
import type { RulesetChange, TableChange } from '../../types/nftables.js'
import { decode } from '../netlink/attribute.js'
import { NFGENMSG_LENGTH } from '../netlink/nfnetlink.js'
import { families, generationTable, messageTypes, ownerTable } from './nftables.table.js'

const { NFT_MSG_NEWGEN, NFT_MSG_DELTABLE, NFT_MSG_DELSETELEM } = messageTypes
/** Announcements that something came; one that it went has a type greater by two. */
const NEW_TYPES = new Set<number>([
  messageTypes.NFT_MSG_NEWTABLE,
  messageTypes.NFT_MSG_NEWCHAIN,
  messageTypes.NFT_MSG_NEWRULE,
  messageTypes.NFT_MSG_NEWSET,
  messageTypes.NFT_MSG_NEWSETELEM,
  messageTypes.NFT_MSG_NEWOBJ,
  messageTypes.NFT_MSG_NEWFLOWTABLE,
])
const DELETE_TYPES = new Set<number>([...NEW_TYPES].map((type) => type + 2))
const familyNames = new Map(Object.entries(families).map(([name, number]) => [number as number, name]))

interface Tally {
  family: string
  name: string
  added: number
  removed: number
  elementsRemoved: number
  tableRemoved: boolean
}

/**
 * Sums announcements up by transaction: the kernel sends those of one transaction together, NFT_MSG_NEWGEN last. Bounded by the
 * number of tables, however large the transaction.
 */
export class ChangeCollector {
  readonly #tallies = new Map<string, Tally>()

  /** Takes one announcement; gives the transaction's sum after its last. */
  take(message: NetlinkMessage): RulesetChange | undefined {
    if (message.type === NFT_MSG_NEWGEN) return this.#finish(message)
    const isNew = NEW_TYPES.has(message.type)
    if (!isNew && !DELETE_TYPES.has(message.type)) return undefined
    const tally = this.#tallyOf(message)
    if (isNew) tally.added++
    else tally.removed++
    if (message.type === NFT_MSG_DELSETELEM) tally.elementsRemoved++
    if (message.type === NFT_MSG_DELTABLE) tally.tableRemoved = true
    return undefined
  }

  /** Announcements were lost: what was collected is half a truth. */
  clear(): void {
    this.#tallies.clear()
  }

  #tallyOf({ payload }: NetlinkMessage): Tally {
    const number = payload[0] ?? 0
    const family = familyNames.get(number) ?? String(number)
    const { table: name = '' } = decode(ownerTable, payload, NFGENMSG_LENGTH)
    const key = `${family} ${name}`
    let tally = this.#tallies.get(key)
    if (!tally) {
      tally = { family, name, added: 0, removed: 0, elementsRemoved: 0, tableRemoved: false }
      this.#tallies.set(key, tally)
    }
    return tally
  }

  #finish({ payload }: NetlinkMessage): RulesetChange {
    const { id = 0, processId = 0, processName = '' } = decode(generationTable, payload, NFGENMSG_LENGTH)
    const tables: TableChange[] = [...this.#tallies.values()]
    this.#tallies.clear()
    return { generation: id, processId, processName, tables }
  }
}
