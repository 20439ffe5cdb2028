/**
 * struct nf_conntrack_tuple, between our type and the wire (enum ctattr_tuple).
 *
 * ICMP has no ports. The kernel keys such a flow by its id in the place of the source port, and by type and code in that of the
 * destination port; so does a Tuple here: `source.port` is the id, `destination.port` is (type << 8) | code.
 */
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import { nest, put, type TypeOf, u8, u16be, type Writer } from '../netlink/attribute.js'
import { address } from './address-field.js'

/** enum ctattr_ip */
export const ipTable = {
  v4Source: address(1), // CTA_IP_V4_SRC
  v4Destination: address(2), // CTA_IP_V4_DST
  v6Source: address(3), // CTA_IP_V6_SRC
  v6Destination: address(4), // CTA_IP_V6_DST
}

/** enum ctattr_l4proto */
export const protoTable = {
  number: u8(1), // CTA_PROTO_NUM
  sourcePort: u16be(2), // CTA_PROTO_SRC_PORT
  destinationPort: u16be(3), // CTA_PROTO_DST_PORT
  icmpId: u16be(4), // CTA_PROTO_ICMP_ID
  icmpType: u8(5), // CTA_PROTO_ICMP_TYPE
  icmpCode: u8(6), // CTA_PROTO_ICMP_CODE
  icmpv6Id: u16be(7), // CTA_PROTO_ICMPV6_ID
  icmpv6Type: u8(8), // CTA_PROTO_ICMPV6_TYPE
  icmpv6Code: u8(9), // CTA_PROTO_ICMPV6_CODE
}

/** enum ctattr_tuple */
export const wireTable = {
  ip: nest(1, ipTable), // CTA_TUPLE_IP
  proto: nest(2, protoTable), // CTA_TUPLE_PROTO
  zone: u16be(3), // CTA_TUPLE_ZONE
}

type WireTuple = TypeOf<typeof wireTable>

const IPPROTO_ICMP = 1
const IPPROTO_ICMPV6 = 58

const addressRows = {
  4: [ipTable.v4Source, ipTable.v4Destination],
  6: [ipTable.v6Source, ipTable.v6Destination],
} as const
const icmpRows = {
  [IPPROTO_ICMP]: [protoTable.icmpId, protoTable.icmpType, protoTable.icmpCode],
  [IPPROTO_ICMPV6]: [protoTable.icmpv6Id, protoTable.icmpv6Type, protoTable.icmpv6Code],
} as const

/** Appends a tuple's attributes (CTA_TUPLE_IP, CTA_TUPLE_PROTO), rows of `wireTable`. */
export function writeTuple(writer: Writer, { family, protocol, source, destination }: Tuple): void {
  const ip = writer.begin(wireTable.ip.type)
  put(writer, addressRows[family][0], source.address)
  put(writer, addressRows[family][1], destination.address)
  writer.end(ip)
  const proto = writer.begin(wireTable.proto.type)
  put(writer, protoTable.number, protocol)
  if (protocol === IPPROTO_ICMP || protocol === IPPROTO_ICMPV6) {
    const [id, type, code] = icmpRows[protocol]
    put(writer, id, source.port)
    put(writer, type, destination.port >>> 8)
    put(writer, code, destination.port & 255)
  } else {
    put(writer, protoTable.sourcePort, source.port)
    put(writer, protoTable.destinationPort, destination.port)
  }
  writer.end(proto)
}

/** The tuple in decoded attributes; what the kernel left out is '' and 0. */
export function tupleFromWire({ ip = {}, proto = {} }: WireTuple): Tuple {
  const family = ip.v6Source === undefined ? 4 : 6
  const type = proto.icmpType ?? proto.icmpv6Type ?? 0
  const code = proto.icmpCode ?? proto.icmpv6Code ?? 0
  return {
    family,
    protocol: proto.number ?? 0,
    source: {
      address: ip.v4Source ?? ip.v6Source ?? '',
      port: proto.sourcePort ?? proto.icmpId ?? proto.icmpv6Id ?? 0,
    },
    destination: {
      address: ip.v4Destination ?? ip.v6Destination ?? '',
      port: proto.destinationPort ?? (type << 8) | code,
    },
  }
}

/**
 * A tuple as text, for maps: equal exactly where all five parts are equal, given canonical addresses.
 * @example tupleKey(tuple) // '17 192.0.2.1 5060 198.51.100.7 5060'
 */
export function tupleKey({ protocol, source, destination }: Tuple): string {
  return `${protocol} ${source.address} ${source.port} ${destination.address} ${destination.port}`
}

/** ICMP request and reply types that answer each other (nf_conntrack_proto_icmp.c invmap, nf_conntrack_proto_icmpv6.c). */
const icmpAnswers: ReadonlyMap<number, number> = new Map([
  [8, 0],
  [0, 8],
  [13, 14],
  [14, 13],
  [15, 16],
  [16, 15],
  [17, 18],
  [18, 17],
])
const icmpv6Answers: ReadonlyMap<number, number> = new Map([
  [128, 129],
  [129, 128],
  [139, 140],
  [140, 139],
])

/** The other direction of a flow without NAT (nf_ct_invert_tuple): the ends swapped; an ICMP type becomes its answer's. */
export function invert(tuple: Tuple): Tuple {
  const answers =
    tuple.protocol === IPPROTO_ICMP ? icmpAnswers : tuple.protocol === IPPROTO_ICMPV6 ? icmpv6Answers : undefined
  if (!answers) return { ...tuple, source: tuple.destination, destination: tuple.source }
  const type = answers.get(tuple.destination.port >>> 8) ?? tuple.destination.port >>> 8
  return {
    ...tuple,
    source: { address: tuple.destination.address, port: tuple.source.port },
    destination: { address: tuple.source.address, port: (type << 8) | (tuple.destination.port & 255) },
  }
}

/** Which parts of an expectation's source must match. Default: all. */
export interface MaskOptions {
  /** Default true; false admits any; a netmask (255.255.255.0) the network. */
  readonly sourceAddress?: boolean | string
  /** Default true; false admits any source port. */
  readonly sourcePort?: boolean
}

const ones = { 4: '255.255.255.255', 6: 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' } as const
const zeros = { 4: '0.0.0.0', 6: '::' } as const

/** The mask for an expectation of `tuple`. The destination always matches in full: the kernel knows no mask for it. */
export function maskFor(tuple: Tuple, { sourceAddress = true, sourcePort = true }: MaskOptions = {}): Tuple {
  const { family, protocol } = tuple
  const address = typeof sourceAddress === 'string' ? sourceAddress : (sourceAddress ? ones : zeros)[family]
  const source: Endpoint = { address, port: sourcePort ? 65535 : 0 }
  return { family, protocol, source, destination: { address: ones[family], port: 65535 } }
}
