/** One netlink message as received. `payload` is what follows `struct nlmsghdr`, borrowed until the callback or await returns. */
export interface NetlinkMessage {
  /** nlmsg_type. */
  readonly type: number
  /** nlmsg_flags. */
  readonly flags: number
  readonly sequence: number
  readonly payload: Uint8Array
}

/** One request. */
export interface NetlinkRequest {
  /** nlmsg_type; for nfnetlink (subsystem << 8) | message. */
  readonly type: number
  /** nlmsg_flags besides NLM_F_REQUEST and NLM_F_ACK, which the transport adds. */
  readonly flags: number
  readonly payload: Uint8Array
}

/** What the kernel answered to one request: errno 0 is success. Replies are copies; the caller owns them. */
export interface NetlinkReply {
  /** Positive errno, 0 on success. */
  readonly errno: number
  /** NLMSGERR_ATTR_MSG, when extended ACKs are on and the kernel said something. */
  readonly message?: string
  readonly replies: readonly NetlinkMessage[]
}

/**
 * Request and response over one netlink protocol. Two exist: over the library's addon (extended ACK, network namespaces, many
 * requests in one datagram) and over the npm package `netlink`. Both give the same answers.
 */
export interface NetlinkTransport {
  /** One request; a dump (NLM_F_DUMP) collects all parts. Kernel refusals are values; rejects only when the socket fails or is closed. */
  request(request: NetlinkRequest): Promise<NetlinkReply>
  /** Several requests, executed by the kernel in order, one reply each. A failed one does not stop those after it. */
  batch(requests: readonly NetlinkRequest[]): Promise<NetlinkReply[]>
  close(): void
}

/** A subscription to netlink multicast groups. */
export interface NetlinkEvents {
  close(): void
}
