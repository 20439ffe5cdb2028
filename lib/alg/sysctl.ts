import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

/** `net.ipv4.ip_forward` as a path under /proc/sys. An interface's name may have dots, and stands between slashes then. */
const path = (name: string): string => `/proc/sys/${name.includes('/') ? name : name.replaceAll('.', '/')}`

/** Another namespace's /proc/sys/net is seen by a process in it only. */
const inNamespace = (netns: string, ...command: string[]): string =>
  execFileSync('nsenter', [`--net=${netns}`, ...command], { encoding: 'utf8' })

/** Reads a sysctl of the network namespace. Throws as readFileSync does. */
export function readSysctl(name: string, netns?: string): string {
  return (netns === undefined ? readFileSync(path(name), 'utf8') : inNamespace(netns, 'cat', path(name))).trim()
}

/** Writes a sysctl of the network namespace. */
export function writeSysctl(name: string, value: string, netns?: string): void {
  if (netns === undefined) writeFileSync(path(name), value)
  else inNamespace(netns, 'sh', '-c', 'printf %s "$1" > "$0"', path(name), value)
}

const FORWARDING = ['net/ipv4/ip_forward', 'net/ipv6/conf/all/forwarding']
/** What the kernel changes along with them (inet_forward_change, addrconf_fixup_forwarding). */
const DEPENDENT = '/proc/sys/net/ipv4/conf/all/accept_redirects /proc/sys/net/ipv[46]/conf/*/forwarding'
const ROUTER_ADVERTISEMENTS_ALWAYS = '2'

/** The values of the sysctls that FORWARDING and the like change, by name. */
function snapshot(netns: string | undefined): Map<string, string> {
  const command = ['sh', '-c', `grep -Hs . ${DEPENDENT} || true`] as const
  const text =
    netns === undefined
      ? execFileSync(command[0], command.slice(1), { encoding: 'utf8' })
      : inNamespace(netns, ...command)
  const lines = text.split('\n').filter((line) => line !== '')
  return new Map(
    lines.map((line) => [
      line.slice('/proc/sys/'.length, line.lastIndexOf(':')),
      line.slice(line.lastIndexOf(':') + 1),
    ]),
  )
}

/**
 * Turns forwarding on, and lets the outside interfaces take router advertisements all the same, by which a provider's IPv6 may come;
 * returns what puts everything back as it was.
 */
export function enableForwarding(outside: readonly string[], netns?: string): () => void {
  const before = snapshot(netns)
  const changed: [string, string][] = []
  const set = (name: string, value: string, isToChange: (now: string) => boolean) => {
    const now = readSysctl(name, netns)
    if (!isToChange(now)) return
    writeSysctl(name, value, netns)
    changed.push([name, now])
  }
  const undo = () => {
    for (const [name, value] of changed.reverse()) writeSysctl(name, value, netns)
    const now = snapshot(netns)
    for (const [name, value] of before) {
      if (now.has(name) && now.get(name) !== value) writeSysctl(name, value, netns)
    }
  }
  try {
    // First, as the default routes that have come by advertisements would go with the change.
    for (const name of outside)
      set(`net/ipv6/conf/${name}/accept_ra`, ROUTER_ADVERTISEMENTS_ALWAYS, (now) => now === '1')
    for (const name of FORWARDING) set(name, '1', (now) => now !== '1')
  } catch (error) {
    undo()
    throw error
  }
  return undo
}
