/** Netlink messages: `struct nlmsghdr` and what NLMSG_ERROR and NLMSG_DONE carry (linux/netlink.h). */
import type { NetlinkMessage } from '../../types/netlink.js'
import { decode, text, u32, type Writer } from './attribute.js'

export const NETLINK_ROUTE = 0
export const NETLINK_NETFILTER = 12
export const NETLINK_GENERIC = 16

export const NLMSG_NOOP = 1
export const NLMSG_ERROR = 2
export const NLMSG_DONE = 3

export const NLM_F_REQUEST = 0x1
export const NLM_F_ACK = 0x4
/** A dump's answer: the table changed while it was read. */
export const NLM_F_DUMP_INTR = 0x10
export const NLM_F_DUMP = 0x300
/** On NEW messages. */
export const NLM_F_REPLACE = 0x100
export const NLM_F_EXCL = 0x200
export const NLM_F_CREATE = 0x400
export const NLM_F_APPEND = 0x800
/** On NLMSG_ERROR: the request's payload is left out (NETLINK_CAP_ACK). */
const NLM_F_CAPPED = 0x100
/** On NLMSG_ERROR and NLMSG_DONE: attributes follow (NETLINK_EXT_ACK). */
const NLM_F_ACK_TLVS = 0x200

/** sizeof(struct nlmsghdr). */
export const NLMSG_HDRLEN = 16

/** `enum nlmsgerr_attrs`. */
const ackTable = { message: text(1), offset: u32(2), missingType: u32(5) }

/** What the kernel made of a request: `errno` 0 or positive, and its sentence if it said one. */
export interface Acknowledgement {
  readonly errno: number
  readonly message: string | undefined
}

/** Appends one message to `writer`. `payload` is copied; the message is padded to NLMSG_ALIGN. */
export function writeMessage(writer: Writer, type: number, flags: number, sequence: number, payload: Uint8Array): void {
  writer.u32(NLMSG_HDRLEN + payload.length)
  writer.u16(type)
  writer.u16(flags)
  writer.u32(sequence)
  writer.u32(0)
  writer.raw(payload)
  writer.align()
}

/** Called with a message's header fields and where its payload lies. */
export type MessageVisitor = (type: number, flags: number, sequence: number, start: number, end: number) => void

/**
 * Visits the messages of one datagram, bytes[start, end), copying nothing. Stops at the first that does not fit; datagrams may end
 * unaligned.
 */
export function visitMessages(bytes: Uint8Array, start: number, end: number, visit: MessageVisitor): void {
  while (start + NLMSG_HDRLEN <= end) {
    const length = readU32(bytes, start)
    if (length < NLMSG_HDRLEN || start + length > end) return
    const type = bytes[start + 4]! | (bytes[start + 5]! << 8)
    const flags = bytes[start + 6]! | (bytes[start + 7]! << 8)
    visit(type, flags, readU32(bytes, start + 8), start + NLMSG_HDRLEN, start + length)
    start += (length + 3) & ~3
  }
}

/** The messages of one datagram; payloads are views into `bytes`. */
export function decodeMessages(bytes: Uint8Array, start = 0, end = bytes.length): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  visitMessages(bytes, start, end, (type, flags, sequence, from, to) =>
    messages.push({ type, flags, sequence, payload: bytes.subarray(from, to) }),
  )
  return messages
}

/** Reads NLMSG_ERROR's payload, `struct nlmsgerr`: the error, the request's header, its payload unless capped, attributes. */
export function decodeError(bytes: Uint8Array, start: number, end: number, flags: number): Acknowledgement {
  if (end - start < 4 + NLMSG_HDRLEN) return { errno: EPROTO, message: undefined }
  const echoed = flags & NLM_F_CAPPED ? NLMSG_HDRLEN : Math.max(NLMSG_HDRLEN, readU32(bytes, start + 4))
  return acknowledgement(bytes, start, start + 4 + ((echoed + 3) & ~3), end, flags)
}

/** Reads NLMSG_DONE's payload: a dump's result, 0 or a negative errno, and attributes. */
export function decodeDone(bytes: Uint8Array, start: number, end: number, flags: number): Acknowledgement {
  // The result is missing from very old kernels' answers only.
  if (end - start < 4) return { errno: 0, message: undefined }
  return acknowledgement(bytes, start, start + 4, end, flags)
}

const EPROTO = 71

function acknowledgement(bytes: Uint8Array, start: number, tlvs: number, end: number, flags: number): Acknowledgement {
  const result = readU32(bytes, start) | 0
  const errno = result < 0 ? -result : 0
  if (!(flags & NLM_F_ACK_TLVS)) return { errno, message: undefined }
  const { message, missingType } = decode(ackTable, bytes, tlvs, end)
  if (message === undefined && missingType !== undefined)
    return { errno, message: `attribute ${missingType} is missing` }
  return { errno, message }
}

/** Host order, see attribute.ts. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
