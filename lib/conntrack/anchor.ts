/**
 * Anchors: conntrack entries that no packet ever hits and that serve as masters of a media stream's expectations. All pure.
 *
 * An expectation needs a master with a helper attached, and shares that helper's limits and life with the master's others. The
 * signalling flow is a poor master, because all calls of a trunk would share it. An anchor belongs to one stream: deleting it
 * closes exactly that stream's pinholes, and if nobody renews its timeout the kernel closes them by itself.
 */
import type { Expectation, NewConntrack, SourcePolicy } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import { CthelperError } from '../base/errors.js'
import { IPS_CONFIRMED, IPS_SEEN_REPLY } from './ctnetlink.table.js'
import { invert, maskFor } from './tuple.js'

const UDP = 17

/** How many anchors there can be in a family. */
export const ANCHOR_COUNT = 2 ** 24

/**
 * Sources and destination never meet, so that no anchor's reply is another's original. IPv4: loopback addresses nobody uses,
 * which the kernel drops as martians on any wire. IPv6: the discard-only prefix (RFC 6666).
 */
const anchorNet = {
  4: { source: recent((high) => `127.${66 + (high >>> 8)}.${high & 255}.1`), destination: '127.65.0.1' },
  6: { source: recent((high) => `100::1:${(high + 1).toString(16)}`), destination: '100::2:1' },
} as const

/** Remembers the last address: anchors that follow each other share theirs. */
function recent(addressOf: (high: number) => string): (high: number) => string {
  let [known, address] = [-1, '']
  return (high) => {
    if (high !== known) [known, address] = [high, addressOf(high)]
    return address
  }
}
const FIRST_PORT = 1024
const PORT_BITS = 15
const DESTINATION_PORT = 9

/**
 * Original tuple of anchor number `n`, 0 <= n < 2^24: distinct for distinct n and family, never on a wire.
 * @throws CthelperError ERR_ARGUMENT when n is out of range
 * @example anchorTuple(4, 0) // UDP 127.66.0.1:1024 -> 127.65.0.1:9
 */
export function anchorTuple(family: Family, n: number): Tuple {
  if (!Number.isInteger(n) || n < 0 || n >= ANCHOR_COUNT)
    throw new CthelperError('ERR_ARGUMENT', 'anchorTuple', `anchor number ${n} is not in 0..${ANCHOR_COUNT - 1}`)
  const net = anchorNet[family]
  const port = FIRST_PORT + (n & (2 ** PORT_BITS - 1))
  return {
    family,
    protocol: UDP,
    source: { address: net.source(n >>> PORT_BITS), port },
    destination: { address: net.destination, port: DESTINATION_PORT },
  }
}

/** The number of an anchor's original tuple, the inverse of `anchorTuple`. Meaningless for other tuples: ask `isAnchor` first. */
export function anchorNumber({ family, source: { address, port } }: Tuple): number {
  let high: number
  if (family === 6) high = Number.parseInt(address.slice(address.lastIndexOf(':') + 1), 16) - 1
  else {
    const [, second, third] = address.split('.')
    high = ((Number(second) - 66) << 8) | Number(third)
  }
  return high * 2 ** PORT_BITS + port - FIRST_PORT
}

const anchorDestinations: readonly string[] = [anchorNet[4].destination, anchorNet[6].destination]

/** Whether a tuple, of an event for instance, is an anchor's original tuple. */
export function isAnchor({ protocol, source, destination }: Tuple): boolean {
  if (protocol !== UDP || destination.port !== DESTINATION_PORT) return false
  return anchorDestinations.includes(destination.address) && source.port >= FIRST_PORT
}

export interface AnchorOptions {
  readonly family: Family
  /** Number, see `anchorTuple`. */
  readonly n: number
  /** The carrier: whose policy the expectations live under. `sip`, or a helper registered with `registerHelper`. */
  readonly helper: string
  /** The lease, seconds. */
  readonly timeoutSec: number
  /** Inherited by every flow of the stream. */
  readonly mark?: number
  readonly zone?: number
}

