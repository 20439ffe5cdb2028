import type { Edit } from '../../types/range.js'

/** Length of the result of `splice`. */
export function splicedLength(length: number, edits: readonly Edit[]): number {
  for (const edit of edits) length += edit.text.length - (edit.end - edit.start)
  return length
}

/**
 * Copies `source[start, end)` to `target` at `offset` with `edits` applied, and returns the offset after the last byte written.
 * Edits are sorted by `start`, do not overlap, and lie in [start, end); their text is latin1. `target` must hold
 * `offset + splicedLength(end - start, edits)` bytes and not overlap `source`; what it has behind them may be overwritten. An empty
 * list is a copy.
 */
export function splice(
  source: Uint8Array,
  start: number,
  end: number,
  edits: readonly Edit[],
  target: Uint8Array,
  offset: number,
): number {
  let shift = 0
  let low = 0
  let high = 0
  for (const edit of edits) {
    shift += edit.text.length - (edit.end - edit.start)
    if (shift < low) low = shift
    else if (shift > high) high = shift
  }
  if ((low < 0 && high > 0) || offset + end - start > target.length)
    return copyPieces(source, start, end, edits, target, offset)
  // One copy, and moves within it, cost half of a copy a piece: each of those makes a view of the source first.
  target.set(start === 0 && end === source.length ? source : source.subarray(start, end), offset)
  if (high > 0) growInPlace(target, offset - start, edits, offset + end - start, shift)
  else shrinkInPlace(target, offset - start, edits, offset + end - start)
  return offset + (end - start) + shift
}

/** Moves what follows each edit towards the front, from the first on. `base`: from source to target positions. */
function shrinkInPlace(target: Uint8Array, base: number, edits: readonly Edit[], end: number): void {
  let shift = 0
  for (let i = 0; i < edits.length; i++) {
    const { start, end: from, text } = edits[i]!
    put(target, start + base + shift, text)
    shift += text.length - (from - start)
    const to = i + 1 < edits.length ? edits[i + 1]!.start + base : end
    if (shift !== 0) target.copyWithin(from + base + shift, from + base, to)
  }
}

/** Moves what follows each edit towards the end, from the last on; `shift` is that of the last. */
function growInPlace(target: Uint8Array, base: number, edits: readonly Edit[], end: number, shift: number): void {
  for (let i = edits.length - 1; i >= 0; i--) {
    const { start, end: from, text } = edits[i]!
    const to = i + 1 < edits.length ? edits[i + 1]!.start + base : end
    if (shift !== 0) target.copyWithin(from + base + shift, from + base, to)
    shift -= text.length - (from - start)
    put(target, start + base + shift, text)
  }
}

function copyPieces(
  source: Uint8Array,
  start: number,
  end: number,
  edits: readonly Edit[],
  target: Uint8Array,
  offset: number,
): number {
  let from = start
  for (const { start: at, end: next, text } of edits) {
    target.set(source.subarray(from, at), offset)
    offset += at - from
    put(target, offset, text)
    offset += text.length
    from = next
  }
  target.set(source.subarray(from, end), offset)
  return offset + (end - from)
}

function put(target: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) target[at + i] = text.charCodeAt(i)
}
