import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))
const main = join(root, 'dist/cli/main.js')

const newest = (directory: string): number =>
  Math.max(
    ...readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((it) => it.isFile())
      .map((it) => statSync(join(it.parentPath, it.name)).mtimeMs),
  )

const modified = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

/** Path of the compiled command line, compiled anew when lib/ is newer than dist/. */
export function builtCli(): string {
  if (newest(join(root, 'lib')) > Math.max(modified(main), modified(join(root, 'dist/index.js')))) {
    spawnSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
      cwd: root,
    })
  }
  return main
}

/** Why a command cannot be run as `nobody` here, fit for tap's `skip`; false when it can. */
export function whyNotNobody(): string | false {
  if (process.getuid?.() !== 0) return 'needs root to become nobody'
  const { status } = spawnSync('setpriv', [
    '--reuid=nobody',
    '--clear-groups',
    'test',
    '-r',
    join(root, 'package.json'),
  ])
  return status === 0 ? false : 'nobody cannot read this checkout'
}

export interface CliResult {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface CliOptions {
  readonly user?: string
  /** Default 10000. */
  readonly timeoutMs?: number
}

/** Runs `cthelper` to its end, optionally as another user. */
export function cli(args: readonly string[], { user, timeoutMs = 10_000 }: CliOptions = {}): Promise<CliResult> {
  // tap would load its own modules into every Node process that is started.
  const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, builtCli(), ...args]
  const [file = '', ...rest] = user ? ['setpriv', `--reuid=${user}`, '--clear-groups', ...argv] : argv
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => {
      clearTimeout(timer)
      resolve({ code, ...output })
    })
  })
}
