import type { Table } from '../../types/nftables.js'
import type { SipMessage } from '../../types/sip.js'
import { CthelperError } from '../base/errors.js'
import { type Nftables, SIP_TABLE } from '../nftables/index.js'
import { proxyRules, type TcpProxy } from '../proxy/index.js'
import { SipStream } from '../sip/index.js'
import type { ConnectionRequests } from './connection-requests.js'
import type { Counters } from './counters.js'
import { type Interfaces, MACHINE } from './interfaces.js'
import { openProxy } from './open-proxy.js'
import { MODES, type Settings, sipLimits } from './options.js'
import type { StreamMessages } from './stream-messages.js'
import type { SetChange, TcpContacts } from './tcp-contacts.js'
import { Undo } from './undo.js'

export interface TcpOptions {
  readonly settings: Settings
  readonly interfaces: Pick<Interfaces, 'ruleNames' | 'whyNotOwn'>
  readonly nftables: Nftables
  readonly messages: StreamMessages
  readonly contacts: TcpContacts
  readonly requests: ConnectionRequests
  readonly firstPacketQueue: number | undefined
  readonly counters: Counters
  /** The table without TCP, as it is to be now. */
  readonly table: () => Table
  readonly undo: Undo
  readonly onError: (error: Error) => void
}

/** SIP over TCP as it is served, or why it is not. */
export type Tcp =
  | { readonly isProxied: true; readonly proxy: TcpProxy<SipMessage>; readonly table: () => Table }
  | { readonly isProxied: false; readonly why: string; readonly table: () => Table }

/** Changes the sets of our table. */
function setsOf(nftables: Nftables): SetChange {
  const { family, name } = SIP_TABLE
  return (kind, set, elements) =>
    kind === 'add'
      ? nftables.addElements(family, name, set, elements)
      : nftables.deleteElements(family, name, set, elements)
}

/** The table with what brings connections to the proxy; `firstPacketQueue` as for the table itself. */
export function withTcp(
  table: Table,
  settings: Settings,
  interfaces: Pick<Interfaces, 'ruleNames'>,
  firstPacketQueue: number | undefined,
): Table {
  const { mark, port } = settings.tcp
  const { sets, chains } = proxyRules({
    inside: interfaces.ruleNames('inside'),
    outside: interfaces.ruleNames('outside'),
    machine: settings.inside.includes(MACHINE),
    translates: MODES[settings.mode].translates,
    mark,
    port,
    queue: settings.queue,
    ...(firstPacketQueue === undefined ? {} : { firstPacketQueue }),
  })
  return { ...table, sets: [...(table.sets ?? []), ...sets], chains: [...table.chains, ...chains] }
}

/** Why these settings leave TCP alone, whatever the machine has; undefined when they do not. */
export function whyNoTcp({ tcp, zone }: Settings): string | undefined {
  if (tcp.proxy === 'off') return 'switched off'
  // Which zone its own connections are in is for rules at output to say, that nobody has written.
  if (zone !== 0) return `conntracks are in zone ${zone}`
  return undefined
}

/**
 * Opens what TCP needs, in this order: a route for the mark, the listeners, and the table that is to be installed. With `auto` a
 * machine that has not what it takes is served without; with `on` what it refused is thrown.
 */
export async function openTcp(options: TcpOptions): Promise<Tcp> {
  const { settings, interfaces, undo, table } = options
  const why = whyNoTcp(settings) ?? interfaces.whyNotOwn()
  if (why !== undefined) return { isProxied: false, why, table }
  const own = new Undo()
  try {
    const tcp = await open(options, own)
    undo.push(() => own.unwindOrThrow())
    return tcp
  } catch (error) {
    await own.unwind()
    if (settings.tcp.proxy === 'on' || !(error instanceof CthelperError) || error.code === 'ERR_PERMISSION') throw error
    return { isProxied: false, why: error.message, table }
  }
}

async function open(options: TcpOptions, own: Undo): Promise<Tcp> {
  const { settings, interfaces, nftables, contacts, requests, messages, counters, firstPacketQueue, onError } = options
  const limits = sipLimits(settings)
  const table = () => withTcp(options.table(), settings, interfaces, firstPacketQueue)
  const refusal = await nftables.check(table())
  if (refusal) throw refusal
  const { notSip: foreign, malformed } = settings.policy
  const proxy = await openProxy<SipMessage>({
    settings,
    interfaces,
    counters,
    undo: own,
    policy: { foreign, malformed },
    cut: () => new SipStream(limits),
    attend: (ends) => messages.attend(ends),
    onError,
  })
  requests.serve(proxy)
  contacts.serve(setsOf(nftables))
  const filled = () => {
    const now = table()
    return { ...now, sets: contacts.fill(now.sets ?? []) }
  }
  return { isProxied: true, proxy, table: filled }
}
