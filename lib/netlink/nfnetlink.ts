/** What all netfilter subsystems share on NETLINK_NETFILTER (linux/netfilter/nfnetlink.h). */
import type { NetlinkRequest } from '../../types/netlink.js'
import { Writer } from './attribute.js'

export const NFNL_SUBSYS_CTNETLINK = 1
export const NFNL_SUBSYS_CTNETLINK_EXP = 2
export const NFNL_SUBSYS_QUEUE = 3
export const NFNL_SUBSYS_CTHELPER = 9
export const NFNL_SUBSYS_NFTABLES = 10

export const NFNL_MSG_BATCH_BEGIN = 0x10
export const NFNL_MSG_BATCH_END = 0x11

/** sizeof(struct nfgenmsg). */
export const NFGENMSG_LENGTH = 4

/** nlmsg_type of `message` in `subsystem`. */
export const nfnetlinkType = (subsystem: number, message: number): number => (subsystem << 8) | message

/** Appends `struct nfgenmsg`. `family` is AF_UNSPEC 0, AF_INET 2, AF_INET6 10, NFPROTO_INET 1; `resource` is subsystem-specific. */
export function writeNfgenmsg(writer: Writer, family: number, resource = 0): void {
  writer.u8(family)
  writer.u8(0) // NFNETLINK_V0
  writer.u16be(resource)
}

/**
 * One netfilter request: nfgenmsg, then what `body` appends. The payload is a view into a buffer of its own; the caller keeps it.
 *
 * @example
 * nfnetlinkRequest(nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 0), NLM_F_CREATE, 2, (w) => encode(conntrackTable, entry, w))
 */
export function nfnetlinkRequest(
  type: number,
  flags: number,
  family: number,
  body?: (writer: Writer) => void,
  resource = 0,
): NetlinkRequest {
  const writer = new Writer(128)
  writeNfgenmsg(writer, family, resource)
  body?.(writer)
  return { type, flags, payload: writer.bytes() }
}

/**
 * The requests of one transaction of `subsystem` (nf_tables): executed all or not at all. Give the result to `transport.batch`
 * whole; its replies then include those of the two brackets. A transaction that failed as a whole has the errno in every reply.
 */
export function transaction(subsystem: number, requests: readonly NetlinkRequest[]): NetlinkRequest[] {
  const begin = nfnetlinkRequest(NFNL_MSG_BATCH_BEGIN, 0, 0, undefined, subsystem)
  const end = nfnetlinkRequest(NFNL_MSG_BATCH_END, 0, 0, undefined, subsystem)
  return [begin, ...requests, end]
}
