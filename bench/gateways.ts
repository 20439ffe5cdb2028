/** Four gateways that masquerade, each in namespaces of its own, told apart by what handles SIP on them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openNftables, sipTable } from '../lib/nftables/index.js'
import { type GatewayLab, gatewayLab } from '../lib/testing/index.js'

/** `nat`: nobody; `kernel`: nf_nat_sip; `c`: accept-loop.c behind cthelper's own rules; `cthelper`: the command `cthelper run`. */
export const ways = ['nat', 'kernel', 'c', 'cthelper'] as const
export type GatewayWay = (typeof ways)[number]

/** Of another length than the outside address, so that bytes move and lengths change. */
export const PHONE = '192.168.7.110'
const QUEUE = 1

/**
 * The sender has one core; handlers may use both, which only cthelper's two threads can (JavaScript, and the sending of verdicts). All go before whatever else the machine does: by nice, and as sessions are scheduled as
 * groups (sched_autogroup), by a session of their own.
 */
const before = (cores: string) =>
  [
    'setsid',
    'sh',
    '-c',
    `echo -20 2>/dev/null >/proc/self/autogroup; exec nice -n -20 taskset -c ${cores} "$@"`,
    'sh',
  ] as const
export const onSenderCore = before('0')
const onHandlerCores = before('0,1')

export interface BenchGateway {
  readonly way: GatewayWay
  readonly lab: GatewayLab
  /** The process that handles SIP, if one does. */
  readonly pid: number | undefined
  close(): Promise<void>
}

/** `accept-loop` is the compiled accept-loop.c, `directory` a place for the control socket. Runs as compiled by bench/run.sh. */
export async function openGateway(way: GatewayWay, acceptLoop: string, directory: string): Promise<BenchGateway> {
  const lab = gatewayLab()
  try {
    lab.phone.ip(`addr add ${PHONE}/24 dev eth0`)
    const child = await startHandler(way, lab, acceptLoop, directory)
    const close = async () => {
      if (child) await end(child)
      lab.close()
    }
    return { way, lab, pid: child?.pid, close }
  } catch (error) {
    lab.close()
    throw error
  }
}

async function startHandler(
  way: GatewayWay,
  lab: GatewayLab,
  acceptLoop: string,
  directory: string,
): Promise<ChildProcess | undefined> {
  if (way === 'kernel') lab.gateway.nft(KERNEL_HELPER)
  if (way === 'c') {
    const nftables = openNftables({ netns: lab.gateway.path })
    await nftables.install(sipTable({ inside: ['lan0'], outside: ['wan0'], queue: QUEUE }))
    nftables.close()
    return startPinned(lab, [acceptLoop, String(QUEUE)])
  }
  if (way === 'cthelper') {
    const socket = join(directory, 'control.sock')
    const options = ['--inside', 'lan0', '--outside', 'wan0', '--media-ports', '30000-39999', '--socket', socket]
    // One host makes all the calls: with the budgets of a host most of them would be refused, and cost little.
    options.push('--max-call-rate', '1000000', '--max-host-ports', '10000')
    const flags = (process.env.CTHELPER_NODE_OPTIONS ?? NODE_FLAGS).split(' ').filter(Boolean)
    return startPinned(lab, [process.execPath, ...flags, COMMAND, 'run', ...options])
  }
  return undefined
}

/** The command compiled beside this file, or another build of it. */
export const COMMAND = join(
  process.env.CTHELPER_DIST ?? fileURLToPath(new URL('../lib', import.meta.url)),
  'cli/main.js',
)

/**
 * V8 may take the objects that live through the first waits for the kernel as a sign that their like live long, and from then on make
 * those of every message in the old generation, to be marked ten times a second: 16 us a message instead of 10.
 */
export const NODE_FLAGS = '--no-allocation-site-pretenuring'

const KERNEL_HELPER = `table ip helper {
  ct helper sip {
    type "sip" protocol udp;
    l3proto ip;
  }
  chain prerouting {
    type filter hook prerouting priority 0; policy accept;
    udp dport 5060 ct helper set "sip"
  }
}`

/** Starts a command on the gateway and waits for its line with `ready`. */
export async function startPinned(lab: GatewayLab, argv: readonly string[]): Promise<ChildProcess> {
  // `ip netns exec`, setsid, sh, nice and taskset become the command, so the child's pid is the command's.
  const inside = ['netns', 'exec', lab.gateway.name, ...onHandlerCores, ...argv]
  const child = spawn('ip', inside, { stdio: ['ignore', 'pipe', 'inherit'] })
  let output = ''
  let isEnded = false
  child.once('exit', () => {
    isEnded = true
    child.stdout!.emit('data', '')
  })
  child.stdout!.setEncoding('latin1').on('data', (text: string) => {
    // Only as long as somebody waits for it: the log may be long.
    if (output.length < 65536) output += text
  })
  while (!output.includes('ready')) {
    await once(child.stdout!, 'data')
    if (isEnded) throw new Error(`${argv.join(' ')}: ended before it was ready: ${output}`)
  }
  return child
}

export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  await ended
}

/** Hertz of the kernel's tick counts in /proc (USER_HZ). */
const TICKS = 100

/** CPU seconds, user and system, that a process has used, all its threads. */
export function cpuSecondsOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  // Fields 14 and 15; the command's name, in parentheses, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS
}

/** CPU seconds the machine has been busy, and those of them in softirq, as /proc/stat has them. */
export function machineSeconds(): { busy: number; softirq: number } {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0] = readFileSync('/proc/stat', 'latin1')
    .split('\n', 1)[0]!
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return { busy: (user + nice + system + irq + softirq) / TICKS, softirq: softirq / TICKS }
}
