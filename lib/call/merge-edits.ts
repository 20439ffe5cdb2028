import type { Edit, Range } from '../../types/range.js'
import type { BodyPart, SipMessage } from '../../types/sip.js'
import { fixLengths } from './rewrite-sdp.js'

/**
 * Our edits of a message and somebody else's, in ascending order, Content-Length made to fit all of them; undefined when two of
 * them meet in one place, or one is on a Content-Length, which is ours to keep. `parts` are those of the message's body.
 */
export function mergeEdits(
  message: SipMessage,
  parts: readonly BodyPart[],
  ours: readonly Edit[],
  theirs: readonly Edit[],
): Edit[] | undefined {
  const lengths = [message.contentLength, ...parts.map((part) => part.contentLength)].filter((it) => it !== undefined)
  const isOfLength = (edit: Edit) => lengths.some((length) => meets(edit, length))
  if (theirs.some(isOfLength)) return undefined
  const all = [...ours.filter((edit) => !isOfLength(edit)), ...theirs].sort(byPlace)
  if (all.some((edit, i) => i > 0 && edit.start < all[i - 1]!.end)) return undefined
  const { body } = message
  const isOfBody = ({ start, end }: Edit) => start >= body.start && end <= body.end
  const merged = all.filter((edit) => !isOfBody(edit))
  const first = merged.length
  merged.push(...all.filter(isOfBody))
  fixLengths(message, parts, merged, first)
  return merged.sort(byPlace)
}

const byPlace = (a: Range, b: Range): number => a.start - b.start || a.end - b.end
const meets = (a: Range, b: Range): boolean => a.start < b.end && b.start < a.end
