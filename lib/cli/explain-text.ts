import type { CallEvent } from '../call/index.js'
import { summary } from '../sip/index.js'
import { eventTexts } from './event-text.js'
import type { Explained, ExplainedPath } from './explainer.js'
import { diffOfEdits, diffText } from './message-diff.js'
import { endpointText, painted, printable } from './text.js'

/** What would happen to one message, for people. */
export function explainedText(explained: Explained, isColoured: boolean): string {
  const { message, passedBy, edits, open, close, events, reasons } = explained
  const lines = [painted(headline(explained), 'bold', isColoured)]
  if (passedBy !== undefined) lines.push(`  passes unchanged: ${passedBy}`)
  else if (message)
    lines.push(...diffText(diffOfEdits(message.bytes, message.range.start, message.range.end, edits), isColoured))
  const told = [
    ...close.map((path) => `closes ${pathText(path)}`),
    ...open.map((path) => `opens ${pathText(path)}`),
    ...events.map(eventText),
    ...reasons,
  ]
  return `${[...lines, ...told.map((line) => `  > ${line}`), ''].join('\n')}\n`
}

function headline({ datagram, message, way }: Explained): string {
  const { number, timeMs, source, destination } = datagram
  const place = number === 0 ? '' : `#${number} ${new Date(timeMs).toISOString()} `
  const sense = way === undefined ? '' : way === 'out' ? 'out ' : 'in '
  return `${place}${sense}${endpointText(source)} -> ${endpointText(destination)} ${message ? summary(message) : ''}`.trimEnd()
}

const sources = {
  exact: 'from that port only',
  latch: 'from the first port that speaks',
  address: 'from any port',
} as const

function pathText({ kind, from, outside, inside, hasRtcp, source, early }: ExplainedPath): string {
  const who = from.address === undefined ? 'anybody' : endpointText({ address: from.address, port: from.port })
  const ports = hasRtcp ? ' with RTCP' : ''
  const to = outside.address === inside.address && outside.port === inside.port ? '' : ` for ${endpointText(inside)}`
  const which = kind === 'media' ? `, ${sources[source]}` : ''
  return `${kind}${early ? ', until the answer,' : ''} from ${who} to ${endpointText(outside)}${to}${ports}${which}`
}

function eventText(event: CallEvent): string {
  if (event.kind === 'refused') return `refused: ${eventTexts.refused(event.refusal)}`
  if ('registration' in event) return `${event.kind}: ${eventTexts[event.kind](event.registration)}`
  return `${event.kind}: ${eventTexts[event.kind](event.call)}`
}

/** The same for machines: one line. Ranges count bytes from the start of the message. */
export function explainedJson(explained: Explained): string {
  const { datagram, way, passedBy, message, edits, open, close, events, reasons } = explained
  const { number, timeMs, source, destination } = datagram
  const start = message?.range.start ?? 0
  const old = (from: number, to: number) => Buffer.from(message!.bytes.subarray(from, to)).toString('latin1')
  const object = {
    number,
    time: new Date(timeMs).toISOString(),
    way,
    source,
    destination,
    summary: message && printable(summary(message)),
    callId: message?.callId,
    passedBy,
    edits: edits.map((it) => ({
      start: it.start - start,
      end: it.end - start,
      old: old(it.start, it.end),
      new: it.text,
    })),
    open,
    close,
    events,
    reasons,
  }
  return `${JSON.stringify(object)}\n`
}
