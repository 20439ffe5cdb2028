import type { Edit } from '../../types/range.js'
import { painted, printable } from './text.js'

/** A piece of a line, and whether it is what changed. */
export interface Segment {
  readonly text: string
  readonly isChanged: boolean
}

export interface DiffLine {
  readonly before: readonly Segment[]
  /** Undefined: the line stays as it is. */
  readonly after: readonly Segment[] | undefined
}

/** A message's lines with its edits, which are sorted and do not cross line ends. */
export function diffOfEdits(bytes: Uint8Array, start: number, end: number, edits: readonly Edit[]): DiffLine[] {
  const lines: DiffLine[] = []
  let at = start
  while (at < end) {
    const newline = bytes.indexOf(10, at)
    const next = newline < 0 || newline >= end ? end : newline + 1
    const stop = newline < 0 || newline >= end ? end : bytes[newline - 1] === 13 && newline > at ? newline - 1 : newline
    const here = edits.filter((edit) => edit.start >= at && edit.end <= stop)
    lines.push(lineOf(bytes, at, stop, here))
    at = next
  }
  return lines
}

function lineOf(bytes: Uint8Array, start: number, end: number, edits: readonly Edit[]): DiffLine {
  const before: Segment[] = []
  const after: Segment[] = []
  let from = start
  const keep = (to: number) => {
    const segment = { text: utf8(bytes.subarray(from, to)), isChanged: false }
    before.push(segment)
    after.push(segment)
  }
  for (const edit of edits) {
    keep(edit.start)
    before.push({ text: utf8(bytes.subarray(edit.start, edit.end)), isChanged: true })
    after.push({ text: utf8(Buffer.from(edit.text, 'latin1')), isChanged: true })
    from = edit.end
  }
  keep(end)
  return { before, after: edits.length > 0 ? after : undefined }
}

const utf8 = (bytes: Uint8Array): string => printable(Buffer.from(bytes).toString('utf8'))

/**
 * Two texts of one message, as seen before and after somebody rewrote it: line by line, with what differs in the middle of a line.
 * Lines are compared in order; a text with more lines than the other shows them as changed.
 */
export function diffOfTexts(before: string, after: string): DiffLine[] {
  const [old, young] = [before, after].map((text) => text.replace(/\r\n$/, '').split('\r\n').map(printable)) as [
    string[],
    string[],
  ]
  const count = Math.max(old.length, young.length)
  return Array.from({ length: count }, (_, i) => diffOfLine(old[i] ?? '', young[i] ?? ''))
}

/** Pieces are numbers, words and single signs, so that a changed address is shown whole. */
const pieces = (line: string): string[] => line.match(/[\w.]+|\W/g) ?? []

function diffOfLine(before: string, after: string): DiffLine {
  if (before === after) return { before: [{ text: before, isChanged: false }], after: undefined }
  const [a, b] = [pieces(before), pieces(after)]
  let head = 0
  while (head < a.length && head < b.length && a[head] === b[head]) head++
  let tail = 0
  while (tail < a.length - head && tail < b.length - head && a.at(-1 - tail) === b.at(-1 - tail)) tail++
  const segments = (list: readonly string[]): Segment[] => [
    { text: list.slice(0, head).join(''), isChanged: false },
    { text: list.slice(head, list.length - tail).join(''), isChanged: true },
    { text: list.slice(list.length - tail).join(''), isChanged: false },
  ]
  return { before: segments(a), after: segments(b) }
}

/**
 * The lines as text: unchanged ones behind two spaces; changed ones twice, behind `-` and `+`, with what changed in colour, or
 * with signs under it.
 */
export function diffText(lines: readonly DiffLine[], isColoured: boolean): string[] {
  return lines.flatMap(({ before, after }) => {
    if (!after) return [`  ${before.map((it) => it.text).join('')}`.trimEnd()]
    return [...side('-', before, isColoured), ...side('+', after, isColoured)]
  })
}

function side(sign: '-' | '+', segments: readonly Segment[], isColoured: boolean): string[] {
  const colour = sign === '-' ? 'red' : 'green'
  if (isColoured)
    return [`${sign} ${segments.map((it) => (it.isChanged ? painted(it.text, colour, true) : it.text)).join('')}`]
  const marks = segments.map((it) => (it.isChanged ? '^' : ' ').repeat(it.text.length)).join('')
  const line = `${sign} ${segments.map((it) => it.text).join('')}`
  return marks.includes('^') ? [line, `  ${marks.trimEnd()}`] : [line]
}
