import { constants } from 'node:os'
import type { NetlinkEvents, NetlinkMessage } from '../../types/netlink.js'
import { type CthelperError, kernelError } from '../base/errors.js'
import { visitMessages } from './message.js'
import { joinGroup, type NetlinkSocket, openNetlinkSocket } from './socket.js'

export interface EventsOptions {
  /** Network namespace path; default: the process's own. */
  readonly netns?: string | undefined
  /** SO_RCVBUFFORCE, bytes; default 4 MiB. Events that do not fit are lost, and `onOverrun` says so. */
  readonly receiveBuffer?: number | undefined
  /** A batch, in order. Payloads are views into the receive buffer, valid until this returns. */
  readonly onMessages: (messages: readonly NetlinkMessage[]) => void
  /** ENOBUFS: the kernel dropped events. State must be read again. */
  readonly onOverrun: () => void
  /** The socket failed; the subscription is closed after it. Default: the error is thrown (an 'uncaughtException'). */
  readonly onError?: ((error: CthelperError) => void) | undefined
}

const slotSize = 16384
const slots = 32

/**
 * Subscribes to multicast groups (numbers, such as NFNLGRP_CONNTRACK_NEW 1). Keeps the process alive until closed.
 * NETLINK_NO_ENOBUFS stays off, so that a loss is always heard of. Throws like `openTransport`, and where a group does not exist.
 */
export function openEvents(protocol: number, groups: readonly number[], options: EventsOptions): NetlinkEvents {
  const { netns, receiveBuffer = 4 << 20 } = options
  const socket = openNetlinkSocket(protocol, { netns, slotSize, slots, receiveBuffer })
  try {
    for (const group of groups) joinGroup(socket.native, group)
    const started = socket.native.start((count) => take(socket, count, options))
    if (started < 0) throw kernelError('poll netlink socket', -started)
  } catch (error) {
    socket.native.close()
    throw error
  }
  return { close: () => socket.native.close() }
}

function take(socket: NetlinkSocket, count: number, options: EventsOptions): void {
  if (count > 0) options.onMessages(messagesOf(socket, count))
  else if (count === -constants.errno.ENOBUFS) options.onOverrun()
  else fail(socket, count, options)
}

function fail(socket: NetlinkSocket, count: number, options: EventsOptions): void {
  socket.native.close()
  const error = kernelError('receive netlink events', -count)
  if (!options.onError) throw error
  options.onError(error)
}

function messagesOf({ buffer, lengths }: NetlinkSocket, count: number): NetlinkMessage[] {
  const messages: NetlinkMessage[] = []
  const visit = (type: number, flags: number, sequence: number, start: number, end: number) =>
    messages.push({ type, flags, sequence, payload: buffer.subarray(start, end) })
  for (let i = 0; i < count; i++) {
    const start = i * slotSize
    visitMessages(buffer, start, start + Math.min(lengths[i]!, slotSize), visit)
  }
  return messages
}
