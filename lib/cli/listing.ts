import type { Command, Invocation, OptionRow } from './command.js'
import { textOf } from './command.js'
import type { ControlCommand, ControlMessage } from './control.js'
import { askControl, watchControl } from './control-client.js'
import { calls, changeText, type Listing, pinholes, registrations } from './event-text.js'
import { type ExitCode, Failure, systemCode, usage } from './failure.js'
import { DEFAULT_SOCKET, socketSetting } from './settings.table.js'
import { columns } from './text.js'

const options: readonly OptionRow[] = [
  { name: 'json', help: 'One JSON object a line, for machines.' },
  { name: 'watch', help: 'Go on with every change, until interrupted.' },
  socketSetting,
]

const notes: readonly string[] = [
  'With --json an item is the object itself; with --watch too, changes are {"event":"...","item":{...}}. Exits with 2 when no cthelper runs there, with 3 when it may not be asked (it answers root only).',
]

interface Kind {
  readonly name: Exclude<ControlCommand, 'status'>
  readonly summary: string
  readonly listing: Listing<never>
  readonly none: string
}

function listCommand({ name, summary, listing, none }: Kind): Command {
  const list = listing as Listing<unknown>
  const run = async (invocation: Invocation): Promise<ExitCode> => {
    const path = textOf(invocation.given, 'socket') ?? DEFAULT_SOCKET
    try {
      if (invocation.given.has('watch')) await watch(path, name, list, none, invocation)
      else show(await askControl(path, name), list, none, invocation)
      return 0
    } catch (error) {
      throw unreachable(error, path)
    }
  }
  return { name, summary, operands: [], options, notes, run }
}

function show(items: readonly unknown[], list: Listing<unknown>, none: string, { given, out }: Invocation): void {
  if (given.has('json')) for (const item of items) out(`${JSON.stringify(item)}\n`)
  else if (items.length === 0) out(`${none}\n`)
  else {
    const now = Date.now()
    out(
      columns(
        list.header,
        items.map((item) => list.row(item, now)),
      ),
    )
  }
}

async function watch(
  path: string,
  name: ControlCommand,
  list: Listing<unknown>,
  none: string,
  invocation: Invocation,
): Promise<void> {
  process.once('SIGINT', () => process.exit(0)).once('SIGTERM', () => process.exit(0))
  const items: unknown[] = []
  for await (const message of watchControl(path, name)) {
    if (message.kind === 'item') items.push(message.item)
    else if (message.kind === 'end') show(items.splice(0), list, none, invocation)
    else if (message.kind === 'error') throw new Failure(2, `at ${path}: ${message.message}`)
    else showChange(message, invocation)
  }
  invocation.complain(`the cthelper at ${path} has ended`)
}

function showChange({ event, item }: Extract<ControlMessage, { kind: 'change' }>, { given, out }: Invocation): void {
  if (given.has('json')) out(`${JSON.stringify({ event, item })}\n`)
  else out(`${new Date().toISOString()} ${changeText(event, item)}\n`)
}

function unreachable(error: unknown, path: string): unknown {
  const code = systemCode(error)
  if (code === 'ENOENT' || code === 'ECONNREFUSED')
    return usage(`no cthelper is running at ${path}: start it with cthelper run, or name its socket with --socket`)
  if (code === 'EACCES' || code === 'EPERM') return new Failure(3, `may not connect to ${path}: run as root`)
  if (code === 'ENOTSOCK') return usage(`${path} is no socket`)
  return error
}

/** `calls`, `pinholes`, `registrations`: what the running process holds. */
export const listCommands: readonly Command[] = [
  listCommand({
    name: 'calls',
    summary: 'List the live calls of the running cthelper.',
    listing: calls as Listing<never>,
    none: 'no calls',
  }),
  listCommand({
    name: 'pinholes',
    summary: 'List the ways it holds open in the kernel.',
    listing: pinholes as Listing<never>,
    none: 'no pinholes',
  }),
  listCommand({
    name: 'registrations',
    summary: 'List the registrations it has seen granted.',
    listing: registrations as Listing<never>,
    none: 'no registrations',
  }),
]
