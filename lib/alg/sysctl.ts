import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

/** `net.ipv4.ip_forward` as a path under /proc/sys. */
const path = (name: string): string => `/proc/sys/${name.replaceAll('.', '/')}`

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

const FORWARDING = ['net.ipv4.ip_forward', 'net.ipv6.conf.all.forwarding']

/** Turns forwarding on; returns what puts back how it was. */
export function enableForwarding(netns?: string): () => void {
  const changed: [string, string][] = []
  for (const name of FORWARDING) {
    const value = readSysctl(name, netns)
    if (value === '1') continue
    writeSysctl(name, '1', netns)
    changed.push([name, value])
  }
  return () => {
    for (const [name, value] of changed) writeSysctl(name, value, netns)
  }
}
