/** Netfilter hook numbers (enum nf_inet_hooks). */
export type Hook = 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'

export type VerdictKind = 'accept' | 'drop' | 'repeat'

/**
 * A packet waiting for its verdict. The bytes are borrowed: `payload` and `conntrack` are views into the receive buffer, valid
 * only until the batch callback returns. Copy (`detach()`) to hold a packet across an await.
 */
export interface QueuedPacket {
  /** nfqnl_msg_packet_hdr.packet_id. */
  readonly id: number
  readonly hook: Hook
  /** Ethertype: 0x0800 or 0x86dd. */
  readonly etherType: number
  /** NFQA_MARK, 0 when absent. */
  readonly mark: number
  /** NFQA_IFINDEX_INDEV, 0 when absent. */
  readonly indev: number
  /** NFQA_IFINDEX_OUTDEV, 0 when absent. */
  readonly outdev: number
  /** NFQA_IFINDEX_PHYSINDEV and _PHYSOUTDEV: the bridge's ports, of a bridged packet (br_netfilter); 0 when absent. */
  readonly physicalIndev: number
  readonly physicalOutdev: number
  /** The IP packet. */
  readonly payload: Uint8Array
  /** NFQA_CAP_LEN: the true length, when the copy range cut the payload. */
  readonly originalLength: number
  /** The nest's content of NFQA_CT (CTA_* attributes), when the kernel gave it. */
  readonly conntrack: Uint8Array | undefined
  /** NFQA_CT_INFO: enum ip_conntrack_info. */
  readonly conntrackInfo: number | undefined
  /** NFQA_SKB_INFO bits: 1 checksum not ready, 2 GSO, 4 checksum not verified. */
  readonly skbInfo: number
  /** NFQA_UID and NFQA_GID of the sending socket, where flag `uid-gid` is on and the packet is local. */
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** NFQA_SECCTX, where flag `secctx` is on and a security module labels packets. */
  readonly securityContext?: string | undefined
  /** A copy that stays valid; its verdict may be given at any later time. */
  detach(): QueuedPacket
}

export interface VerdictOptions {
  /** New packet mark (NFQA_MARK). */
  readonly mark?: number
  /** Replacement packet, a whole IP packet; copied before the call returns. */
  readonly payload?: Uint8Array
}

/** Counters since open. */
export interface QueueCounters {
  readonly received: number
  readonly bytes: number
  readonly batches: number
  readonly verdicts: number
  readonly verdictErrors: number
  /** ENOBUFS reports on the socket. */
  readonly overruns: number
  /**
   * Packets the kernel dropped because the queue was full (/proc/net/netfilter/nfnetlink_queue `queue_dropped`), read from the queue's
   * own namespace. NaN, like `userDropped`, where /proc cannot be read.
   */
  readonly queueDropped: number
  /** Packets the kernel could not hand over (`user_dropped`). */
  readonly userDropped: number
}

export type QueueFlag = 'fail-open' | 'conntrack' | 'gso' | 'uid-gid' | 'secctx'

export interface QueueOptions {
  /** 0..65535. */
  readonly number: number
  /** Network namespace path (/run/netns/NAME); default: the process's own. */
  readonly netns?: string
  /** Bytes copied per packet, default 65531 (all). */
  readonly copyRange?: number
  /** NFQA_CFG_QUEUE_MAXLEN, packets; default 8192. */
  readonly maxLength?: number
  /** Wanted flags; those the kernel refuses are in `queue.refusedFlags`. */
  readonly flags?: readonly QueueFlag[]
  /** SO_RCVBUFFORCE, bytes; default 32 MiB, so that `maxLength` is reached first. */
  readonly receiveBuffer?: number
  /**
   * Called once a batch, with the packets in the kernel's order. Verdicts given inside are sent together when it returns. If it throws,
   * packets without a verdict that were not detached are dropped, and the exception becomes an 'uncaughtException'.
   */
  readonly onBatch: (packets: readonly QueuedPacket[], queue: Queue) => void
  /** A failure of the socket itself; the queue is closed after it. */
  readonly onError?: (error: Error) => void
}

/** An open queue. It keeps the process alive until closed. */
export interface Queue {
  readonly number: number
  /** Flags the kernel refused, in the order asked for. */
  readonly refusedFlags: readonly QueueFlag[]
  /**
   * Decides a packet, once: a second time, or a packet of another queue, throws ERR_ARGUMENT. Inside `onBatch` it is sent when that
   * returns, outside at the end of the running microtasks. Does nothing after close: the kernel has dropped the packet.
   */
  verdict(packet: QueuedPacket, kind: VerdictKind, options?: VerdictOptions): void
  /** Counters since open; after close, as they were then. */
  counters(): QueueCounters
  /** Sends the verdicts given and unbinds. The kernel drops what was still undecided; from then on the rule's bypass applies. */
  close(): void
}
