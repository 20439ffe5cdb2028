import { HELP } from './arguments.js'
import type { Command, OptionRow } from './command.js'

const WIDTH = 100

/** `cthelper --help`: the commands. */
export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name }) => name.length))
  const lines = commands.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`)
  return [
    'cthelper: SIP and its media through NAT and firewalls, with the media in the kernel.',
    '',
    'Usage: cthelper COMMAND [OPTIONS]',
    '',
    ...lines,
    '',
    'cthelper COMMAND --help tells the options of a command, cthelper --version the version.',
    'Exit codes: 0 done, 1 a check failed, 2 usage or configuration, 3 the kernel or permissions refused.',
    '',
  ].join('\n')
}

/** `cthelper COMMAND --help`. */
export function commandHelp(command: Command): string {
  const { name, summary, operands, options, notes } = command
  const rows = [...options, HELP]
  const left = rows.map(leftSide)
  const column = Math.max(...left.map((text) => text.length)) + 4
  const lines = rows.flatMap((row, i) => hanging(`  ${left[i]!}`, row.help, column))
  const usage = ['cthelper', name, ...operands, '[OPTIONS]'].join(' ')
  const paragraphs = notes.flatMap((note) => ['', ...wrap(note, WIDTH)])
  return [summary, '', `Usage: ${usage}`, '', ...lines, ...paragraphs, ''].join('\n')
}

function leftSide({ name, value, isList }: OptionRow): string {
  return value ? `--${name} ${value}${isList ? '[,...]' : ''}` : `--${name}`
}

/** `text` beside `head`, its further lines indented to `column`. */
function hanging(head: string, text: string, column: number): string[] {
  const indent = ' '.repeat(column)
  return wrap(text, WIDTH - column).map((line, i) => (i === 0 ? head.padEnd(column) : indent) + line)
}

/** Breaks at spaces; a longer word gets a line of its own. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else line = line === '' ? word : `${line} ${word}`
  }
  return [...lines, line]
}
