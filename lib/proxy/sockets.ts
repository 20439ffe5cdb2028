import { createServer, type Server, Socket } from 'node:net'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { parseAddress } from '../base/address.js'
import { CthelperError, errnoName, kernelError } from '../base/errors.js'
import { nativeAddon } from '../base/native.js'
import { LISTENERS } from './rules.js'

const BACKLOG = 4096

/**
 * Listens at a loopback address for connections that rules bring there (`tproxy`), whatever they were made to; a connection's local
 * address is what its client asked for. Connections come paused. Throws ERR_IN_USE, ERR_PERMISSION, ERR_KERNEL.
 */
export async function listen(netns: string | undefined, family: Family, port: number): Promise<Server> {
  const address = LISTENERS[family]
  const fd = nativeAddon().openTcp(netns ?? '', family, parseAddress(address)!, port)
  if (fd < 0) throw refusal(`${address} port ${port}`, -fd)
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ fd }, BACKLOG, resolve)
  })
  server.removeAllListeners('error')
  return server
}

function refusal(where: string, errno: number): CthelperError {
  if (errnoName(errno) !== 'EADDRINUSE') return kernelError(`listen at ${where}`, errno)
  return new CthelperError('ERR_IN_USE', 'listen', `somebody listens at ${where}: choose another with tcp.port`)
}

/**
 * A socket of `source`'s own address and that port, not connected yet; the address is not this machine's. A positive errno where the
 * kernel refuses, EADDRINUSE among them.
 */
export function openSocket(netns: string | undefined, family: Family, { address, port }: Endpoint): Socket | number {
  const fd = nativeAddon().openTcp(netns ?? '', family, parseAddress(address)!, port)
  return fd < 0 ? -fd : new Socket({ fd, allowHalfOpen: true })
}
