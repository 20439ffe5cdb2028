import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Way } from '../../types/flow.js'
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
])

/**
 * Bits of `impliedPort`: eight values each of what comes back (Via), of what the far side calls (Contact, whose first value it
 * writes in the Request-URI), of routes (RFC 3261 12.1), and of all else.
 */
const VIA_BITS = 0
const CONTACT_BITS = 8
const ROUTE_BITS = 16
const OTHER_BITS = 24
const BITS: Readonly<Record<string, number>> = {
  via: VIA_BITS,
  contact: CONTACT_BITS,
  'request-uri': CONTACT_BITS,
  route: ROUTE_BITS,
  'record-route': ROUTE_BITS,
}

const bitOf = ({ header, index }: AddressField): number => 1 << ((BITS[header] ?? OTHER_BITS) + Math.min(index, 6))

const SIP_PORT = 5060
const SIPS_PORT = 5061

/**
 * Appends the edits that map every endpoint of ours in `fields` from one side of the gateway to the other. An address is edited
 * only where it, with its port, *is* an endpoint of this flow or of another binding; everything else stays as it is.
 * `impliedPort` of the flow's binding remembers left-out ports, so that the way back gives the same text again.
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
      if (field.part === 'received' && field.header === 'via') isOurs = true
      if (isMoved) edits.push({ ...field.host, text: hostText(to.address, field) })
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
    if (field.address === from.address && to.address !== from.address)
      edits.push({ ...field.host, text: hostText(to.address, field) })
    return
  }
  const port = portOf(field)
  const isOwn = field.address === from.address && port === from.port
  const other = way === 'out' ? bindings.ofInside(field.address, port) : bindings.ofOutside(field.address, port)
  const binding = isOwn ? own : other
  if (binding) write(field, binding, way, isIdentity, edits)
}

function write(field: AddressField, binding: Binding, way: Way, isIdentity: boolean, edits: Edit[]): void {
  const [from, to] = way === 'out' ? [binding.inside, binding.outside] : [binding.outside, binding.inside]
  if (from.address !== to.address) edits.push({ ...field.host, text: hostText(to.address, field) })
  if (from.port === to.port) return
  const bit = bitOf(field)
  const standard = defaultPort(field)
  if (!field.port) {
    if (way === 'out') binding.impliedPort |= bit
    if (to.port !== standard) edits.push({ start: field.hostPortEnd, end: field.hostPortEnd, text: `:${to.port}` })
    return
  }
  const isImplied = way === 'in' && !isIdentity && to.port === standard && (binding.impliedPort & bit) !== 0
  if (isImplied) edits.push({ start: field.host.end, end: field.port.end, text: '' })
  else {
    if (way === 'out' && !isIdentity) binding.impliedPort &= ~bit
    replacePort(field, to.port, edits)
  }
}

function replacePort(field: AddressField, port: number, edits: Edit[]): void {
  if (field.port && field.portNumber !== port) edits.push({ ...field.port, text: String(port) })
}

function defaultPort(field: AddressField): number {
  return field.scheme === 'sips' || field.scheme === 'tls' ? SIPS_PORT : SIP_PORT
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
