import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Endpoint } from '../../types/endpoint.js'
import type { Namespace } from './netns.js'
import { timeScale } from './time.js'
import { endpointText } from './udp.js'

export interface SippOptions {
  /** Scenario XML, or the name of one built into SIPp (`uac`, `uas`). */
  readonly scenario: string
  readonly local: Endpoint
  /** Where a caller calls; a waiting scenario has none. */
  readonly remote?: Endpoint
  /** Calls in all, default 1; SIPp ends after them. */
  readonly calls?: number
  /** Calls started a second, default 10. */
  readonly rate?: number
  /** Seconds after which SIPp gives up, stretched by CTHELPER_TIME_SCALE; default 30. */
  readonly timeoutSec?: number
  /** Media address named in `[media_ip]`; default the local one. */
  readonly mediaAddress?: string
  /** `[media_port]`; default 6000. */
  readonly mediaPort?: number
  /** Values of `[name]` keys in the scenario. */
  readonly keys?: Readonly<Record<string, string>>
  readonly extra?: readonly string[]
}

export interface SippResult {
  /** SIPp's own: 0 all calls succeeded, 1 one failed, 97 timeout, 99 normal end without calls, 254 and 255 errors. */
  readonly code: number
  readonly successful: number
  readonly failed: number
  /** The last line of SIPp's statistics by column name (`TotalCallCreated`, `Retransmissions(C)` ...). */
  readonly statistics: Readonly<Record<string, string>>
  /** What SIPp wrote to its error log and standard error. */
  readonly errors: string
}

/** SIPp's `-trace_stat` file: semicolon separated, first line names, last line the totals. */
export function parseSippStatistics(text: string): Record<string, string> {
  const lines = text.trim().split('\n')
  const [names = '', values = ''] = [lines[0], lines.length > 1 ? lines.at(-1) : '']
  const columns = values.split(';')
  return Object.fromEntries(names.split(';').flatMap((name, i) => (name ? [[name, columns[i] ?? '']] : [])))
}

function argumentsOf(options: SippOptions, directory: string): string[] {
  const {
    local,
    remote,
    calls = 1,
    rate = 10,
    timeoutSec = 30,
    mediaAddress = local.address,
    mediaPort = 6000,
  } = options
  const scenario = options.scenario.includes('<') ? ['-sf', join(directory, 'scenario.xml')] : ['-sn', options.scenario]
  const ip = (address: string) => (address.includes(':') ? `[${address}]` : address)
  return [
    ...(remote ? [endpointText(remote)] : []),
    ...scenario,
    ...['-i', ip(local.address), '-p', String(local.port), '-mi', ip(mediaAddress), '-mp', String(mediaPort)],
    ...['-m', String(calls), '-r', String(rate), '-l', String(calls)],
    ...['-timeout', `${Math.ceil(timeoutSec * timeScale)}s`, '-timeout_error', '-nostdin'],
    ...[
      '-trace_stat',
      '-stf',
      join(directory, 'stat.csv'),
      '-fd',
      '1',
      '-trace_err',
      '-error_file',
      join(directory, 'errors.log'),
    ],
    ...Object.entries(options.keys ?? {}).flatMap(([name, value]) => ['-key', name, value]),
    ...(options.extra ?? []),
  ]
}

const readOr = (file: string): Promise<string> => readFile(file, 'utf8').catch(() => '')

/**
 * Runs SIPp (Debian: sip-tester) in a namespace until its calls are done, and tells what became of them. A failed call is a
 * value. Rejects when SIPp cannot be started, or outlives its own timeout by ten seconds.
 */
export async function runSipp(namespace: Namespace, options: SippOptions): Promise<SippResult> {
  const directory = await mkdtemp(join(tmpdir(), 'cthelper-sipp-'))
  try {
    if (options.scenario.includes('<')) await writeFile(join(directory, 'scenario.xml'), options.scenario)
    const timeoutMs = ((options.timeoutSec ?? 30) + 10) * 1000
    // Without a terminal type ncurses ends SIPp before the first call.
    const argv = ['env', 'TERM=dumb', 'sipp', ...argumentsOf(options, directory)]
    const { code, stderr } = await namespace.exec(argv, { timeoutMs })
    const statistics = parseSippStatistics(await readOr(join(directory, 'stat.csv')))
    return {
      code,
      successful: Number(statistics['SuccessfulCall(C)'] ?? 0),
      failed: Number(statistics['FailedCall(C)'] ?? 0),
      statistics,
      errors: (await readOr(join(directory, 'errors.log'))) + stderr,
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}
