import { createRequire } from 'node:module'
import { constants } from 'node:os'
import type * as netlink from 'netlink'
import type { NetlinkEvents } from '../../types/netlink.js'
import { CthelperError } from '../base/errors.js'
import type { EventsOptions } from './events.js'
import { decodeMessages } from './message.js'

/**
 * `openEvents` over the npm package `netlink`: the process's own namespace only, and for groups of little traffic, since under a
 * flood the package ends the process. Payloads belong to the caller.
 */
export function openPackageEvents(
  protocol: number,
  groups: readonly number[],
  options: Omit<EventsOptions, 'netns'>,
): NetlinkEvents {
  const { RawNetlinkSocket } = createRequire(import.meta.url)('netlink') as typeof netlink
  const socket = new RawNetlinkSocket(protocol)
  let isClosed = false
  const close = () => {
    if (!isClosed) socket.close()
    isClosed = true
  }
  socket.on('message', (bytes) => options.onMessages(decodeMessages(bytes)))
  socket.on('error', (cause) => {
    const errno = Math.abs(cause.errno ?? 0)
    if (errno === constants.errno.ENOBUFS) return options.onOverrun()
    close()
    const error = new CthelperError('ERR_KERNEL', 'receive netlink events', cause.message, { errno, cause })
    if (!options.onError) throw error
    options.onError(error)
  })
  for (const group of groups) socket.addMembership(group)
  return { close }
}
