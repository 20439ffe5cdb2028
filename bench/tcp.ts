/**
 * SIP over TCP through a masquerading gateway in four ways: complete calls a second, what a round trip costs, and the memory of idle
 * connections. Needs root, network namespaces, nft, a C compiler; haproxy for that way, which is left out without it.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type GatewayLab, gatewayLab, TcpEndpoint, TcpListener } from '../lib/testing/index.js'
import { COMMAND, end, NODE_FLAGS, onSenderCore, PHONE, startPinned } from './gateways.js'

const ways = ['plain NAT', 'kernel helper', 'HAProxy', 'cthelper', 'cthelper, UDP'] as const
type Way = (typeof ways)[number]

const ROUNDS = 3
const CALLS = 4000
const SLOTS = 32
const PINGS = 2000
/** Both ends are this process's: two descriptors a connection, as in the one that is measured. */
const descriptors = Number(
  /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity,
)
const IDLE = Math.min(10_000, Math.floor((descriptors - 1000) / 2))
const directory = mkdtempSync(join(tmpdir(), 'cthelper-bench-tcp-'))
const programs = { tcp: join(directory, 'stream-calls'), udp: join(directory, 'calls') }

const KERNEL_HELPER = `table ip helper {
  ct helper sip { type "sip" protocol tcp; l3proto ip; }
  chain prerouting {
    type filter hook prerouting priority 0; policy accept;
    tcp dport 5060 ct helper set "sip"
  }
}`.replaceAll('; ', '\n')

const HAPROXY = (listen: string, server: string) => `global
  maxconn 1000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen sip
  bind ${listen}:5060
  server one ${server}:5060
`

/** A gateway of that way: what handles TCP on it, and where the caller connects to. */
async function open(way: Way) {
  const lab = gatewayLab()
  lab.phone.ip(`addr add ${PHONE}/24 dev eth0`)
  if (way === 'kernel helper') lab.gateway.nft(KERNEL_HELPER)
  const child = way.startsWith('cthelper')
    ? await startCthelper(lab)
    : way === 'HAProxy'
      ? await startHaproxy(lab)
      : undefined
  const target = way === 'HAProxy' ? lab.gatewayInside.v4 : lab.registrar.v4
  const close = async () => {
    if (child) await end(child)
    lab.close()
  }
  return { lab, target, child, close }
}

function startCthelper(lab: GatewayLab) {
  const options = ['--inside', 'lan0', '--outside', 'wan0', '--media-ports', '30000-39999', '--tcp', 'on']
  const budgets = ['--max-call-rate', '1000000', '--max-host-ports', '10000']
  const connections = ['--max-connections', '20000', '--max-host-connections', '20000']
  const socket = ['--socket', join(directory, 'control.sock')]
  const argv = [process.execPath, NODE_FLAGS, COMMAND, 'run', ...options, ...budgets, ...connections, ...socket]
  return startPinned(lab, argv)
}

function startHaproxy(lab: GatewayLab) {
  const file = join(directory, 'haproxy.cfg')
  writeFileSync(file, HAPROXY(lab.gatewayInside.v4, lab.registrar.v4))
  // It says nothing when it is ready; it has bound its port before it forks.
  return startPinned(lab, ['sh', '-c', `haproxy -c -q -f ${file} && echo ready && exec haproxy -db -f ${file}`])
}

interface Measured {
  readonly callsPerSecond: number
  readonly raw: number
  readonly roundTripUs: number
}

