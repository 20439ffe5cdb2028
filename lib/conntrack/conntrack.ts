import type {
  ConntrackChanges,
  ConntrackEntry,
  ConntrackOperation,
  HelperRegistration,
  NewConntrack,
  OperationResult,
} from '../../types/conntrack.js'
import type { NetlinkEvents, NetlinkReply, NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'
import type { Tuple } from '../../types/tuple.js'
import { type CthelperError, errnoName, kernelError } from '../base/errors.js'
import { decode } from '../netlink/attribute.js'
import { openEvents } from '../netlink/events.js'
import { NETLINK_NETFILTER } from '../netlink/message.js'
import { NFGENMSG_LENGTH, nfnetlinkRequest } from '../netlink/nfnetlink.js'
import { openTransport } from '../netlink/transport.js'
import { IPCTNL_MSG_CT_GET_STATS, statsTable } from './ctnetlink.table.js'
import { dumpRequest, type EntryFilter, flushRequest, matches } from './dump.js'
import { decodeEvent, type EventFilter, type EventGroup, groupNumbers, type KernelEvent } from './events.js'
import { Expectations } from './expectations.js'
import { listHelpers, registerHelper, unregisterHelper } from './helper.js'
import { decodeEntry, encodeOperations, operationTable } from './message.js'

export interface ConntrackOptions {
  /** Network namespace path (/run/netns/NAME); default: the process's own. */
  readonly netns?: string
  /**
   * CTA_ZONE of every operation and question that names none, and of the entries that dumps and events show. Default: operations are
   * in zone 0, and all zones are shown.
   */
  readonly zone?: number
  /** What requests ride on instead of a socket opened here. The caller closes it. */
  readonly transport?: NetlinkTransport
  /** What subscriptions ride on; default `openEvents` of the netlink room. For tests. */
  readonly openEvents?: typeof openEvents
}

export interface ConntrackEventsOptions {
  readonly groups: readonly EventGroup[]
  /** Which events are worth decoding; default all. */
  readonly filter?: EventFilter
  /** Once an event, in the kernel's order. */
  readonly onEvent: (event: KernelEvent) => void
  /** The kernel dropped events (ENOBUFS): read the table again. */
  readonly onOverrun: () => void
  /** The socket failed and the subscription is over. Default: thrown, an 'uncaughtException'. */
  readonly onError?: (error: CthelperError) => void
  /** SO_RCVBUFFORCE, bytes; default 4 MiB, some 5000 events. */
  readonly receiveBuffer?: number
}

/** The table's size. */
export interface ConntrackStats {
  readonly entries: number
  /** net.netfilter.nf_conntrack_max. */
  readonly maxEntries: number
}

interface InZone {
  readonly zone?: number
}

const ENOENT = 2
const DONE: OperationResult = { errno: 0 }

/**
 * The kernel's connection tracking table and its expectations, over ctnetlink. Refusals by the kernel reject with CthelperError
 * (`operation` is the IPCTNL_MSG_* name, `errnoName` the reason); what is not there is a value, undefined or false.
 *
 * @example
 * const conntrack = await openConntrack()
 * for (const { original, timeoutSec } of await conntrack.dump({ family: 4 })) console.log(tupleKey(original), timeoutSec)
 * conntrack.close()
 */
export class Conntrack {
  readonly expectations: Expectations
  readonly #transport: NetlinkTransport
  readonly #options: ConntrackOptions

  /** Use `openConntrack`. */
  constructor(options: ConntrackOptions) {
    this.#options = options
    this.#transport = options.transport ?? openTransport(NETLINK_NETFILTER, { netns: options.netns })
    this.expectations = new Expectations(this.#transport, (operation, allowMissing) =>
      this.#execute(operation, allowMissing),
    )
  }

  /** IPCTNL_MSG_CT_NEW. EEXIST when the tuple, or its reply, is taken; ERR_UNSUPPORTED when there is no such helper. */
  async create(conntrack: NewConntrack): Promise<void> {
    await this.#execute({ kind: 'create-conntrack', conntrack })
  }

  /** IPCTNL_MSG_CT_GET. `tuple` may be the flow's original or reply tuple. */
  async get(tuple: Tuple, { zone = this.#options.zone }: InZone = {}): Promise<ConntrackEntry | undefined> {
    const [request] = encodeOperations([{ kind: 'get-conntrack', tuple, ...(zone === undefined ? {} : { zone }) }])
    const reply = await this.#transport.request(request!)
    if (reply.errno === ENOENT) return undefined
    if (reply.errno) throw kernelError('IPCTNL_MSG_CT_GET', reply.errno, reply.message)
    return resultOf(reply).entry
  }

  /** Changes a standing entry; false when there is none. EPERM: its timeout is fixed. EBUSY: a status bit cannot be unset. */
  update(tuple: Tuple, changes: ConntrackChanges & InZone): Promise<boolean> {
    return this.#execute({ kind: 'update-conntrack', tuple, ...changes }, true)
  }

  /** IPCTNL_MSG_CT_DELETE, with the entry's expectations. False when there is none, or when `id` says it is another one. */
  delete(tuple: Tuple, options: InZone & { readonly id?: number } = {}): Promise<boolean> {
    return this.#execute({ kind: 'delete-conntrack', tuple, ...options }, true)
  }

  /** The table, or what the filter leaves of it. The kernel filters; a table that changes meanwhile is read again. */
  async dump(filter: EntryFilter = {}): Promise<ConntrackEntry[]> {
    const replies = await this.#ask(dumpRequest(filter), 'IPCTNL_MSG_CT_GET')
    return replies
      .map(({ payload }) => decodeEntry(payload))
      .filter((entry) => matches(entry, filter) && isOfZone(entry, this.#options.zone))
  }

  /** Removes every entry that matches, in one request: all flows of a mark, for instance. Without a filter: all. */
  async flush(filter: EntryFilter = {}): Promise<void> {
    await this.#ask(flushRequest(filter), 'IPCTNL_MSG_CT_DELETE')
  }

  /** Entries in the table. */
  async count(): Promise<number> {
    return (await this.stats()).entries
  }

  /** IPCTNL_MSG_CT_GET_STATS. */
  async stats(): Promise<ConntrackStats> {
    const replies = await this.#ask(nfnetlinkRequest(IPCTNL_MSG_CT_GET_STATS, 0, 0), 'IPCTNL_MSG_CT_GET_STATS')
    const { entries = 0, maxEntries = 0 } = decode(statsTable, replies[0]?.payload ?? new Uint8Array(), NFGENMSG_LENGTH)
    return { entries, maxEntries }
  }

  /**
   * Several operations in one datagram (one system call up to 64), executed in order, one result each. A refused one is a value
   * and does not stop those after it. Rejects only when the socket fails.
   */
  async batch(operations: readonly ConntrackOperation[]): Promise<OperationResult[]> {
    const replies = await this.#transport.batch(encodeOperations(inZone(operations, this.#options.zone)))
    return replies.map(resultOf)
  }

  /**
   * Subscribes to multicast events until closed. Sockets hear only what happens in their network namespace, and of flows that
   * began before the first listener little (net.netfilter.nf_conntrack_events is 2, automatic).
   */
  events(options: ConntrackEventsOptions): NetlinkEvents {
    const { filter, onEvent, onOverrun, onError, receiveBuffer } = options
    const open = this.#options.openEvents ?? openEvents
    return open(NETLINK_NETFILTER, groupNumbers(options.groups), {
      netns: this.#options.netns,
      receiveBuffer,
      onOverrun,
      onError,
      onMessages: (messages) => {
        for (const message of messages) {
          const event = decodeEvent(message, filter)
          if (event && isOfZone('entry' in event ? event.entry : event.expectation, this.#options.zone)) onEvent(event)
        }
      },
    })
  }

  /** See `registerHelper` in helper.ts. */
  registerHelper(registration: HelperRegistration): Promise<void> {
    return registerHelper(this.#transport, registration)
  }

  /** False when there is none of that name, family and protocol. */
  unregisterHelper(helper: Pick<HelperRegistration, 'name' | 'family' | 'protocol'>): Promise<boolean> {
    return unregisterHelper(this.#transport, helper)
  }

  /** Helpers registered from user space; ERR_UNSUPPORTED where the kernel has no nfnetlink_cthelper. */
  listHelpers(): Promise<HelperRegistration[]> {
    return listHelpers(this.#transport)
  }

  /** Closes the socket, unless the transport was given. Subscriptions are closed on their own. */
  close(): void {
    if (!this.#options.transport) this.#transport.close()
  }

  async #execute(operation: ConntrackOperation, allowMissing = false): Promise<boolean> {
    const { errno, message } = await this.#transport.request(
      encodeOperations(inZone([operation], this.#options.zone))[0]!,
    )
    if (errno === ENOENT && allowMissing) return false
    if (errno) throw kernelError(operationTable[operation.kind].name, errno, message)
    return true
  }

  async #ask(request: NetlinkRequest, name: string): Promise<NetlinkReply['replies']> {
    const { errno, message, replies } = await this.#transport.request(request)
    if (errno) throw kernelError(name, errno, message)
    return replies
  }
}

const isOfZone = (it: InZone, zone: number | undefined): boolean => zone === undefined || (it.zone ?? 0) === zone

function inZone(operations: readonly ConntrackOperation[], zone: number | undefined): readonly ConntrackOperation[] {
  if (zone === undefined) return operations
  return operations.map((operation): ConntrackOperation => {
    if (operation.kind === 'create-conntrack') return { ...operation, conntrack: { zone, ...operation.conntrack } }
    if (operation.kind === 'create-expectation' || operation.kind === 'update-expectation')
      return { ...operation, expectation: { zone, ...operation.expectation } }
    return { zone, ...operation }
  })
}

function resultOf({ errno, message, replies }: NetlinkReply): OperationResult {
  if (errno === 0) return replies[0] ? { errno, entry: decodeEntry(replies[0].payload) } : DONE
  return { errno, errnoName: errnoName(errno), ...(message === undefined ? {} : { kernelMessage: message }) }
}

/**
 * Opens the conntrack table of a network namespace. Rejects with ERR_PERMISSION without CAP_NET_ADMIN, ERR_ADDON when the addon
 * cannot be loaded, ERR_KERNEL (ENOENT) when there is no such namespace.
 *
 * @example
 * const conntrack = await openConntrack({ netns: '/run/netns/gateway' })
 * const results = await conntrack.batch([
 *   { kind: 'create-conntrack', conntrack: anchorConntrack({ family: 4, n: 0, helper: 'sip', timeoutSec: 60 }) },
 *   { kind: 'create-expectation', expectation },
 * ])
 */
export async function openConntrack(options: ConntrackOptions = {}): Promise<Conntrack> {
  return new Conntrack(options)
}
