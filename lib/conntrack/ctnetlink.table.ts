/**
 * ctnetlink's attributes as tables, kernel names beside ours. Source: linux/netfilter/nfnetlink_conntrack.h. Everything is in
 * network byte order except the words of CTA_FILTER.
 */
import type { Tuple } from '../../types/tuple.js'
import { decode, type Field, nest, raw, type TypeOf, text, u8, u16be, u32, u32be, u64be } from '../netlink/attribute.js'
import { NFNL_SUBSYS_CTNETLINK, NFNL_SUBSYS_CTNETLINK_EXP, nfnetlinkType } from '../netlink/nfnetlink.js'
import { address } from './address-field.js'
import { tupleFromWire, wireTable, writeTuple } from './tuple.js'

/** A nest that is a Tuple (CTA_TUPLE_IP, CTA_TUPLE_PROTO inside). */
const tuple = (type: number): Field<Tuple> => ({
  type: nest(type, wireTable).type,
  write: writeTuple,
  read: (bytes, start, end) => tupleFromWire(decode(wireTable, bytes, start, end)),
})

/** enum ctattr_counters */
export const countersTable = {
  packets: u64be(1), // CTA_COUNTERS_PACKETS
  bytes: u64be(2), // CTA_COUNTERS_BYTES
}

/** enum ctattr_tstamp: nanoseconds since the epoch, exact to 256 ns in a double */
export const timestampTable = {
  startNs: u64be(1), // CTA_TIMESTAMP_START
  stopNs: u64be(2), // CTA_TIMESTAMP_STOP
}

/** enum ctattr_help */
export const helpTable = {
  name: text(1), // CTA_HELP_NAME
  info: raw(2), // CTA_HELP_INFO
}

/** enum ctattr_protoinfo_tcp. The flags are struct nf_ct_tcp_flags: value, mask. */
export const protoinfoTcpTable = {
  state: u8(1), // CTA_PROTOINFO_TCP_STATE, enum tcp_conntrack
  windowScaleOriginal: u8(2), // CTA_PROTOINFO_TCP_WSCALE_ORIGINAL
  windowScaleReply: u8(3), // CTA_PROTOINFO_TCP_WSCALE_REPLY
  flagsOriginal: raw(4), // CTA_PROTOINFO_TCP_FLAGS_ORIGINAL
  flagsReply: raw(5), // CTA_PROTOINFO_TCP_FLAGS_REPLY
}

/** enum ctattr_protoinfo_dccp */
export const protoinfoDccpTable = {
  state: u8(1), // CTA_PROTOINFO_DCCP_STATE
  role: u8(2), // CTA_PROTOINFO_DCCP_ROLE
  handshakeSequence: u64be(3), // CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ
}

/** enum ctattr_protoinfo_sctp */
export const protoinfoSctpTable = {
  state: u8(1), // CTA_PROTOINFO_SCTP_STATE
  tagOriginal: u32be(2), // CTA_PROTOINFO_SCTP_VTAG_ORIGINAL
  tagReply: u32be(3), // CTA_PROTOINFO_SCTP_VTAG_REPLY
}

/** enum ctattr_protoinfo */
export const protoinfoTable = {
  tcp: nest(1, protoinfoTcpTable), // CTA_PROTOINFO_TCP
  dccp: nest(2, protoinfoDccpTable), // CTA_PROTOINFO_DCCP
  sctp: nest(3, protoinfoSctpTable), // CTA_PROTOINFO_SCTP
}

/** enum ctattr_protonat */
export const protonatTable = {
  portMin: u16be(1), // CTA_PROTONAT_PORT_MIN
  portMax: u16be(2), // CTA_PROTONAT_PORT_MAX
}

/** enum ctattr_nat: written only; the kernel does not show it. */
export const natTable = {
  v4Min: address(1), // CTA_NAT_V4_MINIP
  v4Max: address(2), // CTA_NAT_V4_MAXIP
  proto: nest(3, protonatTable), // CTA_NAT_PROTO
  v6Min: address(4), // CTA_NAT_V6_MINIP
  v6Max: address(5), // CTA_NAT_V6_MAXIP
}

/** enum ctattr_seqadj */
export const seqadjTable = {
  correctionPosition: u32be(1), // CTA_SEQADJ_CORRECTION_POS
  offsetBefore: u32be(2), // CTA_SEQADJ_OFFSET_BEFORE
  offsetAfter: u32be(3), // CTA_SEQADJ_OFFSET_AFTER
}

/** enum ctattr_synproxy */
export const synproxyTable = {
  isn: u32be(1), // CTA_SYNPROXY_ISN
  its: u32be(2), // CTA_SYNPROXY_ITS
  timestampOffset: u32be(3), // CTA_SYNPROXY_TSOFF
}

/** enum ctattr_secctx */
export const secctxTable = {
  name: text(1), // CTA_SECCTX_NAME
}

/** enum ctattr_filter: which parts of CTA_TUPLE_ORIG and CTA_TUPLE_REPLY a dump must match; host byte order. */
export const filterTable = {
  originalFlags: u32(1), // CTA_FILTER_ORIG_FLAGS
  replyFlags: u32(2), // CTA_FILTER_REPLY_FLAGS
}

