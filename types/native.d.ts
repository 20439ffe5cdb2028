/**
 * The addon's whole surface (native/): netlink sockets on the event loop. It parses no attribute; it moves datagrams.
 * Everything returns negative errno values instead of throwing, except for wrong argument types.
 */
export interface NativeAddon {
  /**
   * socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol) inside the network namespace at `netnsPath` (an open
   * file path such as /run/netns/x; empty: the caller's own), bound with an automatic port id.
   * `buffer` is where received datagrams go, `slotSize` bytes apart; `lengths[i]` gets datagram i's length (the kernel's true
   * length, MSG_TRUNC, so a value above slotSize means truncated). Both belong to the caller and must outlive the socket.
   * Returns the socket, or a negative errno.
   */
  open(
    protocol: number,
    netnsPath: string,
    buffer: Uint8Array,
    slotSize: number,
    lengths: Uint32Array,
  ): NativeSocket | number
  /**
   * A UDP socket in the namespace at `netnsPath` (empty: the caller's own), bound to `address` (4 or 16 bytes) and `port` (0: the
   * kernel chooses), non-blocking, without SO_REUSEADDR; IPv6 sockets take IPv6 only. Returns the descriptor, owned by the caller
   * (`dgram.createSocket('udp4').bind({ fd })` takes it over), or a negative errno.
   */
  openUdp(netnsPath: string, family: 4 | 6, address: Uint8Array, port: number): number
  /**
   * A TCP socket in the namespace, bound as `openUdp` does, but transparent (IP_TRANSPARENT, IPV6_TRANSPARENT): `address` may be
   * anybody's, not only this machine's. With SO_REUSEADDR; neither listening nor connected yet. Returns the descriptor, owned by the
   * caller (`server.listen({ fd })`, `new net.Socket({ fd }).connect(...)` take it over), or a negative errno (-EPERM: no CAP_NET_ADMIN).
   */
  openTcp(netnsPath: string, family: 4 | 6, address: Uint8Array, port: number): number
  /**
   * socket(SOCK_RAW, IPPROTO_RAW) in the namespace, with SO_MARK: for whole IP packets, whatever source they name. It receives
   * nothing. Returns the descriptor, owned by the caller, or a negative errno (-EPERM: no CAP_NET_RAW).
   */
  openRaw(netnsPath: string, family: 4 | 6, mark: number): number
  /** sendto() of one IP packet by such a socket, routed to `address`. Bytes sent, or a negative errno. */
  sendRaw(fd: number, family: 4 | 6, address: Uint8Array, packet: Uint8Array): number
  /**
   * open(file, O_RDONLY) inside the namespace. A file below /proc/thread-self/net shows that namespace for as long as it is open,
   * from wherever it is read. Returns the descriptor, owned by the caller, or a negative errno.
   */
  openFile(netnsPath: string, file: string): number
}

export interface NativeSocket {
  readonly fd: number
  /** The bound netlink port id. */
  readonly portId: number
  /** One sendto() of bytes[offset, offset+length) to the kernel. Bytes sent, or a negative errno (-EAGAIN included). */
  send(bytes: Uint8Array, offset: number, length: number): number
  /**
   * Like `send`, in order with earlier posts, but many bytes are copied and sent by a thread of the socket's own, so that what the
   * kernel does with them (a verdict carries its packet on to the wire) does not hold JavaScript up. `length`, or a negative errno: that
   * of these bytes, or of earlier ones that the thread could not send; then these are dropped. `close` waits for what is under way.
   */
  post(bytes: Uint8Array, offset: number, length: number): number
  /** One recvmmsg(MSG_DONTWAIT) into the buffer. Number of datagrams (0: nothing there), or a negative errno (-ENOBUFS: the kernel dropped some). */
  receive(): number
  /**
   * Poll for readability: on each, recvmmsg until empty (at most 8 batches a loop turn), `onBatch(count)` per batch; count < 0 is
   * a negative errno: after -ENOBUFS the poll goes on, after any other it has stopped. Replaces an earlier start. `onBatch` may
   * stop or close the socket; what it throws becomes an 'uncaughtException', and the poll goes on if that was handled.
   * Returns 0 or a negative errno.
   */
  start(onBatch: (count: number) => void): number
  stop(): void
  /** Keep (default after start) or stop keeping the event loop alive. */
  ref(): void
  unref(): void
  /** setsockopt(level, name, int). 0 or negative errno. */
  setOption(level: number, name: number, value: number): number
  /** getsockopt int. Value, or negative errno. */
  getOption(level: number, name: number): number
  close(): void
}
