#!/usr/bin/env node
import { parseArguments } from './arguments.js'
import type { Command, Invocation } from './command.js'
import { commands } from './commands.js'
import { type ExitCode, failureOf, systemCode, usage } from './failure.js'
import { commandHelp, overview } from './help.js'
import { nearest } from './nearest.js'
import { version } from './version.js'

const out = (text: string): void => void process.stdout.write(text)
/** Bytes of a log that may wait for its reader. */
const MOST_WAITING = 1 << 20
let outlivesReader = false
let isRead = true
const offer = (text: string): boolean => {
  if (!isRead || process.stdout.writableLength > MOST_WAITING) return false
  process.stdout.write(text)
  return true
}
const complain = (sentence: string): void => void process.stderr.write(`${sentence}\n`)

/** https://no-color.org */
const isColoured = process.stdout.isTTY === true && !process.env.NO_COLOR && process.env.TERM !== 'dumb'

function commandNamed(name: string): Command {
  const command = commands.find((it) => it.name === name)
  if (command) return command
  const names = commands.map((it) => it.name)
  const close = nearest(name, names)
  const hint = close ? `did you mean ${close}?` : `there are ${names.join(', ')}`
  throw usage(`unknown command ${JSON.stringify(name)}, ${hint}; see cthelper --help`)
}

async function main([name, ...args]: readonly string[]): Promise<ExitCode> {
  if (name === undefined) throw usage('a command is missing; see cthelper --help')
  if (name === '--version') return show(`${version()}\n`)
  if (name === '--help' || name === '-h' || (name === 'help' && args.length === 0)) return show(overview(commands))
  const [wanted, rest] = name === 'help' ? [args[0]!, ['--help']] : [name, args]
  const command = commandNamed(wanted)
  const { given, operands, wantsHelp } = parseArguments(command, rest)
  if (wantsHelp) return show(commandHelp(command))
  outlivesReader = command.outlivesReader ?? false
  const invocation: Invocation = { given, operands, out, offer, complain, isColoured }
  return command.run(invocation).catch((error) => {
    const failure = failureOf(error)
    complain(`cthelper ${command.name}: ${failure.message}`)
    if (failure.message.startsWith('internal error') && failure.cause instanceof Error)
      complain(failure.cause.stack ?? '')
    return failure.exitCode
  })
}

function show(text: string): ExitCode {
  out(text)
  return 0
}

// `cthelper calls | head`: the reader has what it wanted. Calls of others do not end with the reader of their log.
process.stdout.on('error', (error) => {
  if (systemCode(error) !== 'EPIPE') throw error
  if (!outlivesReader) process.exit(0)
  isRead = false
})

main(process.argv.slice(2))
  .catch((error) => {
    const failure = failureOf(error)
    complain(`cthelper: ${failure.message}`)
    return failure.exitCode
  })
  .then((exitCode) => {
    process.exitCode = exitCode
  })