async function measure(way: Way): Promise<Measured> {
  const { lab, target, close } = await open(way)
  try {
    const run = (count: number, slots: number) => {
      const namespaces = [lab.phone.path, lab.provider.path]
      const ends = way === 'cthelper, UDP' ? [`${PHONE}:5060`, `${target}:5060`] : [PHONE, target, lab.registrar.v4]
      const program = way === 'cthelper, UDP' ? programs.udp : programs.tcp
      const argv = [program, ...namespaces, ...ends, String(count), String(slots), '192.168.7.']
      const text = execFileSync(onSenderCore[0], [...onSenderCore.slice(1), ...argv], { encoding: 'utf8' })
      const [, calls, raw, seconds] = /calls (\d+).* raw (\d+).* seconds ([\d.]+)/.exec(text)!.map(Number)
      if (calls !== count) throw new Error(`${way}: ${text}`)
      return { raw: raw!, seconds: seconds! }
    }
    // The port that HAProxy says it is ready for may take a moment.
    await new Promise((resolve) => setTimeout(resolve, 500))
    run(200, 8)
    const many = run(CALLS, SLOTS)
    // calls.c has no such thing.
    const pings = way === 'cthelper, UDP' ? undefined : run(PINGS, 0)
    return {
      callsPerSecond: CALLS / many.seconds,
      raw: many.raw / (CALLS * 3),
      roundTripUs: pings ? (pings.seconds / PINGS) * 1e6 : Number.NaN,
    }
  } finally {
    await close()
  }
}

const whole = (value: number): string => (Number.isNaN(value) ? '-' : value.toFixed(0))
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

async function calls(): Promise<void> {
  const served = ways.filter((way) => way !== 'HAProxy' || spawnSync('haproxy', ['-v']).error === undefined)
  if (served.length < ways.length) console.log('HAProxy left out: no haproxy (apt-get install haproxy)')
  const results = new Map<Way, Measured[]>(served.map((way) => [way, []]))
  for (let round = 0; round < ROUNDS; round++) for (const way of served) results.get(way)!.push(await measure(way))
  const plain = results.get('plain NAT')!
  console.log(`way              calls/s   of plain NAT   OPTIONS us   more than NAT   requests with inside addresses`)
  for (const [way, measured] of results) {
    const ratio = median(measured.map((it, i) => it.callsPerSecond / plain[i]!.callsPerSecond))
    const added = median(measured.map((it, i) => it.roundTripUs - plain[i]!.roundTripUs))
    const columns = [
      median(measured.map((it) => it.callsPerSecond))
        .toFixed(0)
        .padStart(7),
      ratio.toFixed(2).padStart(12),
      whole(median(measured.map((it) => it.roundTripUs))).padStart(12),
      whole(added).padStart(15),
      `${(median(measured.map((it) => it.raw)) * 100).toFixed(0)} %`.padStart(18),
    ]
    console.log(`${way.padEnd(15)} ${columns.join(' ')}`)
  }
}

const residentKiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1])

async function memory(): Promise<void> {
  const { lab, child, close } = await open('cthelper')
  try {
    const server = await TcpListener.open(lab.provider, { address: lab.registrar.v4, port: 5060 })
    const before = residentKiB(child!.pid!)
    const clients: TcpEndpoint[] = []
    while (clients.length < IDLE) {
      const local = { address: PHONE, port: 0 }
      clients.push(
        ...(await Promise.all(Array.from({ length: 50 }, () => TcpEndpoint.connect(lab.phone, local, server.local)))),
      )
    }
    // On a busy machine some may be given up: those that stand are counted.
    const patience = performance.now() + 60_000
    while (server.count < IDLE && performance.now() < patience) await new Promise((resolve) => setTimeout(resolve, 100))
    await new Promise((resolve) => setTimeout(resolve, 3000))
    const grown = residentKiB(child!.pid!) - before
    console.log(
      `${server.count} idle connections: ${(grown / 1024).toFixed(0)} MiB more resident, ${(grown / server.count).toFixed(1)} KiB each`,
    )
    for (const client of clients) client.close()
    server.close()
  } finally {
    await close()
  }
}

try {
  for (const file of Object.values(programs))
    execFileSync('cc', ['-O2', '-o', file, fileURLToPath(new URL(`${basename(file)}.c`, import.meta.url))])
  await calls()
  await memory()
} finally {
  rmSync(directory, { recursive: true, force: true })
}
