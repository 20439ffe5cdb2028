/** Probes of what SIP over TCP needs: rules, policy routing, transparent sockets, descriptors, and filters that let them be. */
import { closeSync, readFileSync } from 'node:fs'
import { nativeAddon } from '../base/native.js'
import { openRoute } from '../netlink/index.js'
import { openNftables } from '../nftables/index.js'
import { proxyRules } from '../proxy/index.js'
import { type Answer, type CheckContext, commandOutput, type Probe } from './check-context.js'
import { type RulesetBlock, rulesetBlocks } from './check-rules.js'

const NO_TLS: Answer = [
  'ok',
  'TLS is not inspected, on whatever port: it passes as it is, and calls in it are not helped',
]
const WITHOUT = 'SIP over TCP passes as it is until then'

async function tcp(context: CheckContext): Promise<Answer[]> {
  if (context.whyNoTcp !== undefined) return [['ok', `SIP over TCP passes as it is: ${context.whyNoTcp}`], NO_TLS]
  const missing = (await refusedRules(context)) ?? (await noPolicyRouting(context)) ?? noTransparentSockets(context)
  if (missing) return [missing, NO_TLS]
  return [
    ['ok', 'SIP over TCP can be helped: tproxy, policy routing, transparent sockets'],
    descriptors(context),
    NO_TLS,
  ]
}

/** A table of another name, rolled back: a running cthelper's is not touched. */
async function refusedRules({ netns, inside, outside, ports, tcp: { mark, port } }: CheckContext) {
  const nft = openNftables({ netns })
  try {
    const named = (names: readonly string[], standard: string) => (names.length > 0 ? names : [standard])
    const { sets, chains } = proxyRules({ inside: named(inside, 'lan0'), outside: named(outside, 'wan0'), mark, port })
    const sipPorts = { name: 'sip_ports', type: 'inet_service', elements: ports } as const
    const refusal = await nft.check({ family: 'inet', name: 'cthelper-check', sets: [sipPorts, ...sets], chains })
    if (!refusal) return undefined
    const todo = `modprobe nft_tproxy nft_socket nft_fib_inet, where there are such modules; ${WITHOUT}`
    return ['warn', `nf_tables refuses the rules of SIP over TCP: ${refusal.message}`, todo] as const
  } finally {
    nft.close()
  }
}

/** A rule for an interface that nobody has. */
async function noPolicyRouting({ netns, tcp: { mark, table } }: CheckContext): Promise<Answer | undefined> {
  const route = openRoute({ netns })
  const rule = { family: 4, iifname: 'cthelper-check', mark, table, priority: 32_000 } as const
  try {
    await route.addRule(rule)
    await route.deleteRule(rule)
    return undefined
  } catch (error) {
    return ['warn', `no policy routing: ${(error as Error).message}`, `a kernel with it; ${WITHOUT}`]
  } finally {
    route.close()
  }
}

function noTransparentSockets({ netns }: CheckContext): Answer | undefined {
  const fd = nativeAddon().openTcp(netns ?? '', 4, Uint8Array.of(192, 0, 2, 1), 0)
  if (fd < 0) return ['warn', `no transparent sockets (errno ${-fd})`, WITHOUT]
  closeSync(fd)
  return undefined
}

function descriptors({ connections }: CheckContext): Answer {
  const soft = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
  const fact = `${soft} descriptors are allowed, two a connection`
  if (soft >= connections * 2 + 100) return ['ok', fact]
  return ['warn', `${fact}: fewer than ${connections} connections need`, `ulimit -n ${connections * 2 + 1000}`]
}

/**
 * Input chains that drop by policy and say nothing of what the proxy takes: by its mark, by its sockets, by the SIP ports, or by the
 * interface alone.
 */
export function deafInputChains(
  blocks: readonly RulesetBlock[],
  { inside, ports, mark }: { inside: readonly string[]; ports: readonly number[]; mark: number },
): string[] {
  const words = [`mark 0x${(mark >>> 0).toString(16).padStart(8, '0')}`, 'socket transparent 1']
  const accepts = (line: string): boolean =>
    /\baccept$/.test(line) &&
    (words.some((word) => line.includes(word)) ||
      ports.some((port) => new RegExp(`tcp dport .*\\b${port}\\b`).test(line)) ||
      inside.some((name) => line === `iifname "${name}" accept`))
  return blocks
    .filter(({ lines }) => lines.some((it) => /hook input\b.*policy drop;/.test(it)) && !lines.some(accepts))
    .map(({ table, head }) => `${table} ${head.replace('chain ', '')}`)
}

function inputFilter(context: CheckContext): Answer[] {
  const text = commandOutput(context, ['nft', 'list', 'ruleset'])
  if (context.whyNoTcp !== undefined || text === undefined) return []
  const { inside, ports, tcp: own } = context
  const hex = `0x${own.mark.toString(16)}`
  return deafInputChains(rulesetBlocks(text), { inside, ports, mark: own.mark }).map(
    (chain): Answer => [
      'warn',
      `${chain} drops by policy, and proxied SIP over TCP is this machine's input`,
      `add to it: ct state established,related accept; meta mark ${hex} accept`,
    ],
  )
}

export const tcpProbes: readonly Probe[] = [
  { subject: 'tcp', needsPrivilege: true, look: tcp },
  { subject: 'tcp', needsPrivilege: true, look: inputFilter },
]
