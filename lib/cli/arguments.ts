import { parseArgs } from 'node:util'
import type { Command, Given, OptionRow } from './command.js'
import { type Failure, usage } from './failure.js'
import { nearest } from './nearest.js'

export interface Parsed {
  readonly given: Given
  readonly operands: readonly string[]
  readonly wantsHelp: boolean
}

/** Every command has it. */
export const HELP: OptionRow = { name: 'help', help: 'Show this help.' }

/** Reads a command's arguments by its option table. Throws `Failure` (2) that names what is wrong and where the help is. */
export function parseArguments(command: Command, args: readonly string[]): Parsed {
  const rows = new Map([...command.options, HELP].map((row) => [row.name, row]))
  const types = [...rows.values()].map(({ name, value }) => [name, { type: value ? 'string' : 'boolean' }] as const)
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries([...types, ['help', { type: 'boolean', short: 'h' }] as const]),
    strict: false,
    tokens: true,
  })
  const given = new Map<string, string | true | readonly string[]>()
  const operands: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') operands.push(token.value)
    if (token.kind !== 'option') continue
    const row = rows.get(token.name)
    if (!row) throw unknownOption(command, token.rawName, [...rows.keys()])
    put(given, row, givenValue(command, row, token), command)
  }
  const wantsHelp = given.delete('help')
  if (!wantsHelp) checkOperands(command, operands)
  return { given, operands, wantsHelp }
}

interface OptionToken {
  readonly value: string | undefined
  readonly inlineValue: boolean | undefined
}

function givenValue(command: Command, row: OptionRow, { value, inlineValue }: OptionToken): string | true {
  if (!row.value) {
    if (value !== undefined)
      throw wrong(command, `--${row.name} takes no value, and ${JSON.stringify(value)} was given`)
    return true
  }
  // `--inside --outside wan0`: the value was forgotten, not named "--outside".
  if (value === undefined || value === '' || (!inlineValue && value.startsWith('-')))
    throw wrong(command, `--${row.name} needs a value, --${row.name} ${row.value}`)
  return value
}

function put(
  given: Map<string, string | true | readonly string[]>,
  { name, isList }: OptionRow,
  value: string | true,
  command: Command,
): void {
  const before = given.get(name)
  if (isList && typeof value === 'string') {
    given.set(name, [...(Array.isArray(before) ? before : []), ...value.split(',')])
    return
  }
  if (before !== undefined && before !== value) throw wrong(command, `--${name} is given twice, with different values`)
  given.set(name, value)
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { operands: names } = command
  if (operands.length > names.length)
    throw wrong(command, `unexpected argument ${JSON.stringify(operands[names.length])}`)
  if (operands.length < names.length) throw wrong(command, `${names[operands.length]} is missing`)
}

function unknownOption(command: Command, raw: string, names: readonly string[]): Failure {
  const close = nearest(raw.replace(/^-+/, ''), names)
  return wrong(command, `unknown option ${raw}${close ? `, did you mean --${close}?` : ''}`)
}

function wrong(command: Command, what: string): Failure {
  return usage(`${what}; see cthelper ${command.name} --help`)
}
