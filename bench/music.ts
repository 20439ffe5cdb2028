/**
 * What a stream of music on hold costs: forwarded and masqueraded like any other (nat), rewritten statelessly by nftables maps (maps), and
 * packet by packet in Node (examples/rewrite-source.ts, queue). `bench/run.sh music`, as root; with other numbers:
 * `node node_modules/.cache/bench/bench/music.js [SECONDS] [ROUNDS] [STREAMS...]` after it.
 */
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { type MusicStream, openNftables, sipTable } from '../lib/nftables/index.js'
import { runSync } from '../lib/testing/command.js'
import { type GatewayLab, gatewayLab } from '../lib/testing/index.js'
import { cpuSecondsOf, machineSeconds, onSenderCore } from './gateways.js'

const [seconds = 4, rounds = 3, ...asked] = process.argv.slice(2).map(Number)
const sizes = asked.length > 0 ? asked : [1, 100, 1000]
const ways = ['nat', 'maps', 'queue'] as const
type Way = (typeof ways)[number]

const FIRST_PORT = 10_000
const OUTSIDE_PORT = 30_000

interface Round {
  readonly way: Way
  readonly streams: number
  readonly sent: number
  /** Arrived from the address and port that they should. */
  readonly arrived: number
  /** CPU of sender, handler and softirqs, percent of one core. */
  readonly cpuPercent: number
}

interface Running {
  /** User and system seconds of the process that handles packets. */
  cpuSeconds(): number
  stop(): Promise<void>
}

/** Counts what arrives, and answers nothing. */
function countingRules(lab: GatewayLab, way: Way): string {
  const from = way === 'nat' ? '' : `udp sport ${OUTSIDE_PORT}`
  return `table ip count {
    counter arrived { }
    chain input {
      type filter hook prerouting priority -300; policy accept;
      ip saddr ${lab.gatewayOutside.v4} ${from} udp dport >= ${FIRST_PORT} counter name arrived drop
    }
  }`
}

/** Sets the gateway up, and returns how to take it down. */
async function start(way: Way, lab: GatewayLab, streams: number): Promise<Running> {
  if (way === 'nat') return { cpuSeconds: () => 0, stop: async () => undefined }
  return way === 'maps' ? startMaps(lab, streams) : startQueue(lab)
}

async function startMaps(lab: GatewayLab, count: number): Promise<Running> {
  const outside = { address: lab.gatewayOutside.v4, port: OUTSIDE_PORT }
  const far = (n: number) => ({ address: lab.mediaServer.v4, port: FIRST_PORT + 2 * n })
  const streams: MusicStream[] = Array.from({ length: count }, (_, n) => ({ family: 4, outside, far: far(n) }))
  const nftables = openNftables({ netns: lab.gateway.path })
  const music = { sources: [lab.phones[0]!.v4], dropsHeld: false, streams }
  await nftables.install(sipTable({ inside: ['lan0'], outside: ['wan0'], queue: 5060, music }))
  return { cpuSeconds: () => 0, stop: async () => nftables.close() }
}

async function startQueue(lab: GatewayLab): Promise<Running> {
  const source = readFileSync('examples/rewrite-source.ts', 'utf8')
  const compilerOptions = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext }
  const { outputText } = ts.transpileModule(source, { compilerOptions })
  // With -e no script takes the place of the second argument.
  const ends = ['rewrite-source', lab.phones[0]!.v4, '17000', lab.gatewayOutside.v4, String(OUTSIDE_PORT)]
  const child = lab.gateway.spawn([process.execPath, '--input-type=module', '-e', outputText, ...ends], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let output = ''
  child.stdout!.setEncoding('latin1').on('data', (text: string) => {
    output += text
  })
  while (!output.includes('ready')) await once(child.stdout!, 'data')
  const stop = async () => {
    const ended = once(child, 'close')
    child.kill('SIGTERM')
    await ended
  }
  // The child is `ip netns exec`, which becomes the program.
  return { cpuSeconds: () => cpuSecondsOf(child.pid!), stop }
}

async function roundOf(way: Way, count: number, tool: string): Promise<Round> {
  const lab = gatewayLab()
  try {
    lab.provider.nft(countingRules(lab, way))
    const running = await start(way, lab, count)
    const argv = [`${lab.phones[0]!.v4}:17000`, lab.mediaServer.v4, String(FIRST_PORT), String(count), String(seconds)]
    const [before, softirq] = [running.cpuSeconds(), machineSeconds().softirq]
    const limits = { timeoutMs: 60_000 }
    const { stdout, stderr, code } = await lab.phone.exec([...onSenderCore, tool, ...argv], limits)
    const handled = running.cpuSeconds() - before + machineSeconds().softirq - softirq
    await running.stop()
    if (code !== 0) throw new Error(`streams: ${stderr}`)
    const counter = lab.provider.runSync(['nft', 'list', 'counters', 'table', 'ip', 'count'])
    const arrived = Number(/packets (\d+)/.exec(counter)?.[1])
    const [, sent, own] = /sent (\d+) late \d+ cpu ([\d.]+)/.exec(stdout) ?? []
    const cpuPercent = ((Number(own) + handled) / seconds) * 100
    return { way, streams: count, sent: Number(sent), arrived, cpuPercent }
  } finally {
    lab.close()
  }
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

function report(count: number, results: readonly Round[]): void {
  const of = (way: Way) => results.filter((it) => it.way === way && it.streams === count)
  const cpu = (way: Way) => median(of(way).map(({ cpuPercent }) => cpuPercent))
  for (const way of ways) {
    const lost = of(way).reduce((sum, { sent, arrived }) => sum + sent - arrived, 0)
    const each = (cpu(way) / count).toFixed(4)
    const columns = [String(count).padStart(6), way.padEnd(6), cpu(way).toFixed(1).padStart(8), each.padStart(10)]
    console.log(`${columns.join(' ')} ${String(lost).padStart(6)}   ${(cpu(way) / cpu('nat')).toFixed(2)}`)
  }
}

const directory = mkdtempSync(join(tmpdir(), 'cthelper-bench-'))
try {
  const tool = join(directory, 'streams')
  runSync(['cc', '-O2', '-o', tool, new URL('streams.c', import.meta.url).pathname])
  const results: Round[] = []
  for (let round = 0; round < rounds; round++) {
    for (const count of sizes) for (const way of ways) results.push(await roundOf(way, count, tool))
  }
  console.log(
    `Streams of 50 packets a second, ${seconds} s, median of ${rounds} rounds; CPU of sender, handler and softirqs`,
  )
  console.log('streams way    % a core   a stream   lost   to nat')
  for (const count of sizes) report(count, results)
} finally {
  rmSync(directory, { recursive: true })
}
