import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { type CommandOptions, type CommandResult, run, runSync, start } from './command.js'

/** Names are PREFIX-PID-COUNTER-ROLE, so that a later run can tell what a killed one left behind. */
const PREFIX = 'cthelper'
const NETNS_DIR = '/run/netns'

/** One network namespace of a `Lab`, which owns it and removes it. */
export class Namespace {
  readonly name: string
  /** Path to hand to `open({ netns })`. */
  readonly path: string
  readonly #children = new Set<ChildProcess>()

  constructor(name: string) {
    this.name = name
    this.path = `${NETNS_DIR}/${name}`
  }

  /** Runs lines of ip(8) inside, in one process: `ns.ip('link set lo up', 'route add default via 10.0.0.1')`. Throws on the first that fails. */
  ip(...lines: string[]): void {
    runSync(['ip', '-n', this.name, '-batch', '-'], { input: `${lines.join('\n')}\n` })
  }

  /** Loads an nft ruleset from text. Throws with nft's own complaint. */
  nft(ruleset: string): void {
    this.runSync(['nft', '-f', '-'], { input: ruleset })
  }

  /** Writes sysctls, keys in dotted or slashed form: `{ 'net.ipv4.ip_forward': 1 }`. */
  sysctl(values: Readonly<Record<string, string | number>>): void {
    const lines = Object.entries(values).map(
      ([key, value]) => `echo '${value}' > /proc/sys/${key.replaceAll('.', '/')}`,
    )
    this.runSync(['sh', '-ec', lines.join('\n')])
  }

  /** A command inside, blocking. Returns standard output, throws when it fails. */
  runSync(argv: readonly string[], options?: CommandOptions): string {
    return runSync(this.#inside(argv), options)
  }

  /** A command inside, to its end. A non-zero exit is a value. */
  exec(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run(this.#inside(argv), options)
  }

  /** Starts a command inside. It is killed with the lab, if it still runs then. */
  spawn(argv: readonly string[], options: SpawnOptions = {}): ChildProcess {
    const child = start(this.#inside(argv), options)
    this.#children.add(child)
    child.once('exit', () => this.#children.delete(child))
    return child
  }

  /** Ends what was spawned inside, and removes the namespace with all its interfaces. */
  remove(): void {
    // `ip netns exec` becomes the command, so the child's pid is the command's.
    for (const child of this.#children) child.kill('SIGKILL')
    runSync(['ip', 'netns', 'delete', this.name])
  }

  #inside(argv: readonly string[]): string[] {
    return ['ip', 'netns', 'exec', this.name, ...argv]
  }
}

let counter = 0
const openLabs = new Set<Lab>()

/**
 * Network namespaces for one test, with unique names, removed by `close()` and in any case when the process ends. What a killed
 * process left behind is removed when the next lab is made. Needs root and ip(8).
 *
 * @example
 * const lab = new Lab()
 * t.teardown(() => lab.close())
 * const [left, right] = [lab.namespace('left'), lab.namespace('right')]
 * lab.link(left, 'eth0', ['10.1.0.1/24'], right, 'eth0', ['10.1.0.2/24'])
 * await left.exec(['ping', '-c1', '10.1.0.2'])
 */
export class Lab {
  readonly #namespaces: Namespace[] = []

  constructor() {
    if (openLabs.size === 0) {
      removeLeftovers()
      watchProcessEnd()
    }
    openLabs.add(this)
  }

  /** Makes a namespace with `lo` up. `role` is a short word for its name. */
  namespace(role: string): Namespace {
    const name = `${PREFIX}-${process.pid}-${counter++}-${role}`
    runSync(['ip', 'netns', 'add', name])
    const made = new Namespace(name)
    this.#namespaces.push(made)
    // Duplicate address detection would hold IPv6 addresses back for a second.
    made.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 })
    made.ip('link set lo up')
    return made
  }

  /** Joins two namespaces by a veth pair, sets addresses (`ADDRESS/LENGTH`) at both ends, and brings them up. */
  link(
    left: Namespace,
    leftDevice: string,
    leftAddresses: readonly string[],
    right: Namespace,
    rightDevice: string,
    rightAddresses: readonly string[],
  ): void {
    left.ip(`link add ${leftDevice} type veth peer name ${rightDevice} netns ${right.name}`)
    // Up before addressed: an IPv6 address set earlier answers no neighbour solicitation for the first second.
    left.ip(`link set ${leftDevice} up`)
    right.ip(`link set ${rightDevice} up`)
    left.ip(...addressLines(leftDevice, leftAddresses))
    right.ip(...addressLines(rightDevice, rightAddresses))
  }

  /** Ends what runs inside and removes the namespaces. May be called twice. */
  close(): void {
    openLabs.delete(this)
    for (const namespace of this.#namespaces.splice(0)) namespace.remove()
    if (openLabs.size === 0) unwatchProcessEnd()
  }
}

function addressLines(device: string, addresses: readonly string[]): string[] {
  return addresses.map((address) => `addr add ${address} dev ${device}${address.includes(':') ? ' nodad' : ''}`)
}

const fatalSignals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

function closeAll(): void {
  for (const lab of openLabs) lab.close()
}

function onFatalSignal(signal: NodeJS.Signals): void {
  closeAll()
  // The handlers are off again: the signal now does to the process what it would have done.
  process.kill(process.pid, signal)
}

function watchProcessEnd(): void {
  process.on('exit', closeAll)
  for (const signal of fatalSignals) process.on(signal, onFatalSignal)
}

function unwatchProcessEnd(): void {
  process.off('exit', closeAll)
  for (const signal of fatalSignals) process.off(signal, onFatalSignal)
}

/** The field after the parenthesised command name in /proc/PID/stat: `Z` is a process that only waits to be collected. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    return stat[stat.lastIndexOf(')') + 2] !== 'Z'
  } catch {
    return false
  }
}

function removeLeftovers(): void {
  for (const name of namesIn(NETNS_DIR)) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-\\d+-`).exec(name)?.[1]
    if (pid && !isRunning(Number(pid))) removeQuietly(name)
  }
}

// Two tests may start at the same time and see the same leftover; one of them comes too late.
function removeQuietly(name: string): void {
  try {
    runSync(['ip', 'netns', 'delete', name])
  } catch {}
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch {
    return []
  }
}
