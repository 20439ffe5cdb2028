/** Probes of the process and the machine around the kernel's netfilter. */
import { readFileSync } from 'node:fs'
import { readSysctl } from '../alg/sysctl.js'
import { nativeAddon } from '../base/native.js'
import { openRoute } from '../netlink/index.js'
import { openNftables, SIP_TABLE } from '../nftables/index.js'
import type { Answer, CheckContext, Probe } from './check-context.js'
import { askControl } from './control-client.js'
import { systemCode } from './failure.js'

const CAP_NET_ADMIN = 12

/** Whether this process has CAP_NET_ADMIN in its effective set. */
export function hasNetAdmin(): boolean {
  const hex = /^CapEff:\s*([0-9a-f]+)/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0'
  return ((BigInt(`0x${hex}`) >> BigInt(CAP_NET_ADMIN)) & 1n) === 1n
}

function rights({ isPrivileged }: CheckContext): Answer {
  if (isPrivileged) return ['ok', 'CAP_NET_ADMIN is there']
  return ['fail', 'CAP_NET_ADMIN is missing, so most of this cannot be looked at', 'run as root']
}

function addon(): Answer {
  nativeAddon()
  return ['ok', 'the native addon loads']
}

async function interfaces({ inside, outside, netns }: CheckContext): Promise<Answer[]> {
  if (inside.length + outside.length === 0)
    return [['ok', 'none named; name them with --inside and --outside to have them looked at']]
  const route = openRoute({ netns })
  try {
    const links = await route.links()
    return [...inside, ...outside].map((name): Answer => {
      const link = links.find((it) => it.name === name)
      if (!link) return ['fail', `${name} does not exist`, `choose among ${links.map((it) => it.name).join(', ')}`]
      return link.isUp ? ['ok', `${name} is up`] : ['warn', `${name} is down`, `ip link set ${name} up, or plug it in`]
    })
  } finally {
    route.close()
  }
}

const FORWARDING: readonly [family: string, sysctl: string][] = [
  ['IPv4', 'net.ipv4.ip_forward'],
  ['IPv6', 'net.ipv6.conf.all.forwarding'],
]

function forwarding({ netns, masquerade }: CheckContext): Answer {
  const off = FORWARDING.filter(([, name]) => sysctlNumber(name, netns) === 0)
  if (off.length === 0) return ['ok', 'IPv4 and IPv6 are forwarded']
  const names = `${off.map(([family]) => family).join(' and ')} ${off.length > 1 ? 'are' : 'is'} not forwarded`
  if (masquerade) return ['ok', `${names} now; --masquerade turns it on`]
  const todo = `${off.map(([, name]) => `sysctl -w ${name}=1`).join('; ')} (or run with --masquerade)`
  // A gateway for one family is a gateway.
  return [off.some(([family]) => family === 'IPv4') ? 'fail' : 'warn', names, todo]
}

/** The number in a sysctl; undefined where there is none of that name. */
export function sysctlNumber(name: string, netns: string | undefined): number | undefined {
  try {
    return Number(readSysctl(name, netns))
  } catch {
    return undefined
  }
}

async function running({ socket, netns, isPrivileged }: CheckContext): Promise<Answer[]> {
  const pid = await pidAt(socket)
  const hasTable = isPrivileged && (await ownTable(netns))
  if (typeof pid === 'number')
    return [['ok', `a cthelper runs, pid ${pid}, control socket ${socket}`], ...(hasTable ? [OUR_TABLE] : [])]
  if (pid !== undefined) return [['warn', `something at ${socket} does not answer: ${pid}`, 'end it, or use --socket']]
  if (!hasTable) return [['ok', `no cthelper runs at ${socket}, and no table of its name is there`]]
  const fact = 'our table inet cthelper is there, and no cthelper answers: it was killed, or has another control socket'
  return [['warn', fact, 'start run again, which replaces it, or remove it: nft delete table inet cthelper']]
}

const OUR_TABLE: Answer = ['ok', 'its table inet cthelper is there']

/** The pid that answers; undefined when nobody is there; a sentence when somebody is and does not answer. */
async function pidAt(socket: string): Promise<number | string | undefined> {
  try {
    const [item] = await askControl(socket, 'status')
    return (item as { pid: number }).pid
  } catch (error) {
    const code = systemCode(error)
    return code === 'ENOENT' || code === 'ECONNREFUSED' ? undefined : (error as Error).message
  }
}

async function ownTable(netns: string | undefined): Promise<boolean> {
  const nftables = openNftables({ netns })
  try {
    return await nftables.has(SIP_TABLE.family, SIP_TABLE.name)
  } finally {
    nftables.close()
  }
}

export const machineProbes: readonly Probe[] = [
  { subject: 'rights', needsPrivilege: false, look: rights },
  { subject: 'addon', needsPrivilege: false, look: addon },
  { subject: 'interfaces', needsPrivilege: false, look: interfaces },
  { subject: 'forwarding', needsPrivilege: false, look: forwarding },
  { subject: 'running', needsPrivilege: false, look: running },
]
