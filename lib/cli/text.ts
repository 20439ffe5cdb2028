/** Text for terminals and logs: columns, endpoints, and nothing of a packet's bytes that a terminal would obey. */
import type { Endpoint } from '../../types/endpoint.js'

/** Control characters, C1 included, as `\x1b`: what is printed of a message was written by a stranger. */
export function printable(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (it) => `\\x${it.charCodeAt(0).toString(16).padStart(2, '0')}`)
}

/** `192.0.2.1:5060`, `[2001:db8::1]:5060`; port 0, which means any, as `*`. */
export function endpointText({ address, port }: Endpoint): string {
  const host = address.includes(':') ? `[${address}]` : address
  return `${host}:${port === 0 ? '*' : port}`
}

/** Rows under a header line, left-aligned, two spaces between columns, no trailing spaces. */
export function columns(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows]
  const widths = header.map((_, i) => Math.max(...all.map((row) => (row[i] ?? '').length)))
  const lines = all.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
  return `${lines.join('\n')}\n`
}

/** `1 h 02 min`, `3 min 20 s`, `12 s`. */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  if (seconds < 60) return `${seconds} s`
  const two = (value: number) => String(value).padStart(2, '0')
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${two(seconds % 60)} s`
  return `${Math.floor(seconds / 3600)} h ${two(Math.floor((seconds % 3600) / 60))} min`
}

/** ANSI SGR around `text`, where colours are wanted. */
export function painted(text: string, colour: 'red' | 'green' | 'yellow' | 'bold', isColoured: boolean): string {
  const number = { red: 31, green: 32, yellow: 33, bold: 1 }[colour]
  return isColoured ? `\x1b[${number}m${text}\x1b[0m` : text
}
