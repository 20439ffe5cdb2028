import type { NetlinkEvents } from '../../types/netlink.js'
import type { Table } from '../../types/nftables.js'
import { OnceMore } from '../base/once-more.js'
import { type MusicStream, type Nftables, SIP_TABLE, sipTable } from '../nftables/index.js'
import type { Carrier } from './carrier.js'
import { type Interfaces, MACHINE } from './interfaces.js'
import { MODES, type Settings } from './options.js'
import { UNTRACKED_MARK } from './raw-packets.js'
import type { SetChange } from './tcp-contacts.js'
import type { TranslationMaps } from './translation-maps.js'
import type { Undo } from './undo.js'

export interface OwnTableOptions {
  readonly nftables: Nftables
  /** As it is to be now: asked for again when it has to be put back. */
  readonly table: () => Table
  /** Maps in the table by which flows are translated; the table is then complete with them. */
  readonly maps: TranslationMaps | undefined
  readonly undo: Undo
  /** Somebody else took it down, or a part of it, and it stands again. */
  readonly onRepair: () => void
  readonly onError: (error: Error) => void
}

/** So long after a table was put back, what is said of that has been heard, or is known to be lost. */
const NEWS_MS = 2000

/**
 * What is said of our own doing. News of a table with thousands of calls are more than a socket holds; to put it back for their sake would
 * never end.
 */
class OwnNews {
  readonly #onDoubt: () => void
  #due = 0
  #isLost = false

  /** `onDoubt`: news were lost while ours were due, and somebody else's may have been among them. */
  constructor(onDoubt: () => void) {
    this.#onDoubt = onDoubt
  }

  /** News of ours will come. What is returned is to be called when there are no more to be made. */
  begin(): () => void {
    this.#due++
    return () => void setTimeout(() => this.#settle(), NEWS_MS).unref()
  }

  /** News were lost. False: none of ours were due. */
  lose(): boolean {
    if (this.#due > 0) this.#isLost = true
    return this.#due > 0
  }

  #settle(): void {
    if (--this.#due > 0 || !this.#isLost) return
    this.#isLost = false
    this.#onDoubt()
  }
}

/**
 * Installs a table of ours and keeps it: whatever others take out of it, the table itself or its rules, is put back. What is in its
 * sets is theirs to change.
 */
export async function installOwnTable(options: OwnTableOptions): Promise<void> {
  const { nftables, maps, undo, onRepair, onError } = options
  const table = () => maps?.fill(options.table(), Date.now()) ?? options.table()
  const { family, name } = table()
  await maps?.inherit(Date.now())
  await nftables.install(table())
  let isStopping = false
  const reinstall = async () => {
    if (isStopping) return
    const end = news.begin()
    await nftables.install(table()).finally(end)
    await maps?.restore()
    onRepair()
  }
  const repairs = new OnceMore(reinstall, onError)
  const look = async () => {
    if (!isStopping && !(await nftables.has(family, name))) repairs.ask()
  }
  const news = new OwnNews(() => void look().catch(onError))
  const subscription: NetlinkEvents = nftables.events({
    onChange: ({ tables }) => {
      const ours = tables.find((it) => it.family === family && it.name === name)
      if (ours && ours.removed > ours.elementsRemoved) repairs.ask()
    },
    onOverrun: () => {
      if (!news.lose()) repairs.ask()
    },
    onError,
  })
  undo.push(async () => {
    isStopping = true
    subscription.close()
    await nftables.remove(family, name)
  })
}

/** The table of a conntrack zone's helper. */
export const tableName = (zone: number): string => (zone === 0 ? SIP_TABLE.name : `${SIP_TABLE.name}-zone-${zone}`)

/** Changes the sets of that table. */
export function setsOf(nftables: Nftables, zone: number): SetChange {
  const { family } = SIP_TABLE
  const name = tableName(zone)
  return (kind, set, elements) =>
    kind === 'add'
      ? nftables.addElements(family, name, set, elements)
      : nftables.deleteElements(family, name, set, elements)
}

/** The table for these settings; `firstPacketQueue` on kernels that do not send conntracks along with packets, `carrier` once it is there. */
export function tableOf(
  settings: Settings,
  interfaces: Pick<Interfaces, 'ruleNames'>,
  firstPacketQueue: number | undefined,
  carrier?: Pick<Carrier, 'name'>,
  streams: readonly MusicStream[] = [],
): Table {
  const { mode, inside, ports, masquerade, queue, media, moh, zone } = settings
  const { translates, forwardsPorts } = MODES[mode]
  return sipTable({
    name: tableName(zone),
    inside: interfaces.ruleNames('inside'),
    outside: interfaces.ruleNames('outside'),
    machine: inside.includes(MACHINE),
    translates,
    ports,
    masquerade,
    queue,
    untrackedMark: UNTRACKED_MARK,
    ...(media.ports ? { mediaPorts: media.ports } : {}),
    ...(moh.sources.length > 0
      ? { music: { sources: moh.sources, dropsHeld: moh.heldMedia === 'drop', streams } }
      : {}),
    ...(firstPacketQueue === undefined ? {} : { firstPacketQueue, forwardsPorts }),
    ...(carrier?.name === 'cthelper' ? { idleHelper: carrier.name } : {}),
  })
}
