import type { Text } from './message.js'

/** One of the transports that a Transport header offers, or the one it grants (RFC 2326 12.39, RFC 7826 18.54). */
export interface Transport {
  /** RTP by UDP between two hosts; false: multicast, interleaved, or something else, which needs no way. */
  readonly isUnicastUdp: boolean
  readonly client: Ends
  readonly server: Ends
}

/** Where one side has its media. */
export interface Ends {
  /** Empty: not said, so that of the connection. */
  readonly host: string
  /** 0: not said. */
  readonly port: number
  /** 0: none of its own. */
  readonly rtcpPort: number
  /** What to write instead to name another place in the same way. */
  at(place: Place): Replacement[]
}

export interface Place {
  readonly address: string
  readonly port: number
  readonly rtcpPort: number
}

export interface Replacement extends Pick<Text, 'start' | 'end'> {
  readonly text: string
}

interface Parameter {
  /** In lower case. */
  readonly name: string
  readonly value: Text
}

/** RTP with or without feedback or encryption; without a lower transport it is UDP. */
const RTP_UDP = /^rtp\/s?avpf?(\/udp)?$/i

/** The transports of a header's value; what breaks the grammar is none. */
export function transportsOf({ start, text }: Text): Transport[] {
  return split({ start, end: start + text.length, text }, ',').map((spec) => {
    const [id, ...rest] = split(spec, ';')
    const parameters = rest.map(parameterOf)
    const has = (name: string) => parameters.some((it) => it.name === name)
    const isUnicastUdp = RTP_UDP.test(id?.text ?? '') && !has('multicast') && !has('interleaved')
    return {
      isUnicastUdp,
      client: endsOf(parameters, 'dest_addr', 'destination', 'client_port'),
      server: endsOf(parameters, 'src_addr', 'source', 'server_port'),
    }
  })
}

/** Parts between separators that stand outside quotes, without the white space around them. */
function split({ start, text }: Text, separator: string): Text[] {
  const parts: Text[] = []
  let isQuoted = false
  let from = 0
  for (let at = 0; at <= text.length; at++) {
    if (text[at] === '"') isQuoted = !isQuoted
    if (at < text.length && (isQuoted || text[at] !== separator)) continue
    parts.push(trimmed(start + from, text.slice(from, at)))
    from = at + 1
  }
  return parts
}

function trimmed(start: number, text: string): Text {
  const value = text.trim()
  const from = start + text.length - text.trimStart().length
  return { start: from, end: from + value.length, text: value }
}

function parameterOf({ start, end, text }: Text): Parameter {
  const at = text.indexOf('=')
  if (at < 0) return { name: text.toLowerCase(), value: { start: end, end, text: '' } }
  return { name: text.slice(0, at).trim().toLowerCase(), value: trimmed(start + at + 1, text.slice(at + 1)) }
}

/** RFC 7826 names addresses with their ports, RFC 2326 an address and a pair of ports. */
function endsOf(parameters: readonly Parameter[], addresses: string, host: string, ports: string): Ends {
  const value = (name: string) => parameters.find((it) => it.name === name)?.value
  const listed = value(addresses)
  return listed ? endsOfAddresses(listed) : endsOfPorts(value(host), value(ports))
}

const ADDRESS = /^"(\[[0-9a-f:.]+\]|[^":[\]]*):(\d{1,5})"$/i

function endsOfAddresses(listed: Text): Ends {
  const [rtp, rtcp, ...more] = split(listed, '/').map(({ text }) => ADDRESS.exec(text))
  if (!rtp || more.length > 0 || rtcp === null) return NOTHING
  const [, host = '', port, rtcpPort] = [...rtp, rtcp?.[2]]
  if (!arePorts(port, rtcpPort)) return NOTHING
  return {
    host: host.replace(/[[\]]/g, ''),
    port: Number(port),
    rtcpPort: Number(rtcpPort ?? 0),
    at({ address, port, rtcpPort }) {
      const name = host === '' ? '' : address.includes(':') ? `[${address}]` : address
      const text = [port, ...(rtcp ? [rtcpPort] : [])].map((it) => `"${name}:${it}"`).join('/')
      return [{ ...listed, text }]
    },
  }
}

function endsOfPorts(host: Text | undefined, ports: Text | undefined): Ends {
  const pair = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(ports?.text ?? '')
  if (!ports || !pair || !arePorts(pair[1], pair[2])) return NOTHING
  const [, port, rtcp] = pair
  const isNamed = host !== undefined && host.text !== ''
  return {
    host: isNamed ? host.text.replace(/["[\]]/g, '') : '',
    port: Number(port),
    rtcpPort: Number(rtcp ?? 0),
    at(place) {
      const text = rtcp === undefined ? `${place.port}` : `${place.port}-${place.rtcpPort}`
      return [{ ...ports, text }, ...(isNamed ? [{ ...host, text: place.address }] : [])]
    },
  }
}

/** The second may be left out. */
function arePorts(port: string | undefined, rtcpPort: string | undefined): boolean {
  return [port, rtcpPort ?? 1].every((it) => Number(it) > 0 && Number(it) <= 65_535) && port !== rtcpPort
}

const NOTHING: Ends = { host: '', port: 0, rtcpPort: 0, at: () => [] }
