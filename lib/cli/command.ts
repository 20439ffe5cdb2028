import type { ExitCode } from './failure.js'

/** One option of a command, as `--name VALUE`; without `value` it is a switch. */
export interface OptionRow {
  /** Long name without dashes. */
  readonly name: string
  /** What stands for the value in the help: `SEC`, `ADDR:PORT`. */
  readonly value?: string
  /** May be given more than once; values may also be joined by commas. */
  readonly isList?: boolean
  /** Sentences for `--help`, default included. */
  readonly help: string
}

/** What was given on the command line, by option name. */
export type Given = ReadonlyMap<string, string | true | readonly string[]>

export interface Invocation {
  readonly given: Given
  readonly operands: readonly string[]
  /** Writes to standard output, no line end added. */
  out(text: string): void
  /** The same for who goes on for long: false, and nothing written, when a megabyte waits to be read, or nobody reads any more. */
  offer(text: string): boolean
  /** Writes a line to standard error. */
  complain(sentence: string): void
  /** Whether standard output is a terminal that wants colours. */
  readonly isColoured: boolean
}

export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** Names of operands, all needed: `FILE`. */
  readonly operands: readonly string[]
  readonly options: readonly OptionRow[]
  /** Paragraphs under the options in `--help`. */
  readonly notes: readonly string[]
  /** Goes on when nobody reads its output any more. Default false: `cthelper calls | head` is over with `head`. */
  readonly outlivesReader?: boolean
  /** Resolves with the exit code. Throws `Failure`, or an error of the library. */
  run(invocation: Invocation): Promise<ExitCode>
}

/** The text of a single-valued option; undefined when it was not given. */
export function textOf(given: Given, name: string): string | undefined {
  const value = given.get(name)
  return typeof value === 'string' ? value : undefined
}

export function listOf(given: Given, name: string): readonly string[] | undefined {
  const value = given.get(name)
  return Array.isArray(value) ? value : undefined
}
