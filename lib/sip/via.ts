import { ASCII, decimal, isSpace, skipSpace } from '../base/ascii.js'
import { readWholeHost } from '../base/host.js'
import { type AddressSink, hostPort, pushHost, pushHostPort, readHostPort } from './address-sink.js'
import { isParameter, nextParameter, parameter } from './parameter.js'
import { transportText } from './uri.js'

const { CLASS, COMMA, SLASH, TOKEN } = ASCII

/**
 * Adds the addresses of a Via value, one or more via-parms (RFC 3261 20.42, 25.1): sent-by, `received`, `rport` where it has a
 * value (RFC 3581), `maddr`. False when any is malformed.
 */
export function scanVia(sink: AddressSink, start: number, end: number): boolean {
  const { bytes } = sink
  let at = start
  for (;;) {
    at = sentProtocol(bytes, at, end)
    if (at < 0 || !readHostPort(bytes, at, end, true)) return false
    at = hostPort.end
    pushHostPort(sink, 'sent-by', transport)
    at = viaParameters(sink, at, end)
    sink.index++
    if (at === end) return true
    if (at < 0 || bytes[at] !== COMMA) return false
    at++
  }
}

/** Transport of the sent-protocol read last. */
let transport = ''

/** Reads `SIP / 2.0 / transport` and the white space after it; leaves the last in `transport`. -1 when malformed. */
function sentProtocol(bytes: Uint8Array, at: number, end: number): number {
  for (let part = 0; ; part++) {
    at = skipSpace(bytes, at, end)
    const start = at
    while (at < end && (CLASS[bytes[at]!]! & TOKEN) !== 0) at++
    if (at === start) return -1
    if (part === 2) {
      transport = transportText(bytes, start, at)
      return at < end && isSpace(bytes[at]!) ? skipSpace(bytes, at, end) : -1
    }
    at = skipSpace(bytes, at, end)
    if (at >= end || bytes[at] !== SLASH) return -1
    at++
  }
}

function viaParameters(sink: AddressSink, at: number, end: number): number {
  const { bytes } = sink
  parameter.next = at
  while (nextParameter(bytes, parameter.next, end, 'header')) {
    const { nameStart, nameEnd, valueStart, valueEnd } = parameter
    const length = nameEnd - nameStart
    if (valueEnd === valueStart || (length !== 5 && length !== 8)) continue
    if (length === 8) {
      if (isParameter(bytes, 'received') && !pushWholeHost(sink, 'received', valueStart, valueEnd)) return -1
    } else if (isParameter(bytes, 'rport')) {
      if (!pushRport(sink, valueStart, valueEnd)) return -1
    } else if (isParameter(bytes, 'maddr') && !pushWholeHost(sink, 'maddr', valueStart, valueEnd)) return -1
  }
  return parameter.next
}

function pushWholeHost(sink: AddressSink, part: 'received' | 'maddr', start: number, end: number): boolean {
  if (!readWholeHost(sink.bytes, start, end)) return false
  pushHost(sink, part, start, end)
  return true
}

function pushRport(sink: AddressSink, start: number, end: number): boolean {
  const port = decimal(sink.bytes, start, end)
  if (port < 0 || port > 65535) return false
  sink.fields.push({
    header: sink.header,
    part: 'rport',
    index: sink.index,
    host: { start, end: start },
    address: '',
    family: 0,
    port: { start, end },
    portNumber: port,
    hostPortEnd: end,
    scheme: '',
    transport: '',
  })
  return true
}
