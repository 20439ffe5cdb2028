/** How many descriptors this process may have open (RLIMIT_NOFILE): a proxied connection takes two. */
import { readFileSync } from 'node:fs'
import { outputOf } from './command-output.js'

/** Besides those of connections: queues, netlink, listeners, the control socket and its clients. */
const OTHERS = 200

export const descriptorsFor = (connections: number): number => 2 * connections + OTHERS

/** As many connections as there are descriptors for. */
export const connectionsWith = (descriptors: number): number => Math.max(0, Math.floor((descriptors - OTHERS) / 2))

/** The soft limit; Node has raised it to the hard one when it started. */
function allowed(): number {
  return Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
}

/** Raises both limits of this process to `wanted`, where it may (CAP_SYS_RESOURCE) and they are lower; how many are allowed then. */
export function raiseDescriptors(wanted: number): number {
  if (allowed() < wanted) outputOf(undefined, ['prlimit', `--pid=${process.pid}`, `--nofile=${wanted}:${wanted}`])
  return allowed()
}
