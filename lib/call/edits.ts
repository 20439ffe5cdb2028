import type { Flow, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { AddressField, BodyPart, SipMessage } from '../../types/sip.js'
import type { UriBody } from '../sip/index.js'
import type { Bindings } from './binding.js'
import type { Call } from './call.js'
import type { Context } from './context.js'
import type { Descriptions } from './descriptions.js'
import type { LocalStream } from './media.js'
import { rewriteFields } from './rewrite.js'
import { fixLengths, rewriteSdp } from './rewrite-sdp.js'

/** A message and what has been read of it. */
export interface Seen {
  readonly message: SipMessage
  readonly fields: readonly AddressField[]
  readonly flow: Flow
  readonly way: Way
  readonly described: Descriptions
  readonly uris: readonly UriBody[]
  call: Call | undefined
}

/** The edits of a message, in ascending order: header fields, session description, bodies of URIs, and the lengths that follow. */
export function editsOf(
  { message, fields, flow, way, described, uris, call }: Seen,
  bindings: Bindings,
  context: Context,
): Edit[] {
  const edits: Edit[] = []
  rewriteFields(fields, flow.binding, way, bindings, edits)
  const headerEdits = edits.length
  context.flow = flow
  for (const { sdp } of described.all) rewriteSdp(sdp, way, call?.locals ?? NO_LOCALS, context, edits)
  for (const { fields } of uris) rewriteFields(fields, flow.binding, way, bindings, edits)
  if (edits.length > headerEdits) fixLengths(message, partsOf(described, uris), edits, headerEdits)
  return sorted(edits)
}

const NO_LOCALS: readonly LocalStream[] = []
/** Up to here insertion costs less than a call of `sort`: edits are nearly in order. */
const FEW = 32

function sorted(edits: Edit[]): Edit[] {
  if (edits.length > FEW) return edits.sort((a, b) => a.start - b.start)
  for (let i = 1; i < edits.length; i++) {
    const edit = edits[i]!
    let at = i
    for (; at > 0 && edits[at - 1]!.start > edit.start; at--) edits[at] = edits[at - 1]!
    edits[at] = edit
  }
  return edits
}

/** The parts of the body that are edited. */
function partsOf({ all }: Descriptions, uris: readonly UriBody[]): BodyPart[] {
  if (all.length === 1 && uris.length === 0) return [all[0]!.body]
  return [...uris.map(({ part }) => part), ...all.map(({ body }) => body)]
}
