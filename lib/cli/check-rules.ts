/** Probes of what others do to the same packets: a second ALG in the path, short cuts around it, and filters that know nothing of RELATED. */

import { offloadedFlows, takesHelpers } from '../alg/index.js'
import { isAnchor, openConntrack } from '../conntrack/index.js'
import { type Answer, type CheckContext, commandOutput, type Probe } from './check-context.js'
import { sysctlNumber } from './check-machine.js'

/** One chain as `nft list ruleset` prints it, or a ct helper object. */
export interface RulesetBlock {
  /** `inet filter`. */
  readonly table: string
  /** `chain forward`, `ct helper s`. */
  readonly head: string
  readonly lines: readonly string[]
}

/** The blocks of `nft list ruleset`. */
export function rulesetBlocks(text: string): RulesetBlock[] {
  const blocks: RulesetBlock[] = []
  let table = ''
  let open: { table: string; head: string; lines: string[] } | undefined
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    const top = /^table (\S+ \S+) \{/.exec(raw)?.[1]
    if (top) table = top
    else if (/^\t\S.*\{$/.test(raw)) open = { table, head: line.slice(0, -2), lines: [] }
    else if (raw === '\t}') {
      if (open) blocks.push(open)
      open = undefined
    } else open?.lines.push(line)
  }
  return blocks
}

const isOurs = ({ table }: RulesetBlock): boolean => table === 'inet cthelper'

/** Rules that attach the kernel's own SIP helper, as `table chain: rule`. */
export function sipHelperRules(blocks: readonly RulesetBlock[]): string[] {
  const objects = blocks.filter(
    ({ head, lines }) => head.startsWith('ct helper ') && lines.some((it) => /type "sip"/.test(it)),
  )
  const names = objects.map(({ table, head }) => `${table} ${head.slice('ct helper '.length)}`)
  return blocks.flatMap((block) =>
    block.lines
      .filter((line) => {
        const name = /ct helper set "?([^"\s]+)"?/.exec(line)?.[1]
        return name !== undefined && names.includes(`${block.table} ${name}`)
      })
      .map((line) => `${block.table} ${block.head.replace('chain ', '')}: ${line}`),
  )
}

/** Rules that take flows into a flowtable, SIP among them as they do not name its ports, as `table chain: rule`. */
export function offloadingRules(blocks: readonly RulesetBlock[], ports: readonly number[]): string[] {
  const named = ports.map((port) => new RegExp(`\\b${port}\\b`))
  return blocks.flatMap(({ table, head, lines }) =>
    lines
      .filter((line) => /\bflow add @/.test(line) && !named.every((port) => port.test(line)))
      .map((line) => `${table} ${head.replace('chain ', '')}: ${line}`),
  )
}

/** Forward chains that drop by policy while nothing in their table accepts related flows. */
export function deafForwardChains(blocks: readonly RulesetBlock[]): string[] {
  const drops = blocks.filter(
    (block) => !isOurs(block) && block.lines.some((it) => /hook forward\b.*policy drop;/.test(it)),
  )
  return drops
    .filter(({ table }) => !blocks.some((it) => it.table === table && it.lines.some(acceptsRelated)))
    .map(({ table, head }) => `${table} ${head.replace('chain ', '')}`)
}

/** `ct state established,related accept`, the verdict map of the same, or a jump on it; iptables' own match prints alike. */
const acceptsRelated = (line: string): boolean =>
  /ct state (vmap )?.*\brelated\b.*\b(accept|jump|goto)\b/.test(line) || /ctstate \S*RELATED\S*.*ACCEPT/.test(line)

