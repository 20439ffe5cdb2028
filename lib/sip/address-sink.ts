import type { AddressField, AddressPart, AddressProblem } from '../../types/sip.js'
import { ASCII, skipSpace } from '../base/ascii.js'
import { host, readHost } from '../base/host.js'

const { CLASS, COLON, DIGIT } = ASCII

/** An address field while it is being made. */
export type NewAddressField = { -readonly [K in keyof AddressField]: AddressField[K] }

/** Where the readers of one message put what they find. `header` and `index` say what they are reading. */
export interface AddressSink {
  readonly bytes: Uint8Array
  readonly fields: NewAddressField[]
  readonly problems: AddressProblem[]
  header: string
  index: number
}

const found = { start: 0, hostEnd: 0, portStart: 0, portEnd: 0, port: 0, end: 0 }

/** What `readHostPort` found last besides `host`; one object for all calls. Without a port `portStart === portEnd`. */
export const hostPort = found

/**
 * Reads `host [COLON port]` (RFC 3261 25.1). White space around the colon is read over where `spaced`, as sent-by allows and a
 * URI does not. False when either is malformed. `host` and `hostPort` hold the result.
 */
export function readHostPort(bytes: Uint8Array, at: number, end: number, spaced: boolean): boolean {
  if (!readHost(bytes, at, end)) return false
  found.start = at
  found.hostEnd = found.portStart = found.portEnd = found.end = host.end
  found.port = 0
  const colon = spaced ? skipSpace(bytes, host.end, end) : host.end
  if (colon >= end || bytes[colon] !== COLON) return true
  const start = spaced ? skipSpace(bytes, colon + 1, end) : colon + 1
  let to = start
  let port = 0
  while (to < end && (CLASS[bytes[to]!]! & DIGIT) !== 0 && to - start < 6) port = port * 10 + bytes[to++]! - 48
  if (to === start || to - start > 5 || port > 65535) return false
  found.portStart = start
  found.portEnd = found.end = to
  found.port = port
  return true
}

/** Adds the field that `readHostPort` has just read. */
export function pushHostPort(sink: AddressSink, part: AddressPart, scheme: string): void {
  const { start, hostEnd, portStart, portEnd } = found
  const hasPort = portEnd > portStart
  sink.fields.push({
    header: sink.header,
    part,
    index: sink.index,
    host: { start, end: hostEnd },
    address: host.address,
    family: host.family,
    port: hasPort ? { start: portStart, end: portEnd } : undefined,
    portNumber: found.port,
    hostPortEnd: hasPort ? portEnd : hostEnd,
    scheme,
    transport: '',
  })
}

/** Adds a field that is a host alone, bytes[start, end), the one `host` holds. */
export function pushHost(sink: AddressSink, part: AddressPart, start: number, end: number): void {
  found.start = start
  found.hostEnd = found.portStart = found.portEnd = end
  found.port = 0
  pushHostPort(sink, part, '')
}