/** enum ctattr_type */
export const conntrackTable = {
  original: tuple(1), // CTA_TUPLE_ORIG
  reply: tuple(2), // CTA_TUPLE_REPLY
  status: u32be(3), // CTA_STATUS
  protoinfo: nest(4, protoinfoTable), // CTA_PROTOINFO
  help: nest(5, helpTable), // CTA_HELP
  natSource: nest(6, natTable), // CTA_NAT_SRC
  timeout: u32be(7), // CTA_TIMEOUT, seconds
  mark: u32be(8), // CTA_MARK
  countersOriginal: nest(9, countersTable), // CTA_COUNTERS_ORIG
  countersReply: nest(10, countersTable), // CTA_COUNTERS_REPLY
  use: u32be(11), // CTA_USE
  id: u32be(12), // CTA_ID
  natDestination: nest(13, natTable), // CTA_NAT_DST
  master: tuple(14), // CTA_TUPLE_MASTER
  seqadjOriginal: nest(15, seqadjTable), // CTA_SEQ_ADJ_ORIG
  seqadjReply: nest(16, seqadjTable), // CTA_SEQ_ADJ_REPLY
  secmark: u32be(17), // CTA_SECMARK, obsolete
  zone: u16be(18), // CTA_ZONE
  secctx: nest(19, secctxTable), // CTA_SECCTX
  timestamp: nest(20, timestampTable), // CTA_TIMESTAMP
  markMask: u32be(21), // CTA_MARK_MASK
  labels: raw(22), // CTA_LABELS
  labelsMask: raw(23), // CTA_LABELS_MASK
  synproxy: nest(24, synproxyTable), // CTA_SYNPROXY
  filter: nest(25, filterTable), // CTA_FILTER
  statusMask: u32be(26), // CTA_STATUS_MASK
}

/** enum ctattr_expect_nat */
export const expectNatTable = {
  direction: u32be(1), // CTA_EXPECT_NAT_DIR
  tuple: tuple(2), // CTA_EXPECT_NAT_TUPLE: its source is where the destination goes
}

/** enum ctattr_expect */
export const expectTable = {
  master: tuple(1), // CTA_EXPECT_MASTER
  tuple: tuple(2), // CTA_EXPECT_TUPLE
  mask: tuple(3), // CTA_EXPECT_MASK
  timeout: u32be(4), // CTA_EXPECT_TIMEOUT, seconds
  id: u32be(5), // CTA_EXPECT_ID
  helper: text(6), // CTA_EXPECT_HELP_NAME
  zone: u16be(7), // CTA_EXPECT_ZONE
  flags: u32be(8), // CTA_EXPECT_FLAGS
  class: u32be(9), // CTA_EXPECT_CLASS
  nat: nest(10, expectNatTable), // CTA_EXPECT_NAT
  function: text(11), // CTA_EXPECT_FN
}

/** enum ctattr_stats_global */
export const statsTable = {
  entries: u32be(1), // CTA_STATS_GLOBAL_ENTRIES
  maxEntries: u32be(2), // CTA_STATS_GLOBAL_MAX_ENTRIES
}

export type ConntrackAttributes = TypeOf<typeof conntrackTable>
export type ExpectAttributes = TypeOf<typeof expectTable>

/** enum cntl_msg_types */
export const IPCTNL_MSG_CT_NEW = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 0)
export const IPCTNL_MSG_CT_GET = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 1)
export const IPCTNL_MSG_CT_DELETE = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 2)
export const IPCTNL_MSG_CT_GET_STATS = nfnetlinkType(NFNL_SUBSYS_CTNETLINK, 5)

/** enum ctnl_exp_msg_types */
export const IPCTNL_MSG_EXP_NEW = nfnetlinkType(NFNL_SUBSYS_CTNETLINK_EXP, 0)
export const IPCTNL_MSG_EXP_GET = nfnetlinkType(NFNL_SUBSYS_CTNETLINK_EXP, 1)
export const IPCTNL_MSG_EXP_DELETE = nfnetlinkType(NFNL_SUBSYS_CTNETLINK_EXP, 2)

/** enum ip_conntrack_status (linux/netfilter/nf_conntrack_common.h) */
export const IPS_EXPECTED = 1
export const IPS_SEEN_REPLY = 2
export const IPS_ASSURED = 4
export const IPS_CONFIRMED = 8
export const IPS_SRC_NAT = 16
export const IPS_DST_NAT = 32
export const IPS_DYING = 1 << 9
export const IPS_FIXED_TIMEOUT = 1 << 10
/** A helper was attached by a rule or over ctnetlink, as to anchors. */
export const IPS_HELPER = 1 << 13
export const IPS_OFFLOAD = 1 << 14

/** NF_CT_EXPECT_* */
export const NF_CT_EXPECT_PERMANENT = 1

/** enum nfnetlink_groups */
export const groupTable = {
  'conntrack-new': 1, // NFNLGRP_CONNTRACK_NEW
  'conntrack-update': 2, // NFNLGRP_CONNTRACK_UPDATE
  'conntrack-destroy': 3, // NFNLGRP_CONNTRACK_DESTROY
  'expectation-new': 4, // NFNLGRP_CONNTRACK_EXP_NEW
  'expectation-destroy': 6, // NFNLGRP_CONNTRACK_EXP_DESTROY
} as const
