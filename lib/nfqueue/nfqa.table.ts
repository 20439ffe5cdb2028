/** What nfnetlink_queue speaks (linux/netfilter/nfnetlink_queue.h). Numbers in packets are in network order. */
import { type Field, raw, text, u32be } from '../netlink/attribute.js'
import { NFNL_SUBSYS_QUEUE, nfnetlinkType } from '../netlink/nfnetlink.js'

export const NFQNL_MSG_PACKET = nfnetlinkType(NFNL_SUBSYS_QUEUE, 0)
export const NFQNL_MSG_VERDICT = nfnetlinkType(NFNL_SUBSYS_QUEUE, 1)
export const NFQNL_MSG_CONFIG = nfnetlinkType(NFNL_SUBSYS_QUEUE, 2)
export const NFQNL_MSG_VERDICT_BATCH = nfnetlinkType(NFNL_SUBSYS_QUEUE, 3)

/** `struct nfqnl_msg_packet_hdr`, packed, 7 bytes. */
export interface PacketHeader {
  readonly id: number
  readonly etherType: number
  readonly hook: number
}

const u32At = (bytes: Uint8Array, at: number) =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

const packetHeader = (type: number): Field<PacketHeader> => ({
  type,
  write(writer, { id, etherType, hook }) {
    writer.u32be(id)
    writer.u16be(etherType)
    writer.u8(hook)
  },
  read: (bytes, start) => ({
    id: u32At(bytes, start),
    etherType: (bytes[start + 4]! << 8) | bytes[start + 5]!,
    hook: bytes[start + 6]!,
  }),
})

/** `enum nfqnl_attr_type`, in a packet. */
export const packetTable = {
  header: packetHeader(1), // NFQA_PACKET_HDR
  mark: u32be(3), // NFQA_MARK
  timestamp: raw(4), // NFQA_TIMESTAMP
  indev: u32be(5), // NFQA_IFINDEX_INDEV
  outdev: u32be(6), // NFQA_IFINDEX_OUTDEV
  physicalIndev: u32be(7), // NFQA_IFINDEX_PHYSINDEV
  physicalOutdev: u32be(8), // NFQA_IFINDEX_PHYSOUTDEV
  hardwareAddress: raw(9), // NFQA_HWADDR
  payload: raw(10), // NFQA_PAYLOAD
  conntrack: raw(11), // NFQA_CT
  conntrackInfo: u32be(12), // NFQA_CT_INFO
  capturedLength: u32be(13), // NFQA_CAP_LEN: the true length, despite its name
  skbInfo: u32be(14), // NFQA_SKB_INFO
  uid: u32be(16), // NFQA_UID
  gid: u32be(17), // NFQA_GID
  securityContext: text(18), // NFQA_SECCTX
}

/** `struct nfqnl_msg_verdict_hdr`. */
export interface VerdictHeader {
  readonly verdict: number
  readonly id: number
}

const verdictHeader = (type: number): Field<VerdictHeader> => ({
  type,
  write(writer, { verdict, id }) {
    writer.u32be(verdict)
    writer.u32be(id)
  },
  read: (bytes, start) => ({ verdict: u32At(bytes, start), id: u32At(bytes, start + 4) }),
})

/** `enum nfqnl_attr_type`, in a verdict. */
export const verdictTable = {
  header: verdictHeader(2), // NFQA_VERDICT_HDR
  mark: u32be(3), // NFQA_MARK
  payload: raw(10), // NFQA_PAYLOAD
}

/** `enum nfqnl_attr_config`. */
export const configTable = {
  command: u32be(1), // NFQA_CFG_CMD: command in the upper byte, the family below is of no effect
  parameters: raw(2), // NFQA_CFG_PARAMS: struct nfqnl_msg_config_params, be32 range, u8 mode
  maxLength: u32be(3), // NFQA_CFG_QUEUE_MAXLEN
  mask: u32be(4), // NFQA_CFG_MASK
  flags: u32be(5), // NFQA_CFG_FLAGS
}

/** `enum nfqnl_msg_config_cmds`, in the upper byte of `command`. */
export const NFQNL_CFG_CMD_BIND = 1 << 24
export const NFQNL_COPY_PACKET = 2
/** NFQA_CFG_F_*. */
export const flagBits = { 'fail-open': 1, conntrack: 2, gso: 4, 'uid-gid': 8, secctx: 16 } as const

/** NF_DROP, NF_ACCEPT, NF_REPEAT. */
export const verdictNumbers = { drop: 0, accept: 1, repeat: 4 } as const

/** By `enum nf_inet_hooks`. */
export const hooks = ['prerouting', 'input', 'forward', 'output', 'postrouting'] as const
