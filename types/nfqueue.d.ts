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
  /** Packets the kernel dropped because the queue was full (/proc/net/netfilter/nfnetlink_queue `queue_dropped`). */
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
  /** SO_RCVBUFFORCE, bytes; default 8 MiB. */
  readonly receiveBuffer?: number
  /** Called once a batch. Verdicts given inside are sent together when it returns. */
  readonly onBatch: (packets: readonly QueuedPacket[]) => void
  /** A failure of the socket itself; the queue is closed after it. */
  readonly onError?: (error: Error) => void
}
