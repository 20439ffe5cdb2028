/**
 * An INVITE flood through a masquerading gateway: plain NAT, the kernel's SIP helper, a C loop that accepts untouched, cthelper. And
 * complete calls, through the kernel's helper and cthelper. bench/README.md says what is measured and how.
 * `bench/run.sh invite`, as root; with other numbers: `node node_modules/.cache/bench/bench/invite.js [ROUNDS] [SECONDS] [CALLS]` after it.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runSync } from '../lib/testing/command.js'
import { SipText, sipText, UdpEndpoint } from '../lib/testing/index.js'
import {
  type BenchGateway,
  cpuSecondsOf,
  type GatewayWay,
  machineSeconds,
  onSenderCore,
  openGateway,
  PHONE,
  ways,
} from './gateways.js'
import { type CallRound, type FloodRound, report } from './invite-report.js'
import { countingRules, faultOf, inviteText, places } from './invite-text.js'

const [rounds = 5, seconds = 1, callsARound = 2000] = process.argv.slice(2).map(Number)
const source = new URL('.', import.meta.url).pathname
const CALLS = 64
/** Datagrams on their way: enough that nobody waits for the sender, who looks once a millisecond; less than any queue holds. */
const WINDOW = 4096
const CALL_SLOTS = 32

interface Tools {
  readonly directory: string
  readonly flood: string
  readonly calls: string
  readonly acceptLoop: string
  readonly payloads: readonly string[]
}

function makeTools(directory: string): Tools {
  const compile = (name: string, ...libraries: string[]) => {
    runSync(['cc', '-O2', '-o', join(directory, name), join(source, `${name}.c`), ...libraries])
    return join(directory, name)
  }
  return {
    directory,
    flood: compile('flood'),
    calls: compile('calls'),
    acceptLoop: compile('accept-loop', '-lnetfilter_queue'),
    payloads: Array.from({ length: CALLS }, (_, n) => join(directory, `invite-${n}`)),
  }
}

/**
 * Every call's first INVITE, answered with 180 so that the calls stand; looks at what arrived, and installs the counters. Throws where a
 * gateway that should rewrite does not.
 */
async function prime({ way, lab }: BenchGateway, { payloads }: Tools): Promise<void> {
  const [inside, outside] = [PHONE, lab.gatewayOutside.v4]
  const far = { address: lab.registrar.v4, port: 5060 }
  const phone = await UdpEndpoint.open(lab.phone, { address: inside, port: 5060 })
  const peer = await UdpEndpoint.open(lab.provider, far)
  const rewrites = way === 'kernel' || way === 'cthelper'
  // Where nothing is rewritten, the receiver looks as closely at what must have stayed.
  const expected = rewrites ? outside : inside
  let positions: number[] = []
  for (const [n, path] of payloads.entries()) {
    const sent = inviteText(n, inside, far.address)
    writeFileSync(path, sent, 'latin1')
    await phone.send(sent, far)
    const { bytes, from } = await peer.receive()
    const text = bytes.toString('latin1')
    const message = new SipText(text, from)
    const fault = rewrites ? faultOf(message, text, inside, outside) : undefined
    if (fault) throw new Error(`${way}: INVITE ${n} as it arrived: ${fault}\n${text}`)
    const found = places(text, expected)
    if (n > 0 && String(found) !== String(positions)) throw new Error(`${way}: the places of ${expected} differ`)
    positions = found
    await peer.send(ringing(message), from)
    await phone.receive()
  }
  phone.close()
  peer.close()
  lab.provider.nft(countingRules(far, expected, positions))
}

function ringing(invite: SipText): string {
  const same = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => [name, invite.get(name)] as const)
  return sipText('SIP/2.0 180 Ringing', [...same, ['To', `${invite.get('To')};tag=far`]])
}

/** Reads and resets the receiver's counters. */
function counted({ lab }: BenchGateway): { received: number; fit: number } {
  const text = lab.provider.runSync(['nft', 'reset', 'counters', 'table', 'ip', 'count'])
  const of = (name: string) => Number(new RegExp(`counter ${name} \\{\\s*packets (\\d+)`).exec(text)?.[1])
  return { received: of('received'), fit: of('fit') }
}

