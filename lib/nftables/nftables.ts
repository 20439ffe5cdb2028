import type { NetlinkEvents, NetlinkTransport } from '../../types/netlink.js'
import type {
  ElementChange,
  Expression,
  QueueStyle,
  RuleCounter,
  RulesetChange,
  SetElement,
  Table,
  TableFamily,
  TableListing,
} from '../../types/nftables.js'
import { CthelperError } from '../base/errors.js'
import { openEvents } from '../netlink/events.js'
import { NETLINK_NETFILTER } from '../netlink/message.js'
import { openTransport } from '../netlink/transport.js'
import { ChangeCollector } from './events.js'
import type { BatchMessage } from './message.js'
import { GROUP } from './nftables.table.js'
import { findQueueStyle } from './queue-style.js'
import { hasTable, type ListedElement, listElements, listTables, readCounters, readShape } from './reader.js'
import { changeMessages } from './set.js'
import { deleteTable, encodeTable, ensureTable } from './table.js'
import { commit, refusedTransaction, rehearse } from './transaction.js'

const ENOENT = 2

export interface NftablesOptions {
  /** Network namespace path (/run/netns/NAME); default: the process's own. */
  readonly netns?: string | undefined
  /** In place of a socket of its own; closed with the handle. */
  readonly transport?: NetlinkTransport | undefined
}

export interface NftablesEventOptions {
  /** A transaction of anybody but this handle. Own ones are told apart by their generation. */
  readonly onChange: (change: RulesetChange) => void
  /** ENOBUFS: changes went unseen. Look with `has` whether your table is still there. */
  readonly onOverrun: () => void
  /** The socket failed; no more events. Default: the error is thrown. */
  readonly onError?: ((error: CthelperError) => void) | undefined
}

/**
 * nf_tables over netlink, without the `nft` command. Every change is one transaction: done whole or not at all.
 * Refusals are thrown as CthelperError, whose `operation` names the message, the object and, in rules, the expression.
 */
export class Nftables {
  readonly #transport: NetlinkTransport
  readonly #netns: string | undefined
  /** Of this handle's own transactions that may still be announced to `events`. */
  readonly #generations = new Set<number>()
  #subscriptions = 0
  #queueStyle: Promise<QueueStyle> | undefined

  constructor(options: NftablesOptions = {}) {
    this.#netns = options.netns
    this.#transport = options.transport ?? openTransport(NETLINK_NETFILTER, { netns: options.netns })
  }

  /**
   * Makes the table; an earlier one of that family and name is replaced in the same transaction, so no packet sees neither.
   * Throws ERR_ARGUMENT for a table that cannot be (nothing is sent), ERR_UNSUPPORTED where it has a queue statement and the
   * kernel has no way to queue, ERR_PERMISSION, ERR_KERNEL.
   *
   * @example
   * const nftables = openNftables()
   * await nftables.install({
   *   family: 'inet',
   *   name: 'example',
   *   chains: [{ name: 'input', type: 'filter', hook: 'input', priority: 0, rules: [{ expressions: [{ kind: 'counter' }] }] }],
   * })
   */
  async install(table: Table): Promise<void> {
    await this.#commit(await this.#installation(table))
  }