function secondHelper(context: CheckContext): Answer[] {
  const text = commandOutput(context, ['nft', 'list', 'ruleset'])
  const blocks = rulesetBlocks(text ?? '')
  const found = [...sipHelperRules(blocks), ...targetRules(context, text ?? '')]
  if (sysctlNumber('net.netfilter.nf_conntrack_helper', context.netns) === 1)
    found.push('sysctl net.netfilter.nf_conntrack_helper=1 attaches it by itself')
  if (found.length > 0) {
    const todo = 'remove what attaches it: two ALGs in a row rewrite each other'
    return found.map((where): Answer => ['fail', `the kernel's SIP helper is attached: ${where}`, todo])
  }
  if (text !== undefined) return [['ok', "no rule attaches the kernel's SIP helper"]]
  return [['warn', 'the rules cannot be read: the nft command is missing', 'install nftables to have them looked at']]
}

/** nft does not say what helper a CT target of iptables attaches; iptables-nft's own listing does. */
function targetRules(context: CheckContext, ruleset: string): string[] {
  if (!/xt target "?CT"?/.test(ruleset)) return []
  return ['iptables', 'ip6tables'].flatMap((command) =>
    (commandOutput(context, [`${command}-nft-save`, '-t', 'raw']) ?? '')
      .split('\n')
      .filter((line) => /--helper "?sip\b/.test(line))
      .map((line) => `${command} -t raw: ${line}`),
  )
}

/** Where the kernel has nfnetlink_cthelper, `run` keeps SIP out of flowtables. */
async function offload(context: CheckContext): Promise<Answer[]> {
  const { netns, ports } = context
  const rules = offloadingRules(rulesetBlocks(commandOutput(context, ['nft', 'list', 'ruleset']) ?? ''), ports)
  const conntrack = await openConntrack(netns === undefined ? {} : { netns })
  try {
    const passing = (await offloadedFlows(conntrack, ports)).length
    if (rules.length === 0 && passing === 0) return [['ok', 'no flowtable takes SIP past the queue']]
    if (await takesHelpers(conntrack)) return [['ok', 'there is a flowtable; run keeps SIP out of it']]
    const set = ports.length === 1 ? ports[0] : `{ ${ports.join(', ')} }`
    const todo = `write before its flow add: th sport != ${set} th dport != ${set} (media may stay in it); then conntrack -D such flows`
    const answers = rules.map((where): Answer => ['fail', `a flowtable takes SIP past the queue: ${where}`, todo])
    return passing === 0
      ? answers
      : [...answers, ['fail', `${passing} SIP flows are in a flowtable, and not seen`, todo]]
  } finally {
    conntrack.close()
  }
}

async function helpedFlows({ netns, ports }: CheckContext): Promise<Answer> {
  const conntrack = await openConntrack(netns === undefined ? {} : { netns })
  try {
    const entries = await conntrack.dump()
    const helped = entries.filter(({ helper, original }) => helper === 'sip' && !isAnchor(original))
    const onPort = helped.filter(({ original }) =>
      [original.source.port, original.destination.port].some((port) => ports.includes(port)),
    )
    if (onPort.length === 0) return ['ok', "no SIP flow has the kernel's SIP helper"]
    const todo = 'remove what attaches it, then conntrack -D the flows: two ALGs in a row rewrite each other'
    return ['fail', `${onPort.length} SIP flows have the kernel's SIP helper`, todo]
  } finally {
    conntrack.close()
  }
}

function forwardFilter(context: CheckContext): Answer[] {
  const text = commandOutput(context, ['nft', 'list', 'ruleset'])
  if (text === undefined) return [['warn', 'the rules cannot be read: the nft command is missing', 'install nftables']]
  const deaf = deafForwardChains(rulesetBlocks(text))
  if (deaf.length === 0) return [['ok', 'no forward chain drops by policy without accepting related flows']]
  const todo = 'add to it: ct state established,related accept'
  return deaf.map(
    (chain): Answer => ['fail', `${chain} drops by policy and accepts no related flows: media dies there`, todo],
  )
}

export const rulesProbes: readonly Probe[] = [
  { subject: 'second ALG', needsPrivilege: true, look: secondHelper },
  { subject: 'second ALG', needsPrivilege: true, look: helpedFlows },
  { subject: 'flowtable', needsPrivilege: true, look: offload },
  { subject: 'filter', needsPrivilege: true, look: forwardFilter },
]
