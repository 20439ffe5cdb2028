import type { Endpoint } from '../../types/endpoint.js'
import type { SipMessage } from '../../types/sip.js'
import { locate } from '../packet/index.js'
import { addressFields, scanMessage } from '../sip/index.js'
import { usage } from './failure.js'
import { isCapture, pcapPackets } from './pcap.js'

/** A datagram that may be SIP, with where it went from and to. */
export interface Datagram {
  /** Packet number in the capture; 0 for a message alone. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  readonly bytes: Uint8Array
  readonly source: Endpoint
  readonly destination: Endpoint
}

export interface LoneEnds {
  readonly from: Endpoint | undefined
  readonly to: Endpoint | undefined
  isInside(address: string): boolean
}

/** For a message alone, where it does not say who the far side is (RFC 5737). */
const SOMEBODY: Endpoint = { address: '198.51.100.10', port: 5060 }
const SOMEBODY_V6: Endpoint = { address: '2001:db8:5060::10', port: 5060 }

/**
 * The UDP datagrams of a capture, or the one message that the file is. A message with bare line feeds gets the line ends that
 * SIP has. Throws `Failure` (2) for what is neither.
 */
export function* datagramsOf(file: Uint8Array, ends: LoneEnds): Generator<Datagram> {
  if (!isCapture(file)) {
    yield lone(file, ends)
    return
  }
  for (const { number, timeMs, ip } of pcapPackets(file)) {
    const location = locate(ip)
    if (location.state !== 'found') continue
    const { source, destination, payload } = location
    yield { number, timeMs, bytes: ip.subarray(payload.start, payload.end), source, destination }
  }
}

function lone(file: Uint8Array, ends: LoneEnds): Datagram {
  const bytes = withLineEnds(file)
  const scan = scanMessage(bytes, 0, bytes.length)
  if (scan.state === 'absent') throw usage(`the file is neither a pcap file nor a SIP message: ${scan.reason}`)
  if (scan.state === 'malformed')
    throw usage(`the message begins as SIP and is malformed: ${scan.reason}; run would let it pass unchanged`)
  const { source, destination } =
    scan.value.kind === 'request' ? requestEnds(scan.value, ends) : responseEnds(scan.value, ends)
  if (source && destination) return { number: 0, timeMs: Date.now(), bytes, source, destination }
  const missing = source ? '--to' : '--from'
  throw usage(
    `the message does not say which way it crosses the gateway: name its ends with --from and --to (${missing} is missing)`,
  )
}

function withLineEnds(file: Uint8Array): Uint8Array {
  const text = Buffer.from(file).toString('latin1')
  if (text.includes('\r\n')) return file
  const [head = '', ...rest] = text.split('\n\n')
  const body = rest.join('\n\n').replaceAll('\n', '\r\n')
  // The length was counted with line ends of one byte, or of two; what follows the head is the body either way.
  const sized = head.replace(/^(content-length|l)( *: *)\d+/im, `$1$2${body.length}`)
  return Buffer.from(`${sized.replaceAll('\n', '\r\n')}\r\n\r\n${body}`, 'latin1')
}

interface Ends {
  readonly source: Endpoint | undefined
  readonly destination: Endpoint | undefined
}

/** Sent by the topmost Via, to the Request-URI where that is an address. */
function requestEnds(message: SipMessage, { from, to, isInside }: LoneEnds): Ends {
  const source = from ?? via(message)
  const uri = to ?? place(message, 'request-uri', 'uri')
  return { source, destination: uri ?? (source && isInside(source.address) ? somebody(source) : undefined) }
}

/** Goes back to the topmost Via; comes from the Contact, or from anybody outside when it goes in. */
function responseEnds(message: SipMessage, { from, to, isInside }: LoneEnds): Ends {
  const destination = to ?? via(message)
  const contact = from ?? place(message, 'contact', 'uri')
  if (contact || !destination || !isInside(destination.address)) return { source: contact, destination }
  return { source: somebody(destination), destination }
}

const somebody = ({ address }: Endpoint): Endpoint => (address.includes(':') ? SOMEBODY_V6 : SOMEBODY)

const via = (message: SipMessage): Endpoint | undefined => place(message, 'via', 'sent-by')

/** The first address of a header, port 5060 when it names none; undefined for host names. */
function place(message: SipMessage, header: string, part: string): Endpoint | undefined {
  const field = addressFields(message).find((it) => it.header === header && it.part === part)
  return field && field.family !== 0 ? { address: field.address, port: field.portNumber || 5060 } : undefined
}
