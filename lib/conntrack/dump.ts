import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Family } from '../../types/endpoint.js'
import type { NetlinkRequest } from '../../types/netlink.js'
import { encode } from '../netlink/attribute.js'
import { NLM_F_DUMP } from '../netlink/message.js'
import { nfnetlinkRequest } from '../netlink/nfnetlink.js'
import { conntrackTable, IPCTNL_MSG_CT_DELETE, IPCTNL_MSG_CT_GET } from './ctnetlink.table.js'
import { defined, familyNumber } from './message.js'

/** Which entries a dump shows or a flush removes; what is left out matches all. The kernel does the choosing. */
export interface EntryFilter {
  readonly family?: Family
  /** CTA_MARK under CTA_MARK_MASK. */
  readonly mark?: number
  /** Default all bits. */
  readonly markMask?: number
  /** CTA_STATUS under CTA_STATUS_MASK (Linux 5.11 and later; older kernels ignore it in a flush). */
  readonly status?: number
  /** Default the bits of `status`. */
  readonly statusMask?: number
}

const ALL = 0xffffffff

function filterAttributes({ mark, markMask = ALL, status, statusMask = status }: EntryFilter) {
  return defined({
    mark,
    markMask: mark === undefined ? undefined : markMask,
    status,
    statusMask: status === undefined ? undefined : statusMask,
  })
}

/** IPCTNL_MSG_CT_GET with NLM_F_DUMP. */
export function dumpRequest(filter: EntryFilter): NetlinkRequest {
  return nfnetlinkRequest(IPCTNL_MSG_CT_GET, NLM_F_DUMP, familyNumber(filter.family), (writer) =>
    encode(conntrackTable, filterAttributes(filter), writer),
  )
}

/** IPCTNL_MSG_CT_DELETE without a tuple. The kernel heeds the family only in version 1 of the message. */
export function flushRequest(filter: EntryFilter): NetlinkRequest {
  const request = nfnetlinkRequest(IPCTNL_MSG_CT_DELETE, 0, familyNumber(filter.family), (writer) =>
    encode(conntrackTable, filterAttributes(filter), writer),
  )
  request.payload[1] = 1 // nfgenmsg.version
  return request
}

/** The same choice once more: a kernel that does not know a filter attribute shows everything. */
export function matches(entry: ConntrackEntry, filter: EntryFilter): boolean {
  const { family, mark, markMask = ALL, status, statusMask = status } = filter
  if (family !== undefined && entry.original.family !== family) return false
  if (mark !== undefined && ((entry.mark ?? 0) & markMask) >>> 0 !== (mark & markMask) >>> 0) return false
  return status === undefined || (((entry.status ?? 0) ^ status) & statusMask!) === 0
}