  /**
   * What `install` would throw, or undefined: the kernel takes the table and rolls back. Like
   * `nft --check`, it misses what the kernel looks at only when it commits (6.18: nat statements outside nat chains). Throws only when the asking fails.
   */
  async check(table: Table): Promise<CthelperError | undefined> {
    const messages = await this.#installation(table)
    const refusals = await rehearse(this.#transport, messages, ensureTable(table))
    return refusals.length > 0 ? refusedTransaction(this.#transport, messages, refusals) : undefined
  }

  /** Removes the table with all that is in it. False when it was not there. */
  async remove(family: TableFamily, name: string): Promise<boolean> {
    const messages = [deleteTable({ family, name })]
    const { refusals, generation } = await commit(this.#transport, messages)
    if (refusals[0]?.index === 0 && refusals[0].errno === ENOENT) return false
    if (refusals.length > 0) throw await refusedTransaction(this.#transport, messages, refusals)
    this.#remember(generation)
    return true
  }

  has(family: TableFamily, name: string): Promise<boolean> {
    return hasTable(this.#transport, family, name)
  }

  /** All tables of all families, whoever made them. */
  list(): Promise<TableListing[]> {
    return listTables(this.#transport)
  }

  /** Counters of the table's rules, in order; rules may have several or none. Empty for an absent table. */
  readCounters(family: TableFamily, table: string): Promise<RuleCounter[]> {
    return readCounters(this.#transport, family, table)
  }

  /** Elements of a named set or map of any table whose types have a row in datatype.table.ts (else ERR_UNSUPPORTED). */
  listElements(family: TableFamily, table: string, set: string): Promise<ListedElement[]> {
    return listElements(this.#transport, family, table, set)
  }

  /**
   * Adds elements, all or none. One that is there already stays as it is, its timeout included; in a map with another value it is
   * refused (EEXIST). Throws ERR_KERNEL (ENOENT) without such a set.
   */
  async addElements(family: TableFamily, table: string, set: string, elements: readonly SetElement[]): Promise<void> {
    const messages = await this.#elementMessages('NFT_MSG_NEWSETELEM', family, table, set, elements)
    if (messages.length > 0) await this.#commit(messages)
  }

  /** Adds elements, all or none, in place of those with the same keys: new values, and timeouts begin again. */
  async replaceElements(
    family: TableFamily,
    table: string,
    set: string,
    elements: readonly SetElement[],
  ): Promise<void> {
    const added = await this.#elementMessages('NFT_MSG_NEWSETELEM', family, table, set, elements)
    const removed = await this.#elementMessages('NFT_MSG_DELSETELEM', family, table, set, elements)
    if (added.length > 0) await this.#commitPresent(removed, added)
  }

  /** Deletes elements by key. Those that are not there (any more) are passed over; returns how many were. */
  async deleteElements(
    family: TableFamily,
    table: string,
    set: string,
    elements: readonly SetElement[],
  ): Promise<number> {
    const messages = await this.#elementMessages('NFT_MSG_DELSETELEM', family, table, set, elements)
    return this.#commitPresent(messages, [])
  }

  /**
   * Deletes, then adds, elements of any number of sets, in one transaction, so that no packet meets an element gone that is only
   * replaced. Of the sets nothing is asked: their types are the caller's to say. What is to be deleted and not there (any more) is
   * passed over; what is added and there already keeps its value, another one is refused (EEXIST).
   */
  async changeElements(family: TableFamily, table: string, changes: readonly ElementChange[]): Promise<void> {
    const removed = changes.flatMap((it) => changeMessages('NFT_MSG_DELSETELEM', family, table, it.set, it.remove))
    const added = changes.flatMap((it) => changeMessages('NFT_MSG_NEWSETELEM', family, table, it.set, it.add))
    await this.#commitPresent(removed, added)
  }

  /**
   * How this kernel takes a queue statement, found out once by a rehearsal that changes nothing. Throws ERR_PERMISSION, or
   * ERR_UNSUPPORTED on a kernel without nf_tables.
   */
  queueStyle(): Promise<QueueStyle> {
    this.#queueStyle ??= findQueueStyle(this.#transport).catch((error) => {
      this.#queueStyle = undefined
      throw error
    })
    return this.#queueStyle
  }

  /**
   * Tells of every change to the ruleset that others make (`nft flush ruleset`, a firewall's reload): one call a transaction.
   * Needs no reading of the ruleset. Keeps the process alive until closed; outlives this handle's `close`.
   */
  events({ onChange, onOverrun, onError }: NftablesEventOptions): NetlinkEvents {
    const collector = new ChangeCollector()
    const subscription = openEvents(NETLINK_NETFILTER, [GROUP], {
      netns: this.#netns,
      onMessages: (messages) => {
        for (const message of messages) {
          const change = collector.take(message)
          if (change && !this.#isOwn(change.generation)) onChange(change)
        }
      },
      onOverrun: () => {
        collector.clear()
        onOverrun()
      },
      onError,
    })
    this.#subscriptions++
    return this.#counted(subscription)
  }

  /** Closes the socket. Tables stay, but for owned ones. */
  close(): void {
    this.#transport.close()
  }

  async #installation(table: Table): Promise<BatchMessage[]> {
    const style = table.chains.some(hasQueue) ? await this.queueStyle() : 'native'
    if (style === 'none') {
      const message =
        'this kernel has neither nft queue nor the NFQUEUE target (CONFIG_NFT_QUEUE, NETFILTER_XT_TARGET_NFQUEUE)'
      throw new CthelperError('ERR_UNSUPPORTED', `table ${table.family} ${table.name}`, message)
    }
    return [ensureTable(table), deleteTable(table), ...encodeTable(table, style)]
  }

  async #commit(messages: readonly BatchMessage[]): Promise<void> {
    const { refusals, generation } = await commit(this.#transport, messages)
    if (refusals.length > 0) throw await refusedTransaction(this.#transport, messages, refusals)
    this.#remember(generation)
  }

  /** Commits deletions and what follows them; deletions of what is not there are left out. Returns how many were there. */
  async #commitPresent(deletions: readonly BatchMessage[], others: readonly BatchMessage[]): Promise<number> {
    // Each round names all that is missing; more than one is needed only when elements time out in between.
    for (let present = [...deletions]; ; ) {
      const messages = [...present, ...others]
      if (messages.length === 0) return 0
      const { refusals, generation } = await commit(this.#transport, messages)
      const missing = new Set(refusals.filter(({ errno }) => errno === ENOENT).map(({ index }) => index))
      const left = present.filter((_, index) => !missing.has(index))
      if (refusals.length > missing.size || (refusals.length > 0 && left.length === present.length)) {
        throw await refusedTransaction(this.#transport, messages, refusals)
      }
      if (refusals.length === 0) {
        this.#remember(generation)
        return present.length
      }
      present = left
    }
  }

  async #elementMessages(
    name: 'NFT_MSG_NEWSETELEM' | 'NFT_MSG_DELSETELEM',
    family: TableFamily,
    table: string,
    set: string,
    elements: readonly SetElement[],
  ): Promise<BatchMessage[]> {
    const shape = await readShape(this.#transport, family, table, set)
    return changeMessages(name, family, table, { name: set, ...shape }, elements)
  }

  #remember(generation: number | undefined): void {
    if (generation !== undefined && this.#subscriptions > 0) this.#generations.add(generation)
  }

  /** Generations grow, so one that is announced settles all before it. */
  #isOwn(generation: number): boolean {
    const isOwn = this.#generations.has(generation)
    if (this.#subscriptions === 1)
      for (const own of this.#generations) if (own <= generation) this.#generations.delete(own)
    return isOwn
  }

  #counted(subscription: NetlinkEvents): NetlinkEvents {
    let isOpen = true
    const close = () => {
      if (isOpen && --this.#subscriptions === 0) this.#generations.clear()
      isOpen = false
      subscription.close()
    }
    return { close }
  }
}

const isQueue = (expression: Expression): boolean => expression.kind === 'queue'
const hasQueue = (chain: Table['chains'][number]): boolean =>
  chain.rules.some(({ expressions }) => expressions.some(isQueue))

/** Opens nf_tables in a network namespace. Throws ERR_ADDON, ERR_PERMISSION, ERR_UNSUPPORTED or ERR_KERNEL. */
export function openNftables(options: NftablesOptions = {}): Nftables {
  return new Nftables(options)
}
