import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CommandResult,
  type GatewayLab,
  gatewayLab,
  pause,
  SipPeer,
  scaled,
  UdpEndpoint,
} from '../../lib/testing/index.js'
import { builtCli } from '../cli/built.js'
import { call, target } from './scene.js'

/** A gateway lab in which `cthelper run` is a process of its own, as users have it. */
export class CliLab {
  readonly lab: GatewayLab = gatewayLab()
  readonly directory = mkdtempSync(join(tmpdir(), 'cthelper-run-'))
  readonly socket = join(this.directory, 'control')
  readonly #endpoints: UdpEndpoint[] = []

  #argv(args: readonly string[]): string[] {
    // tap would load its own modules into every Node process that is started.
    return ['env', '-u', 'NODE_OPTIONS', process.execPath, builtCli(), ...args]
  }

  /** A command of the CLI to its end, in the gateway's namespace. */
  cli(...args: string[]): Promise<CommandResult> {
    return this.lab.gateway.exec(this.#argv(args))
  }

  /** `cthelper COMMAND` against this lab's process. */
  ask(command: string, ...args: string[]): Promise<CommandResult> {
    return this.cli(command, '--socket', this.socket, ...args)
  }

  /** Starts `cthelper run` and waits until it says that it is ready. */
  run(...args: string[]): Promise<CliProcess> {
    return this.runUnder([], ...args)
  }

  /** The same, under another command: `['prlimit', '--nofile=100']`. */
  async runUnder(command: readonly string[], ...args: string[]): Promise<CliProcess> {
    const standard = ['run', '--inside', 'lan0', '--outside', 'wan0', '--socket', this.socket]
    const argv = [...command, ...this.#argv([...standard, ...args])]
    const child = this.lab.gateway.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    const running = new CliProcess(child)
    await running.says(/ready/)
    return running
  }

  /** Resolves when somebody has connected to the control socket: in the list of them it then stands twice (proc(5), /proc/net/unix). */
  async connected(): Promise<void> {
    for (const until = performance.now() + scaled(10_000); performance.now() < until; await pause(20)) {
      const sockets = this.lab.gateway.runSync(['cat', '/proc/net/unix'])
      if (sockets.split(this.socket).length > 2) return
    }
    throw new Error(`nobody has connected to ${this.socket}`)
  }

  async inside(port: number): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.lab.phone, { address: this.lab.phones[0]!.v4, port }))
  }

  async outside(port: number, who: 'registrar' | 'mediaServer' = 'registrar'): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.lab.provider, { address: this.lab[who].v4, port }))
  }

  #keep(endpoint: UdpEndpoint): UdpEndpoint {
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** Who can call whom, with media on the given inside port. */
  async people(mediaPort = 4000): Promise<People> {
    const alice = new SipPeer(await this.inside(5060), 'alice')
    const bob = new SipPeer(await this.outside(5060), 'bob')
    return { alice, bob, audio: await this.inside(mediaPort), far: await this.outside(6000, 'mediaServer') }
  }

  close(): void {
    for (const endpoint of this.#endpoints) endpoint.close()
    this.lab.close()
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export interface People {
  readonly alice: SipPeer
  readonly bob: SipPeer
  readonly audio: UdpEndpoint
  readonly far: UdpEndpoint
}

/** Alice calls Bob; resolves when the call stands. */
export async function ring({ alice, bob, audio, far }: People) {
  const to = bob.endpoint.local
  const made = await call({ caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: far.local })
  return { ...made, media: target(made.arrived) }
}

/** A started `cthelper run`: what it says, and how it ends. */
export class CliProcess {
  readonly child: ChildProcess
  readonly #exit: Promise<number | null>
  stdout = ''
  stderr = ''

  constructor(child: ChildProcess) {
    this.child = child
    child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (this.stderr += text))
    this.#exit = once(child, 'close').then(([code]) => code as number | null)
  }

  get lines(): string[] {
    return this.stdout.trimEnd().split('\n')
  }

  /** Waits for a line that fits and returns it; rejects when the process has ended or fifteen seconds are over. */
  async says(pattern: RegExp): Promise<string> {
    for (const until = performance.now() + scaled(15_000); performance.now() < until; await pause(10)) {
      const line = this.lines.find((it) => pattern.test(it))
      if (line !== undefined) return line
      if (this.child.exitCode !== null) break
    }
    throw new Error(`cthelper did not say ${pattern}; it said ${JSON.stringify(this.stdout + this.stderr)}`)
  }

  /** Sends the signal and resolves with the exit code, null when the signal ended it. */
  end(signal: NodeJS.Signals): Promise<number | null> {
    this.child.kill(signal)
    return this.#exit
  }
}