async function flood(gateway: BenchGateway, tools: Tools, count: number): Promise<FloodRound> {
  const { way, lab, pid } = gateway
  const receiver = lab.provider.spawn(['sleep', '60'])
  try {
    counted(gateway)
    const [machine, handler] = [machineSeconds(), pid === undefined ? 0 : cpuSecondsOf(pid)]
    const window = ['-w', String(WINDOW), '-r', `/proc/${receiver.pid}/net/dev`, '-i', 'eth0']
    const to = [lab.registrar.v4, '5060', String(count), '0', ...tools.payloads]
    const argv = [...onSenderCore, tools.flood, '-l', `${PHONE}:5060`, ...window, ...to]
    const { code, stdout, stderr } = await lab.phone.exec(argv, { timeoutMs: 60_000 })
    if (code !== 0) throw new Error(`flood: ${stderr}`)
    const after = machineSeconds()
    const handlerSec = pid === undefined ? 0 : cpuSecondsOf(pid) - handler
    const [, sent, elapsed] = /sent (\d+) .* seconds ([\d.]+)/.exec(stdout) ?? []
    const machineSec = after.busy - machine.busy
    const softirqSec = after.softirq - machine.softirq
    return {
      way,
      sent: Number(sent),
      seconds: Number(elapsed),
      handlerSec,
      machineSec,
      softirqSec,
      ...counted(gateway),
    }
  } finally {
    receiver.kill()
  }
}

/** Expectations made and taken away since boot, in the gateway's namespace. */
function expectationCounts({ lab }: BenchGateway): { made: number; removed: number } {
  const [head = '', ...cores] = lab.gateway.runSync(['cat', '/proc/net/stat/nf_conntrack']).trim().split('\n')
  const names = head.trim().split(/\s+/)
  const sum = (name: string) => {
    const column = names.indexOf(name)
    return cores.reduce((total, line) => total + Number.parseInt(line.trim().split(/\s+/)[column] ?? '0', 16), 0)
  }
  return { made: sum('expect_create'), removed: sum('expect_delete') }
}

async function completeCalls(gateway: BenchGateway, tools: Tools, count: number): Promise<CallRound> {
  const { way, lab, pid } = gateway
  const before = expectationCounts(gateway)
  const handler = pid === undefined ? 0 : cpuSecondsOf(pid)
  const ends = [`${PHONE}:5070`, `${lab.mediaServer.v4}:5060`]
  const argv = [
    tools.calls,
    lab.phone.path,
    lab.provider.path,
    ...ends,
    String(count),
    String(CALL_SLOTS),
    '192.168.7.',
  ]
  const stdout = runSync([...onSenderCore, ...argv], { timeoutMs: 60_000 })
  const [done, failed, raw, messages, elapsed] = (stdout.match(/[\d.]+/g) ?? []).map(Number)
  const handlerSec = pid === undefined ? 0 : cpuSecondsOf(pid) - handler
  const { made, removed } = expectationCounts(gateway)
  const expectations = { made: made - before.made, removed: removed - before.removed }
  return {
    way,
    done: done!,
    failed: failed!,
    raw: raw!,
    messages: messages!,
    seconds: elapsed!,
    handlerSec,
    expectations,
  }
}

async function measure(
  gateways: readonly BenchGateway[],
  tools: Tools,
): Promise<{ floods: FloodRound[][]; calls: CallRound[][] }> {
  const helping = callsARound > 0 ? gateways.filter(({ way }) => way === 'kernel' || way === 'cthelper') : []
  const sizes = new Map<GatewayWay, number>()
  // Warm: caches, the compiler, and how many messages a round may have.
  for (const gateway of gateways) {
    for (const count of [20_000, 50_000]) {
      const { received, seconds: took } = await flood(gateway, tools, count)
      sizes.set(gateway.way, Math.round((received / took) * seconds))
    }
  }
  for (const gateway of helping) await completeCalls(gateway, tools, callsARound)
  const floods: FloodRound[][] = []
  const calls: CallRound[][] = []
  for (let round = 0; round < rounds; round++) {
    const row: FloodRound[] = []
    for (const gateway of gateways) row.push(await flood(gateway, tools, sizes.get(gateway.way)!))
    floods.push(row)
    const callRow: CallRound[] = []
    for (const gateway of helping) callRow.push(await completeCalls(gateway, tools, callsARound))
    calls.push(callRow)
  }
  return { floods, calls }
}

const directory = mkdtempSync(join(tmpdir(), 'cthelper-bench-'))
const gateways: BenchGateway[] = []
try {
  const tools = makeTools(directory)
  for (const way of ways) {
    const gateway = await openGateway(way, tools.acceptLoop, directory)
    gateways.push(gateway)
    await prime(gateway, tools)
  }
  const { floods, calls } = await measure(gateways, tools)
  report(floods, calls)
} finally {
  for (const gateway of gateways.reverse()) await gateway.close()
  rmSync(directory, { recursive: true })
}
