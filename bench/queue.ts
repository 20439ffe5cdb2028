/**
 * Accept-all through lib/nfqueue beside the usual C libnetfilter_queue loop (accept-loop.c), in interleaved rounds of one flood.
 * `node --import @isaacs/ts-node-temp-fork-for-pr-2009/import bench/queue.ts [ROUNDS] [PACKETS] [BYTES]`, as root. The flood takes
 * every packet through queue 1 in a network namespace of its own; what is accepted is counted, and dropped, by an iptables rule.
 * Modes: c; js (accept untouched); js-rewrite (every payload replaced by an equally long copy).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueue } from '../lib/nfqueue/index.js'
import { runSync } from '../lib/testing/command.js'
import { Lab, type Namespace } from '../lib/testing/netns.js'

const [rounds = 3, packets = 300_000, bytes = 600] = process.argv.slice(2).map(Number)
const source = new URL('.', import.meta.url).pathname

interface Round {
  readonly accepted: number
  readonly seconds: number
  readonly cpuSeconds: number
}

type Mode = 'c' | 'js' | 'js-rewrite'

function compile(directory: string, name: string, ...libraries: string[]): string {
  const target = join(directory, name)
  runSync(['cc', '-O2', '-o', target, join(source, `${name}.c`), ...libraries])
  return target
}

/** Packets the rule behind the queue has seen. */
function acceptedCount(namespace: Namespace): number {
  const rules = namespace.runSync(['iptables', '-t', 'mangle', '-vnxL', 'INPUT'])
  return Number(/^\s*(\d+)\s+\d+\s+DROP/m.exec(rules)?.[1])
}

async function roundOf(mode: Mode, flood: string, loop: string): Promise<Round> {
  const lab = new Lab()
  try {
    const [sender, receiver] = [lab.namespace('sender'), lab.namespace('receiver')]
    lab.link(sender, 'a0', ['10.9.0.1/24'], receiver, 'b0', ['10.9.0.2/24'])
    receiver.runSync(['iptables', '-t', 'raw', '-A', 'PREROUTING', '-p', 'udp', '-j', 'NFQUEUE', '--queue-num', '1'])
    receiver.runSync(['iptables', '-t', 'mangle', '-A', 'INPUT', '-p', 'udp', '-j', 'DROP'])
    const stop = mode === 'c' ? await startLoop(receiver, loop) : await startQueue(receiver, mode)
    const began = performance.now()
    const argv = ['netns', 'exec', sender.name, flood, '10.9.0.2', '9', String(packets), '0', String(bytes)]
    const child = spawn('ip', argv, { stdio: 'ignore' })
    await once(child, 'exit')
    const seconds = (performance.now() - began) / 1000
    const accepted = acceptedCount(receiver)
    return { accepted, seconds, cpuSeconds: await stop() }
  } finally {
    lab.close()
  }
}

async function startLoop(namespace: Namespace, loop: string): Promise<() => Promise<number>> {
  const child = namespace.spawn([loop, '1'], { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  child.stdout!.setEncoding('latin1').on('data', (text: string) => {
    output += text
  })
  while (!output.includes('ready')) await once(child.stdout!, 'data')
  return async () => {
    const ended = once(child, 'close')
    child.kill('SIGTERM')
    await ended
    return Number(/cpu ([\d.]+)/.exec(output)?.[1])
  }
}

async function startQueue(namespace: Namespace, mode: Mode): Promise<() => Promise<number>> {
  const scratch = new Uint8Array(65536)
  const before = process.cpuUsage()
  const queue = await openQueue({
    number: 1,
    netns: namespace.path,
    onBatch(batch, queue) {
      for (const packet of batch) {
        if (mode === 'js') queue.verdict(packet, 'accept')
        else {
          const { payload } = packet
          scratch.set(payload)
          queue.verdict(packet, 'accept', { payload: scratch.subarray(0, payload.length) })
        }
      }
    },
  })
  return async () => {
    const { user, system } = process.cpuUsage(before)
    if (process.env.VERBOSE) console.log(queue.counters())
    queue.close()
    return (user + system) / 1e6
  }
}

function report(round: number, mode: Mode, { accepted, seconds, cpuSeconds }: Round): void {
  const perSecond = Math.round(accepted / seconds)
  const microseconds = ((cpuSeconds / accepted) * 1e6).toFixed(2)
  console.log(`round ${round} ${mode}: ${perSecond} packets/s, ${accepted} of ${packets}, ${microseconds} us CPU each`)
}

const directory = mkdtempSync(join(tmpdir(), 'cthelper-bench-'))
const results: Record<Mode, Round[]> = { c: [], js: [], 'js-rewrite': [] }
try {
  const flood = compile(directory, 'flood')
  const loop = compile(directory, 'accept-loop', '-lnetfilter_queue')
  for (let round = 0; round < rounds; round++) {
    for (const mode of ['c', 'js', 'js-rewrite'] as const) {
      const result = await roundOf(mode, flood, loop)
      results[mode].push(result)
      report(round, mode, result)
    }
  }
} finally {
  rmSync(directory, { recursive: true })
}
const median = (mode: Mode, of: (round: Round) => number): number => {
  const values = results[mode].map(of).sort((a, b) => a - b)
  return values[values.length >> 1]!
}
const rate = (round: Round) => round.accepted / round.seconds
const cost = (round: Round) => round.cpuSeconds / round.accepted
for (const mode of ['js', 'js-rewrite'] as const) {
  const ratio = (of: (round: Round) => number) => (median(mode, of) / median('c', of)).toFixed(2)
  console.log(`${mode} / c: packets/s ${ratio(rate)}, CPU a packet ${ratio(cost)}`)
}
