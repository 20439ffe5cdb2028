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

const VIA_PORT_IMPLIED = 1
const URI_PORT_IMPLIED = 2

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
  const isSame = from.address === to.address && from.port === to.port
  let receivedIndex = -1
  for (const field of fields) {
    if (field.part === 'rport') {
      if (field.index === receivedIndex && field.portNumber === from.port && !isSame) replacePort(field, to.port, edits)
      continue
    }
    if (field.family === 0) continue
    if (field.part === 'received' || field.part === 'maddr') {
      if (field.address !== from.address || isSame) continue
      if (field.part === 'received') receivedIndex = field.index
      if (from.address !== to.address) edits.push({ ...field.host, text: hostText(to.address, field) })
      continue
    }
    if (field.part === 'sent-by' && field.address === from.address) receivedIndex = field.index
    mapEndpoint(field, binding, way, bindings, edits)
  }
}

function mapEndpoint(field: AddressField, own: Binding, way: Way, bindings: Bindings, edits: Edit[]): void {
  const isIdentity = IDENTITIES.has(field.header)
  const from = way === 'out' ? own.inside : own.outside
  const port = field.port ? field.portNumber : defaultPort(field)
  if (field.address === from.address && port === from.port && (field.port || !isIdentity)) {
    write(field, own, way, isIdentity, edits)
    return
  }
  const other = way === 'out' ? bindings.ofInside(field.address, port) : bindings.ofOutside(field.address, port)
  if (other && (field.port || !isIdentity)) {
    write(field, other, way, isIdentity, edits)
  } else if (isIdentity && field.address === from.address) {
    const to = way === 'out' ? own.outside : own.inside
    if (to.address !== from.address) edits.push({ ...field.host, text: hostText(to.address, field) })
  }
}

function write(field: AddressField, binding: Binding, way: Way, isIdentity: boolean, edits: Edit[]): void {
  const [from, to] = way === 'out' ? [binding.inside, binding.outside] : [binding.outside, binding.inside]
  if (from.address !== to.address) edits.push({ ...field.host, text: hostText(to.address, field) })
  if (from.port === to.port) return
  const bit = field.part === 'sent-by' ? VIA_PORT_IMPLIED : URI_PORT_IMPLIED
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

/** Whether a contact's endpoint is `end`, the default port included. */
export function isAt(field: AddressField, end: Endpoint): boolean {
  return field.address === end.address && (field.port ? field.portNumber : defaultPort(field)) === end.port
}
