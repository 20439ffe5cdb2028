import { type ChildProcess, type SpawnOptions, spawn, spawnSync } from 'node:child_process'
import { CthelperError } from '../base/errors.js'
import { scaled } from './time.js'

/** What a finished command left. `code` is -1 when a signal ended it. */
export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** Written to standard input, which is then closed. */
  readonly input?: string
  /** Milliseconds before SIGKILL, stretched by CTHELPER_TIME_SCALE; default 10000. */
  readonly timeoutMs?: number
}

const fail = (argv: readonly string[], why: string): CthelperError =>
  new CthelperError('ERR_KERNEL', argv.join(' '), `${argv.join(' ')}: ${why}`)

/**
 * Runs a command to its end, blocking the process: for setting up and taking down, not while endpoints of this process are
 * expected to answer. Returns standard output; throws `CthelperError` (ERR_KERNEL) with standard error when it fails.
 */
export function runSync(argv: readonly string[], options: CommandOptions = {}): string {
  const [file = '', ...rest] = argv
  const done = spawnSync(file, rest, {
    encoding: 'utf8',
    input: options.input ?? '',
    timeout: scaled(options.timeoutMs ?? 10_000),
    killSignal: 'SIGKILL',
    maxBuffer: 64 << 20,
  })
  if (done.error) throw fail(argv, done.error.message)
  if (done.status !== 0) throw fail(argv, `exit ${done.status ?? done.signal}: ${done.stderr.trim()}`)
  return done.stdout
}

/** Runs a command to its end without blocking. A non-zero exit is a value; rejects when it cannot start or overruns its time. */
export function run(argv: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
  const child = start(argv, { stdio: ['pipe', 'pipe', 'pipe'] })
  const limit = scaled(options.timeoutMs ?? 10_000)
  const output = { stdout: '', stderr: '' }
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  // A command that does not read its input closes the pipe early; that is its business.
  child.stdin?.on('error', () => {}).end(options.input ?? '')
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(fail(argv, `still running after ${limit} ms`))
    }, limit)
    child.once('error', (error) => {
      clearTimeout(timer)
      reject(fail(argv, error.message))
    })
    child.once('close', (code) => {
      clearTimeout(timer)
      resolve({ code: code ?? -1, ...output })
    })
  })
}

/** Starts a command. The caller ends it; `Namespace.spawn` does so at the latest when its lab closes. */
export function start(argv: readonly string[], options: SpawnOptions): ChildProcess {
  const [file = '', ...rest] = argv
  return spawn(file, rest, options)
}
