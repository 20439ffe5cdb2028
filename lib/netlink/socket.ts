import type { NativeSocket } from '../../types/native.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'

const SOL_SOCKET = 1
const SO_SNDBUF = 7
const SO_RCVBUF = 8
const SO_SNDBUFFORCE = 32
const SO_RCVBUFFORCE = 33
const SOL_NETLINK = 270
const NETLINK_ADD_MEMBERSHIP = 1
const NETLINK_CAP_ACK = 10
const NETLINK_EXT_ACK = 11

export interface NetlinkSocketOptions {
  /** Network namespace path; default: the process's own. */
  readonly netns?: string | undefined
  /** Bytes a datagram may have. */
  readonly slotSize: number
  /** Datagrams a batch may have. */
  readonly slots: number
  /** Kernel-side buffer, bytes. */
  readonly receiveBuffer?: number | undefined
}

/** A netlink socket of the addon with the buffers it receives into. */
export interface NetlinkSocket {
  readonly native: NativeSocket
  readonly buffer: Uint8Array
  readonly slotSize: number
  /** Length of datagram i of the last batch; above `slotSize`: truncated. */
  readonly lengths: Uint32Array
}

/** Opens a netlink socket with extended ACKs on. Throws ERR_ADDON, ERR_PERMISSION, ERR_UNSUPPORTED or ERR_KERNEL. */
export function openNetlinkSocket(protocol: number, options: NetlinkSocketOptions): NetlinkSocket {
  const { netns = '', slotSize, slots } = options
  const buffer = new Uint8Array(slotSize * slots)
  const lengths = new Uint32Array(slots)
  const native = nativeAddon().open(protocol, netns, buffer, slotSize, lengths)
  if (typeof native === 'number') {
    throw kernelError(`open netlink socket${netns && ` in ${netns}`}`, -native)
  }
  native.setOption(SOL_NETLINK, NETLINK_EXT_ACK, 1)
  native.setOption(SOL_NETLINK, NETLINK_CAP_ACK, 1)
  if (options.receiveBuffer !== undefined) setReceiveBuffer(native, options.receiveBuffer)
  return { native, buffer, slotSize, lengths }
}

/** SO_RCVBUFFORCE needs CAP_NET_ADMIN in the initial user namespace; otherwise net.core.rmem_max is the limit. */
function setReceiveBuffer(native: NativeSocket, bytes: number): void {
  if (native.setOption(SOL_SOCKET, SO_RCVBUFFORCE, bytes) < 0) native.setOption(SOL_SOCKET, SO_RCVBUF, bytes)
}

/** Joins a multicast group. Throws ERR_KERNEL (ENOENT: the protocol has no such group) or ERR_PERMISSION. */
export function joinGroup(native: NativeSocket, group: number): void {
  const result = native.setOption(SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, group)
  if (result < 0) throw kernelError(`join netlink group ${group}`, -result)
}

const EMSGSIZE = 90

/** One sendto() of bytes[start, end); a datagram too large for the socket's buffer enlarges it. Throws ERR_CLOSED or ERR_KERNEL. */
export function sendDatagram(native: NativeSocket, bytes: Uint8Array, start: number, end: number): void {
  let sent = native.send(bytes, start, end - start)
  if (sent === -EMSGSIZE) {
    const room = (end - start) * 2 + 4096
    if (native.setOption(SOL_SOCKET, SO_SNDBUFFORCE, room) < 0) native.setOption(SOL_SOCKET, SO_SNDBUF, room)
    sent = native.send(bytes, start, end - start)
  }
  if (sent === -9) throw closedError()
  if (sent < 0) throw kernelError('send netlink message', -sent)
}

export function closedError(): CthelperError {
  return new CthelperError('ERR_CLOSED', 'send netlink message', 'the netlink socket is closed')
}
