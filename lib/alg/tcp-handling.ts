import type { HelperStatus } from '../../types/helper.js'
import type { Table } from '../../types/nftables.js'
import type { Engine } from '../call/index.js'
import type { Conntrack } from '../conntrack/index.js'
import { followTable, type Nftables } from '../nftables/index.js'
import { contactSet, contactSets, proxyRules } from '../proxy/index.js'
import type { Counters } from './counters.js'
import { type Interfaces, MACHINE } from './interfaces.js'
import type { Judge } from './judge.js'
import { MODES, type Settings } from './options.js'
import type { PacketHandler } from './queues.js'
import type { TcpContacts } from './tcp-contacts.js'
import type { Undo } from './undo.js'

export interface TcpOptions {
  readonly settings: Settings
  readonly interfaces: Interfaces
  readonly conntrack: Conntrack
  readonly nftables: Nftables
  readonly engine: Engine
  readonly judge: Judge
  readonly contacts: TcpContacts
  readonly counters: Counters
  readonly undo: Undo
  readonly onError: (error: Error) => void
}

/** The table without TCP, as it is to be now; and the second queue, where there is one. */
export interface TcpPlace {
  readonly table: () => Table
  readonly firstPacketQueue: number | undefined
}

/** SIP over TCP as it is served, or why it is not. */
export interface Tcp {
  readonly status: HelperStatus['tcp']
  readonly size: Readonly<Record<string, number>>
  readonly table: () => Table
  /** Once a second. */
  tick(): void
}

/** Who gives the verdicts about segments, and what `open` makes of the table. */
export interface Segments {
  readonly handler: PacketHandler
  open(place: TcpPlace): Promise<Tcp>
}

/** How SIP over TCP is to be served: by a proxy, by following connections as they go by, or not, and why. */
export type TcpHandling = 'proxied' | 'followed' | { readonly why: string }

/**
 * Nothing has to be between the ends where no byte is changed. A script may change some; then the proxy serves, where it can.
 * `whyNotOwn`: why connections of this machine's own would not go as packets do.
 */
export function tcpHandling(
  { tcp, zone, mode, isScripted }: Pick<Settings, 'tcp' | 'zone' | 'mode'> & { readonly isScripted: boolean },
  whyNotOwn: string | undefined,
): TcpHandling {
  if (tcp.proxy === 'off') return { why: 'switched off' }
  // Which zone its own connections are in is for rules at output to say, that nobody has written.
  const why = zone !== 0 ? `conntracks are in zone ${zone}` : whyNotOwn
  if (!MODES[mode].translates && (why !== undefined || !isScripted)) return 'followed'
  return why === undefined ? 'proxied' : { why }
}

/** Connections pass as they are. */
export function passedTcp(why: string, table: () => Table): Tcp {
  return { status: { isProxied: false, isFollowed: false, why }, size: {}, table, tick: () => {} }
}

/** The table with what the handling needs; `firstPacketQueue` as for the table itself. */
export function withTcp(
  table: Table,
  handling: TcpHandling,
  settings: Settings,
  interfaces: Pick<Interfaces, 'ruleNames'>,
  firstPacketQueue: number | undefined,
): Table {
  if (typeof handling === 'object') return table
  const machine = settings.inside.includes(MACHINE)
  const { mark, port } = settings.tcp
  const inside = interfaces.ruleNames('inside')
  const outside = interfaces.ruleNames('outside')
  const translates = MODES[settings.mode].translates
  const second = firstPacketQueue === undefined ? {} : { firstPacketQueue }
  const { queue } = settings
  const { sets, chains } =
    handling === 'followed'
      ? { sets: contactSets, chains: followTable({ machine, contactSet }) }
      : proxyRules({ inside, outside, machine, translates, mark, port, queue, ...second })
  return { ...table, sets: [...(table.sets ?? []), ...sets], chains: [...table.chains, ...chains] }
}
