import { MODES, settingsOf, tcpHandling } from '../alg/index.js'
import type { CheckContext, Finding, Level, Probe } from './check-context.js'
import { kernelProbes } from './check-kernel.js'
import { hasNetAdmin, machineProbes } from './check-machine.js'
import { rulesProbes } from './check-rules.js'
import { tcpProbes } from './check-tcp.js'
import type { Command, Invocation } from './command.js'
import { configOption, runOptions } from './config.js'
import { type ExitCode, failureOf } from './failure.js'
import { helperSettings, processSettings } from './settings.table.js'
import { painted } from './text.js'

export const check: Command = {
  name: 'check',
  summary: 'Say what this kernel and machine have, what is missing, and what to do about it.',
  operands: [],
  options: [
    { name: 'json', help: 'One JSON object a line, for machines.' },
    ...helperSettings,
    ...processSettings,
    configOption,
  ],
  notes: [
    'Takes the options of run, none needed: with --inside and --outside the interfaces are looked at too. Leaves nothing behind, and leaves a running cthelper alone. Exits with 1 when a line says fail.',
  ],
  run,
}

async function run(invocation: Invocation): Promise<ExitCode> {
  const { given, out, isColoured } = invocation
  const context = contextOf(invocation)
  let worst: ExitCode = 0
  for (const probe of [...machineProbes, ...kernelProbes, ...rulesProbes, ...tcpProbes]) {
    for (const finding of await look(probe, context)) {
      if (finding.level === 'fail') worst = 1
      out(given.has('json') ? `${JSON.stringify(finding)}\n` : findingText(finding, isColoured))
    }
  }
  return worst
}

/** No interface has a colon in its name. */
const UNNAMED = ':unnamed'

function contextOf({ given }: Invocation): CheckContext {
  // Both interfaces are needed only by `run`: a place is held for one that is not named.
  const filled = new Map(given)
  for (const name of ['inside', 'outside'])
    if (!given.has(name) && !given.has('config')) filled.set(name, [name + UNNAMED])
  const { helper, process: own } = runOptions(filled)
  const settings = settingsOf(helper)
  const named = (names: readonly string[]) => names.filter((name) => !name.endsWith(UNNAMED))
  const { ports, queue, masquerade, netns, tcp, budgets } = settings
  return {
    inside: named(settings.inside),
    outside: named(settings.outside),
    ports,
    queue,
    masquerade,
    translation: MODES[settings.mode].translates ? settings.translation : 'none',
    tcp,
    handlingOf: (whyNotOwn) => tcpHandling({ ...settings, isScripted: own.script !== undefined }, whyNotOwn),
    connections: budgets.connections,
    netns,
    socket: own.socket,
    isPrivileged: hasNetAdmin(),
  }
}

async function look({ subject, needsPrivilege, look }: Probe, context: CheckContext): Promise<Finding[]> {
  if (needsPrivilege && !context.isPrivileged)
    return [{ level: 'warn', subject, fact: 'cannot be looked at without CAP_NET_ADMIN', todo: 'run as root' }]
  try {
    const answer = await look(context)
    const answers = typeof answer[0] === 'string' ? [answer] : answer
    return (answers as readonly (readonly [Level, string, string?])[]).map(([level, fact, todo = '']) => ({
      level,
      subject,
      fact,
      todo,
    }))
  } catch (error) {
    const [fact = '', ...todo] = failureOf(error).message.split('; ')
    return [{ level: 'fail', subject, fact, todo: todo.join('; ') || 'see the error' }]
  }
}

const SUBJECT_WIDTH = 12
const colours = { ok: 'green', warn: 'yellow', fail: 'red' } as const

function findingText({ level, subject, fact, todo }: Finding, isColoured: boolean): string {
  const head = `${painted(level.padEnd(4), colours[level], isColoured)}  ${subject.padEnd(SUBJECT_WIDTH)}  ${fact}`
  return todo === '' ? `${head}\n` : `${head}\n${' '.repeat(SUBJECT_WIDTH + 8)}-> ${todo}\n`
}
