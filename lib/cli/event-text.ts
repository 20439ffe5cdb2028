/** Events and listed things as text for people: one row a kind. */
import type { CallInfo, PinholeInfo, RegistrationInfo, StreamInfo } from '../../types/call.js'
import type { Transport } from '../../types/flow.js'
import type { HelperEvents } from '../../types/helper.js'
import { duration, endpointText, printable } from './text.js'

export interface Listing<T> {
  readonly header: readonly string[]
  row(item: T, now: number): string[]
}

/** Most of it is UDP, which goes without saying. */
const by = ({ transport }: { readonly transport: Transport }, text: string): string =>
  transport === 'tcp' ? `${text} (tcp)` : text

const streamText = ({ type, inside, outside, far }: StreamInfo): string =>
  `${printable(type)} ${endpointText(inside)} as ${endpointText(outside)} with ${far ? endpointText(far) : 'nobody yet'}`

const stateText = (call: CallInfo): string =>
  `${call.state}${call.held ? ', held' : ''}${call.endReason ? ` (${call.endReason})` : ''}`

export const calls: Listing<CallInfo> = {
  header: ['STATE', 'SINCE', 'CALLER', 'INSIDE', 'PEER', 'MEDIA', 'CALL-ID'],
  row: (call, now) => [
    stateText(call),
    duration(now - call.since),
    call.caller,
    endpointText(call.inside),
    by(call, endpointText(call.peer)),
    call.streams.map(streamText).join('; ') || 'none',
    printable(call.callId),
  ],
}

export const pinholes: Listing<PinholeInfo> = {
  header: ['KIND', 'FROM', 'TO', 'FOR', 'EXPECTATIONS', 'FLOWS', 'CALL-ID'],
  row: (it) => [
    by(it, it.kind + (it.early ? ', early' : '')),
    endpointText(it.far),
    endpointText(it.outside),
    endpointText(it.inside),
    String(it.expectations),
    String(it.flows),
    printable(it.callId ?? ''),
  ],
}

export const registrations: Listing<RegistrationInfo> = {
  header: ['AOR', 'INSIDE', 'OUTSIDE', 'REGISTRAR', 'EXPIRES IN'],
  row: (it, now) => [
    printable(it.aor),
    by(it, endpointText(it.inside)),
    endpointText(it.outside),
    endpointText(it.registrar),
    duration(it.expiresAt - now),
  ],
}

const ofCall = (call: CallInfo): string => {
  const media = call.streams.map(streamText).join('; ')
  return `${stateText(call)}, ${endpointText(call.inside)} with ${by(call, endpointText(call.peer))}${media && `, ${media}`}, call ${printable(call.callId)}`
}

const ofPinhole = (it: PinholeInfo): string =>
  `${by(it, it.kind)}${it.early ? ' (early)' : ''} from ${endpointText(it.far)} to ${endpointText(it.outside)} for ${endpointText(it.inside)}${it.callId ? `, call ${printable(it.callId)}` : ''}`

const ofRegistration = (it: RegistrationInfo): string =>
  `${printable(it.aor)} at ${by(it, endpointText(it.inside))}, outside ${endpointText(it.outside)}, by ${endpointText(it.registrar)}`

type EventTexts = { readonly [K in keyof HelperEvents]: (...args: HelperEvents[K]) => string }

/** What a line of the log says after the event's name. */
export const eventTexts: EventTexts = {
  call: ofCall,
  hold: ofCall,
  resume: ofCall,
  end: ofCall,
  registration: ofRegistration,
  unregistration: ofRegistration,
  pinhole: ({ kind, pinhole }) => `${kind} ${ofPinhole(pinhole)}`,
  refused: ({ reason, detail, callId }) => `${reason}: ${printable(detail)}${callId && `, call ${printable(callId)}`}`,
  repair: ({ what, count }) =>
    what === 'table'
      ? 'our table was removed by somebody; it stands again'
      : `${count} pinholes were removed by somebody; they stand again`,
  error: (error) => printable(error.message),
}

/** A change of a watched listing: the event's name as control messages have it, with what it is about. */
export function changeText(event: string, item: unknown): string {
  if (event === 'open' || event === 'close') return `${event} ${ofPinhole(item as PinholeInfo)}`
  const text = eventTexts[event as keyof EventTexts] as ((thing: unknown) => string) | undefined
  return `${event} ${text ? text(item) : JSON.stringify(item)}`
}
