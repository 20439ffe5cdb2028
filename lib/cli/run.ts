import { setFlagsFromString } from 'node:v8'
import type { HelperEvents } from '../../types/helper.js'
import type { SipHelperOptions } from '../../types/options.js'
import { SipHelper, settingsOf, tcpHandling } from '../alg/index.js'
import { serveMetrics } from '../metrics/index.js'
import type { Command, Invocation } from './command.js'
import { configOption, type RunOptions, runOptions } from './config.js'
import { requireFreeSocket, serveControl } from './control-server.js'
import { connectionsWith, descriptorsFor, raiseDescriptors } from './descriptors.js'
import { type ExitCode, messageOf } from './failure.js'
import { Log } from './log.js'
import { loadScript } from './script.js'
import { requireUnservedTable } from './served.js'
import { helperSettings, processSettings } from './settings.table.js'
import { version } from './version.js'

const logged: readonly (keyof HelperEvents)[] = [
  'call',
  'hold',
  'resume',
  'end',
  'registration',
  'unregistration',
  'refused',
  'repair',
  'error',
]

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** 128 and the signal's number, as shells count. */
const signalNumbers = { SIGTERM: 15, SIGINT: 2, SIGHUP: 1 } as const

export const run: Command = {
  name: 'run',
  summary: 'Help the SIP that crosses this gateway, until stopped.',
  operands: [],
  options: [...helperSettings, ...processSettings, configOption],
  notes: [
    'Installs its own table, inet cthelper, and touches no other. Prints a line with the word ready when packets are being handled. SIGTERM, SIGINT and SIGHUP stop it: the table, the pinholes and the media of calls under way are taken back. A second signal ends it at once. Killed, it leaves calls running: SIP then passes unchanged, and pinholes close when the lease is over.',
    'Nobody has to read what it prints: of what is not read a megabyte is kept, and how many lines are lost is said once there is room.',
    'Filters stay yours: a forward chain that drops by policy must accept ct state established,related, and SIP from inside to outside.',
  ],
  outlivesReader: true,
  run: start,
}

async function start({ given, offer }: Invocation): Promise<ExitCode> {
  // Under a flood V8 may come to think that a message's objects live long, make them in the old generation, and collect that ten times
  // a second: 16.0 instead of 10.6 us a message (bench/README.md).
  setFlagsFromString('--no-allocation-site-pretenuring')
  const options = runOptions(given)
  await requireFreeSocket(options.process.socket)
  requireUnservedTable(options.helper.netns, options.helper.zone)
  const log = new Log({ format: options.process.log, now: Date.now, write: (line) => offer(`${line}\n`) })
  const stopped = untilSignal(log)
  const undo: (() => Promise<void>)[] = []
  let exitCode: ExitCode = 0
  try {
    await open(options, log, undo)
    await stopped
  } finally {
    const wasOpen = undo.length > 0
    if (!(await unwind(undo, log))) exitCode = 3
    else if (wasOpen) log.say('stopped', 'nothing of ours is left in the kernel')
  }
  return exitCode
}

/** Takes everything back, last first; false when something could not be. */
async function unwind(undo: (() => Promise<void>)[], log: Log): Promise<boolean> {
  let isClean = true
  for (const step of undo.reverse()) {
    await step().catch((error) => {
      isClean = false
      log.say('error', messageOf(error))
    })
  }
  return isClean
}

/** Starts everything; `undo` gets what takes it back, so far as it went. */
async function open(
  { helper: wanted, process: own }: RunOptions,
  log: Log,
  undo: (() => Promise<void>)[],
): Promise<void> {
  const { helper, limit } = affordable(wanted, own.script !== undefined)
  const script = own.script === undefined ? {} : { onMessage: await loadScript(own.script) }
  const sip = new SipHelper({ ...helper, ...script })
  for (const event of logged) logEvent(sip, log, event)
  await sip.start()
  undo.push(() => stop(sip))
  const control = await serveControl({ path: own.socket, version: version(), helper: sip })
  undo.push(() => control.close())
  if (own.metrics) {
    const metrics = await serveMetrics({ ...own.metrics, status: () => sip.status() })
    undo.push(() => metrics.close())
  }
  const { carrier, translation, queues, tcp } = sip.status()
  const ways = `${helper.inside.join(', ')} to ${helper.outside.join(', ')}`
  const numbers = queues.map(({ number }) => number).join(' and ')
  const streams = tcp.isFollowed ? 'TCP followed' : tcp.isProxied ? `TCP helped${limit}` : `TCP left alone (${tcp.why})`
  const kernel = `queue ${numbers}, expectations by helper ${carrier}, ${TRANSLATIONS[translation ?? 'none']}`
  log.say('ready', `${ways}, ${kernel}, ${streams}, control socket ${own.socket}`)
}

/** Who translates media, for the line that says ready. */
const TRANSLATIONS = {
  function: "translated by the kernel's NAT function (nf_nat_sip)",
  maps: 'translated by nft maps',
  none: 'nothing translated',
} as const

/** Two descriptors a proxied connection: the budget of connections, or less where so many are not to be had. */
function affordable(
  helper: SipHelperOptions,
  isScripted: boolean,
): {
  readonly helper: SipHelperOptions
  readonly limit: string
} {
  const settings = settingsOf(helper)
  const { connections } = settings.budgets
  if (tcpHandling({ ...settings, isScripted }, undefined) === 'followed') return { helper, limit: '' }
  const wanted = descriptorsFor(connections)
  const allowed = raiseDescriptors(wanted)
  if (allowed >= wanted) return { helper, limit: '' }
  const most = Math.max(1, connectionsWith(allowed))
  const limit = ` on ${most} connections at most (${allowed} descriptors are allowed; ulimit -n ${wanted})`
  return { helper: { ...helper, budgets: { ...helper.budgets, connections: most } }, limit }
}

/** `SipHelper.stop` goes on after a failure and reports it as an event; here it makes the exit code. */
async function stop(sip: SipHelper): Promise<void> {
  const failures = () => sip.status().counters.errors ?? 0
  const before = failures()
  await sip.stop()
  if (failures() > before) throw new Error('not everything could be taken back: see the errors above')
}

function logEvent<K extends keyof HelperEvents>(sip: SipHelper, log: Log, event: K): void {
  const listener = (...args: HelperEvents[K]) => log.event(event, ...args)
  // EventEmitter's generic listener type does not follow a type parameter.
  sip.on(event, listener as never)
}

/** Resolves at the first signal to stop, rejects at an exception that nobody caught; the second signal ends the process. */
function untilSignal(log: Log): Promise<void> {
  return new Promise((resolve, reject) => {
    let isStopping = false
    for (const signal of STOP_SIGNALS) {
      process.on(signal, () => {
        if (isStopping) process.exit(128 + signalNumbers[signal])
        isStopping = true
        log.say('stopping', `${signal}: taking everything back; a second signal ends at once`)
        resolve()
      })
    }
    process.on('uncaughtException', reject)
  })
}
