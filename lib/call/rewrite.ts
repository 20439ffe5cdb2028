import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Transport, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { AddressField } from '../../types/sip.js'
import type { Bindings } from './binding.js'

/**
 * Headers that name a person rather than a place to send to (RFC 3261 8.1.1.2, RFC 3325, RFC 5806 ...): a missing port means
 * "no port", not 5060, so that their host is mapped by itself and their text gains nothing.
 */
const IDENTITIES: ReadonlySet<string> = new Set([
  'from',
  'to',
  'p-asserted-identity',
  'p-preferred-identity',
  'remote-party-id',
  'diversion',
  'history-info',
  'referred-by',
  'reply-to',
  'body-identity',
])

/**
 * Words of `Binding.implied`, one a header whose values come back under its own name, or under another: the far side calls the
 * first Contact in the Request-URI, and routes back what was recorded (RFC 3261 12.1).
 */
const WORDS = [
  ['via'],
  ['contact', 'request-uri'],
  ['route', 'record-route'],
  ['path'],
  ['service-route'],
  ['refer-to'],
  ['warning'],
  ['call-info'],
  ['alert-info'],
  ['body'],
]
const wordOf: ReadonlyMap<string, number> = new Map(
  WORDS.flatMap((names, i) => names.map((name) => [name, i] as const)),
)

/** Whether the inside leaves out the port in this place, as it wrote last. */
function isImplied({ implied }: Binding, { header, index }: AddressField): boolean {
  const word = implied?.[wordOf.get(header) ?? WORDS.length] ?? 0
  return ((word >>> Math.min(index, 31)) & 1) === 1
}

function noteImplied(binding: Binding, { header, index }: AddressField, isLeftOut: boolean): void {
  if (!isLeftOut && !binding.implied) return
  binding.implied ??= new Uint32Array(WORDS.length + 1)
  const word = wordOf.get(header) ?? WORDS.length
  const bit = 1 << Math.min(index, 31)
  if (isLeftOut) binding.implied[word]! |= bit
  else binding.implied[word]! &= ~bit
}

const SIP_PORT = 5060
const SIPS_PORT = 5061

/**
 * Appends the edits that map every endpoint of ours in `fields` from one side of the gateway to the other. An address is edited
 * only where it, with its port, *is* an endpoint of this flow or of another binding; everything else stays as it is.
 * `implied` of the binding remembers left-out ports, so that the way back gives the same text again.
 */
export function rewriteFields(
  fields: readonly AddressField[],
  binding: Binding,
  way: Way,
  bindings: Bindings,
  edits: Edit[],
): void {
  const [from, to] = way === 'out' ? [binding.inside, binding.outside] : [binding.outside, binding.inside]
  const isMoved = from.address !== to.address
  /** The Via being read: whether it is ours, and its rport, which may stand before the `received` that says so. */
  let isOurs = false
  let rport: AddressField | undefined
  for (const field of fields) {
    if (field.part === 'sent-by') {
      isOurs = field.family !== 0 && field.address === from.address
      rport = undefined
    } else if (field.part === 'rport') rport = field
    if (field.part === 'received' || field.part === 'maddr') {
      if (field.family === 0 || field.address !== from.address) continue
      // In a Contact or Path it is a URI (RFC 3327 5.1's use by registrars), and another port is another endpoint.
      if (field.port && field.portNumber !== from.port) continue
      if (field.part === 'received' && field.header === 'via') isOurs = true
      if (isMoved) pushHost(field, to.address, edits)
      replacePort(field, to.port, edits)
    } else if (field.family !== 0 && field.part !== 'rport') mapEndpoint(field, binding, way, bindings, edits)
    if (!isOurs || !rport) continue
    if (rport.portNumber === from.port) replacePort(rport, to.port, edits)
    rport = undefined
  }
}

function mapEndpoint(field: AddressField, own: Binding, way: Way, bindings: Bindings, edits: Edit[]): void {
  const isIdentity = IDENTITIES.has(field.header)
  const [from, to] = way === 'out' ? [own.inside, own.outside] : [own.outside, own.inside]
  if (isIdentity && !field.port) {
    if (field.address === from.address && to.address !== from.address) pushHost(field, to.address, edits)
    return
  }
  const isOwn = field.address === from.address && portOf(field) === from.port
  const transport = transportOf(field)
  if (isOwn && (transport === undefined || transport === own.transport))
    return write(field, own, way, isIdentity, edits)
  const other = namedBinding(field, way, bindings) ?? (isOwn ? own : undefined)
  if (other) write(field, other, way, isIdentity, edits)
}

/** What a place says of its transport; undefined: nothing, or one that is not read. */
export function transportOf({ scheme, transport, part }: AddressField): Transport | undefined {
  const word = part === 'sent-by' ? scheme : transport
  return word === 'tcp' || word === 'udp' ? word : undefined
}

/**
 * The held binding that a place names, going `out` by its inside end, coming `in` by its outside end. Where no transport is written
 * it is UDP (RFC 3263 4.1); a phone that has the other only may leave it out all the same.
 */
export function namedBinding(field: AddressField, way: Way, bindings: Bindings): Binding | undefined {
  const port = portOf(field)
  const find = (transport: Transport) =>
    way === 'out'
      ? bindings.ofInside(field.address, port, transport)
      : bindings.ofOutside(field.address, port, transport)
  const said = transportOf(field) ?? 'udp'
  return find(said) ?? find(said === 'udp' ? 'tcp' : 'udp')
}

function write(field: AddressField, binding: Binding, way: Way, isIdentity: boolean, edits: Edit[]): void {
  const [from, to] = way === 'out' ? [binding.inside, binding.outside] : [binding.outside, binding.inside]
  if (from.address !== to.address) pushHost(field, to.address, edits)
  if (from.port === to.port) return
  const standard = defaultPort(field)
  if (way === 'out' && !isIdentity) noteImplied(binding, field, !field.port)
  if (!field.port) {
    if (to.port !== standard) edits.push({ start: field.hostPortEnd, end: field.hostPortEnd, text: `:${to.port}` })
  } else if (way === 'in' && !isIdentity && to.port === standard && isImplied(binding, field)) {
    edits.push({ start: field.host.end, end: field.port.end, text: '' })
  } else replacePort(field, to.port, edits)
}

function replacePort(field: AddressField, port: number, edits: Edit[]): void {
  const { port: at } = field
  if (at && field.portNumber !== port) edits.push({ start: at.start, end: at.end, text: String(port) })
}

function defaultPort(field: AddressField): number {
  return field.scheme === 'sips' || field.scheme === 'tls' ? SIPS_PORT : SIP_PORT
}

function pushHost(field: AddressField, address: string, edits: Edit[]): void {
  const { start, end } = field.host
  edits.push({ start, end, text: hostText(address, field) })
}

/** RFC 3261 25.1: a host is an IPv6reference in brackets, save in `received` (RFC 5118 4.5), which keeps the form it had. */
function hostText(address: string, field: AddressField): string {
  const isBracketed = field.part !== 'received' || field.host.end - field.host.start > field.address.length
  return address.includes(':') && isBracketed ? `[${address}]` : address
}

/** The port a field means: the scheme's default where none is written. */
export function portOf(field: AddressField): number {
  return field.port ? field.portNumber : defaultPort(field)
}

/** Whether a contact's endpoint is `end`, the default port included. */
export function isAt(field: AddressField, end: Endpoint): boolean {
  return field.address === end.address && portOf(field) === end.port
}
