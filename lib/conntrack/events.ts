import type { ConntrackEvent, RawConntrackEvent } from '../../types/conntrack.js'
import type { NetlinkMessage } from '../../types/netlink.js'
import { NLM_F_CREATE } from '../netlink/message.js'
import { NFGENMSG_LENGTH } from '../netlink/nfnetlink.js'
import {
  conntrackTable,
  groupTable,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_NEW,
  IPCTNL_MSG_EXP_DELETE,
  IPCTNL_MSG_EXP_NEW,
  IPS_EXPECTED,
} from './ctnetlink.table.js'
import { decodeEntry, decodeExpectation } from './message.js'

export type EventGroup = keyof typeof groupTable

/** What is worth decoding. A busy gateway has thousands of flows a second, of which the media flows of calls are a handful. */
export interface EventFilter {
  /** Only flows that an expectation brought (RELATED); of the others not even the tuples are read. Default false. */
  readonly expectedOnly?: boolean
  /** Asked before decoding; false skips the event. A flow inherits its anchor's mark, so the mark alone can tell. */
  readonly accept?: (event: RawConntrackEvent) => boolean
}

/** An event as `onEvent` gets it; an overrun goes to `onOverrun`. */
export type KernelEvent = Exclude<ConntrackEvent, { kind: 'overrun' }>

type Raw = { -readonly [K in keyof RawConntrackEvent]: RawConntrackEvent[K] }

const NLA_TYPE_MASK = 0x3fff
const ID = conntrackTable.id.type
const STATUS = conntrackTable.status.type
const MARK = conntrackTable.mark.type
const TUPLE_MASTER = conntrackTable.master.type & NLA_TYPE_MASK

const raw: Raw = { kind: 'conntrack-new', id: 0, status: 0, mark: 0, isExpected: false }

/** One walk over the outermost attributes: four comparisons each, nothing allocated. */
function scan(bytes: Uint8Array, kind: Raw['kind']): Raw {
  raw.kind = kind
  raw.id = raw.status = raw.mark = 0
  raw.isExpected = false
  let at = NFGENMSG_LENGTH
  while (at + 4 <= bytes.length) {
    const length = bytes[at]! | (bytes[at + 1]! << 8)
    if (length < 4 || at + length > bytes.length) break
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & NLA_TYPE_MASK
    if (type === TUPLE_MASTER) raw.isExpected = true
    else if (length === 8) {
      if (type === ID) raw.id = u32(bytes, at + 4)
      else if (type === STATUS) raw.status = u32(bytes, at + 4)
      else if (type === MARK) raw.mark = u32(bytes, at + 4)
    }
    at += (length + 3) & ~3
  }
  if (raw.status & IPS_EXPECTED) raw.isExpected = true
  return raw
}

const u32 = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/** The kernel says NEW and UPDATE with one message type; NEW carries NLM_F_CREATE. */
function kindOf({ type, flags }: NetlinkMessage): KernelEvent['kind'] | undefined {
  if (type === IPCTNL_MSG_CT_NEW) return flags & NLM_F_CREATE ? 'conntrack-new' : 'conntrack-update'
  if (type === IPCTNL_MSG_CT_DELETE) return 'conntrack-destroy'
  if (type === IPCTNL_MSG_EXP_NEW) return 'expectation-new'
  if (type === IPCTNL_MSG_EXP_DELETE) return 'expectation-destroy'
  return undefined
}

/**
 * One multicast message as an event, or undefined when the filter does not want it or it is none of ours. Decoded values own
 * their bytes.
 */
export function decodeEvent(message: NetlinkMessage, filter: EventFilter = {}): KernelEvent | undefined {
  const kind = kindOf(message)
  if (kind === undefined) return undefined
  if (kind === 'expectation-new' || kind === 'expectation-destroy')
    return { kind, expectation: decodeExpectation(message.payload) }
  const { expectedOnly, accept } = filter
  if (expectedOnly || accept) {
    const event = scan(message.payload, kind)
    if (expectedOnly && !event.isExpected) return undefined
    if (accept && !accept(event)) return undefined
  }
  return { kind, entry: decodeEntry(message.payload) }
}

/** Multicast group numbers (enum nfnetlink_groups). */
export const groupNumbers = (groups: readonly EventGroup[]): number[] => groups.map((group) => groupTable[group])
