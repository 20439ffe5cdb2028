/** Probes of what SIP over TCP needs: rules, policy routing, transparent sockets, descriptors, and filters that let them be. */
import { closeSync } from 'node:fs'
import type { NamedSet } from '../../types/nftables.js'
import { whyNotOwn } from '../alg/index.js'
import { nativeAddon } from '../base/native.js'
import { openRoute } from '../netlink/index.js'
import { openNftables } from '../nftables/index.js'
import { proxyRules } from '../proxy/index.js'
import { type Answer, type CheckContext, commandOutput, type Probe } from './check-context.js'
import { type RulesetBlock, rulesetBlocks } from './check-rules.js'
import { connectionsWith, descriptorsFor, raiseDescriptors } from './descriptors.js'

const NO_TLS: Answer = [
  'ok',
  'TLS is not inspected, on whatever port: it passes as it is, and calls in it are not helped',
]
const FOLLOWED: Answer = [
  'ok',
  'SIP over TCP is helped as it goes by, as no byte is changed: connections that begin while cthelper runs',
]
const ROUTE = 'route between them, or have SIP use UDP: calls over TCP get no ways for their media'
const WITHOUT = 'SIP over TCP passes as it is until then'

async function tcp(context: CheckContext): Promise<Answer[]> {
  const bySettings = context.handlingOf(undefined)
  if (typeof bySettings === 'object') return [['ok', `SIP over TCP passes as it is: ${bySettings.why}`], NO_TLS]
  const handling = context.handlingOf(await whyNotHere(context))
  if (handling === 'followed') return [FOLLOWED, NO_TLS]
  if (typeof handling === 'object') return [['warn', `SIP over TCP passes as it is: ${handling.why}`, ROUTE], NO_TLS]
  const missing = (await refusedRules(context)) ?? (await noPolicyRouting(context)) ?? noTransparentSockets(context)
  if (missing) return [missing, NO_TLS]
  return [
    ['ok', 'SIP over TCP can be helped: tproxy, policy routing, transparent sockets'],
    descriptors(context),
    NO_TLS,
  ]
}

async function whyNotHere({ netns, inside, outside }: CheckContext): Promise<string | undefined> {
  const route = openRoute({ netns })
  try {
    return whyNotOwn(await route.links(), [...inside, ...outside])
  } finally {
    route.close()
  }
}

/** A table of another name, rolled back: a running cthelper's is not touched. */
async function refusedRules({ netns, inside, outside, ports, queue, tcp: { mark, port } }: CheckContext) {
  const nft = openNftables({ netns })
  try {
    const named = (names: readonly string[], standard: string) => (names.length > 0 ? names : [standard])
    const sides = { inside: named(inside, 'lan0'), outside: named(outside, 'wan0') }
    const { sets, chains } = proxyRules({ ...sides, machine: true, mark, port, queue })
    const known: NamedSet[] = [
      { name: 'sip_ports', type: 'inet_service', elements: ports },
      { name: 'inside', type: 'ifname', elements: sides.inside },
      { name: 'outside', type: 'ifname', elements: sides.outside },
    ]
    const refusal = await nft.check({ family: 'inet', name: 'cthelper-check', sets: [...known, ...sets], chains })
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
  const wanted = descriptorsFor(connections)
  const allowed = raiseDescriptors(wanted)
  const fact = `${allowed} descriptors are allowed, two a connection`
  if (allowed >= wanted) return ['ok', fact]
  return ['warn', `${fact}: more than ${connectionsWith(allowed)} connections are not helped`, `ulimit -n ${wanted}`]
}

/**
 * Input chains that drop by policy, and with it what the proxy takes: segments that come by `lo`, and after them connections that
 * stand.
 */
export function deafInputChains(blocks: readonly RulesetBlock[]): string[] {
  const takesOwn = (line: string): boolean => /^iif(name)? "lo"( counter.*)? accept$/.test(line)
  const takesKnown = (line: string): boolean =>
    /ct state (vmap )?.*\bestablished\b.*\b(accept|jump|goto)\b/.test(line) ||
    /ctstate \S*ESTABLISHED\S*.*ACCEPT/.test(line)
  return blocks
    .filter(({ lines }) => lines.some((it) => /hook input\b.*policy drop;/.test(it)))
    .filter(({ lines }) => !lines.some(takesOwn) || !lines.some(takesKnown))
    .map(({ table, head }) => `${table} ${head.replace('chain ', '')}`)
}

function inputFilter(context: CheckContext): Answer[] {
  const text = commandOutput(context, ['nft', 'list', 'ruleset'])
  if (context.handlingOf(undefined) !== 'proxied' || text === undefined) return []
  return deafInputChains(rulesetBlocks(text)).map(
    (chain): Answer => [
      'warn',
      `${chain} drops by policy, and proxied SIP over TCP is this machine's input`,
      'add to it: iifname "lo" accept; ct state established,related accept',
    ],
  )
}

export const tcpProbes: readonly Probe[] = [
  { subject: 'tcp', needsPrivilege: true, look: tcp },
  { subject: 'tcp', needsPrivilege: true, look: inputFilter },
]