/** The CT_NEW of an anchor. Status 0 would be EBUSY: an entry made over netlink is confirmed by definition. */
export function anchorConntrack(options: AnchorOptions): NewConntrack {
  const { family, n, helper, timeoutSec, mark, zone } = options
  const original = anchorTuple(family, n)
  return {
    original,
    reply: invert(original),
    status: IPS_SEEN_REPLY | IPS_CONFIRMED,
    helper,
    timeoutSec,
    ...(mark === undefined ? {} : { mark }),
    ...(zone === undefined ? {} : { zone }),
  }
}

/** Class 0 of every carrier: signalling, whose source the kernel's NAT function leaves alone. */
export const SIGNALLING_CLASS = 0
/** Class 1 of every carrier: media. Class 2 holds the holders, so that they do not use up class 1. */
export const MEDIA_CLASS = 1
export const HOLDER_CLASS = 2

export interface PinholeOptions {
  /** Original tuple of the anchor (the master). */
  readonly anchor: Tuple
  /** Who may send: address (undefined: anybody) or, with `mask`, network; and port for `exact` (0: not known, so any). */
  readonly from: { readonly address: string | undefined; readonly port: number; readonly mask?: string }
  /** What the packets are sent to: for the way in, the gateway's advertised endpoint. */
  readonly to: Endpoint
  /** Where they go instead (DNAT). */
  readonly mapTo: Endpoint
  readonly source: SourcePolicy
  /** IP protocol number. Default 17, UDP. */
  readonly protocol?: number
  /** Default MEDIA_CLASS. */
  readonly class?: number
  /** Expectation function that does the NAT (`sip`); absent: no NAT. */
  readonly function?: string | undefined
  readonly zone?: number
}

const anybody = { 4: '0.0.0.0', 6: '::' } as const

/** inbound: from the reply side of the master, outbound: from its original side. */
function pinhole(options: PinholeOptions, direction: 0 | 1): Expectation {
  const { anchor, from, to, mapTo, source, zone, protocol = UDP } = options
  const { family } = anchor
  const isExact = source === 'exact' && from.port !== 0
  const sender = { address: from.address ?? anybody[family], port: isExact ? from.port : 0 }
  const tuple: Tuple = { family, protocol, source: sender, destination: to }
  // Filled in place: there are many a call, and spreading objects into each other costs more than encoding them.
  const expectation: Draft = {
    master: anchor,
    tuple,
    mask: maskFor(tuple, { sourcePort: isExact, sourceAddress: from.mask ?? from.address !== undefined }),
    class: options.class ?? MEDIA_CLASS,
    // Consumed by the first packet's flow, unless further flows (other ports) are to follow.
    flags: { permanent: source === 'address' },
  }
  if (options.function !== undefined) {
    expectation.nat = { direction, to: mapTo }
    expectation.function = options.function
  }
  if (zone !== undefined) expectation.zone = zone
  return expectation
}

type Draft = { -readonly [K in keyof Expectation]: Expectation[K] }

/** Lets `from` reach `mapTo` through the advertised endpoint `to`. */
export const inboundPinhole = (options: PinholeOptions): Expectation => pinhole(options, 1)

/** Lets the inside endpoint `from` speak first to `to`; its source is translated as the inbound pinhole's pair says. */
export const outboundPinhole = (options: PinholeOptions): Expectation => pinhole(options, 0)

/**
 * The holder of an inbound pinhole with `latch`: the same destination and NAT, from a source that cannot occur: the anchor's own,
 * so that the holders of two anchors never clash. The kernel's NAT function looks for the pair of an outbound flow among the
 * expectations that still stand, and the latched one is gone with its first packet; the holder stays in its place.
 */
export function holder(inbound: Expectation): Expectation {
  const { family, protocol, destination } = inbound.tuple
  const tuple: Tuple = { family, protocol, source: inbound.master.source, destination }
  return { ...inbound, tuple, mask: maskFor(tuple), class: HOLDER_CLASS, flags: { permanent: true } }
}
