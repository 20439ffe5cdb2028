import type { Edit } from '../../types/range.js'

/** Length of the result of `splice`. */
export function splicedLength(length: number, edits: readonly Edit[]): number {
  for (const edit of edits) length += edit.text.length - (edit.end - edit.start)
  return length
}

/**
 * Copies `source[start, end)` to `target` at `offset` with `edits` applied, and returns the offset after the last byte written.
 * Edits are sorted by `start`, do not overlap, and lie in [start, end); their text is latin1. `target` must hold
 * `offset + splicedLength(end - start, edits)` bytes and not overlap `source`. An empty list is a copy.
 */
export function splice(
  source: Uint8Array,
  start: number,
  end: number,
  edits: readonly Edit[],
  target: Uint8Array,
  offset: number,
): number {
  let from = start
  for (const edit of edits) {
    if (edit.start > from) {
      target.set(source.subarray(from, edit.start), offset)
      offset += edit.start - from
    }
    const { text } = edit
    for (let i = 0; i < text.length; i++) target[offset++] = text.charCodeAt(i)
    from = edit.end
  }
  target.set(source.subarray(from, end), offset)
  return offset + (end - from)
}
