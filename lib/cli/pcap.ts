/** Classic libpcap files (pcap-savefile(5)): either byte order, micro- and nanoseconds, Ethernet with VLAN tags, Linux cooked, raw IP. */
import { usage } from './failure.js'

/** One packet of a file: the bytes from its IP header on are views into the file. */
export interface PcapPacket {
  /** From 1, as tcpdump and Wireshark count. */
  readonly number: number
  /** Milliseconds since the epoch. */
  readonly timeMs: number
  readonly ip: Uint8Array
}

interface Format {
  readonly littleEndian: boolean
  /** Fractions of a second in a millisecond. */
  readonly perMs: number
}

const formats = new Map<string, Format>([
  ['d4c3b2a1', { littleEndian: true, perMs: 1e3 }],
  ['a1b2c3d4', { littleEndian: false, perMs: 1e3 }],
  ['4d3cb2a1', { littleEndian: true, perMs: 1e6 }],
  ['a1b23c4d', { littleEndian: false, perMs: 1e6 }],
])
const PCAPNG = '0a0d0d0a'

const FILE_HEADER = 24
const RECORD_HEADER = 16

/** Bytes before the IP packet by LINKTYPE_; undefined: the frame holds no IP. */
const linkTypes = new Map<number, (frame: DataView) => number | undefined>([
  [0, () => 4],
  [1, (frame) => afterEtherType(frame, 12)],
  [12, () => 0],
  [101, () => 0],
  [113, (frame) => afterEtherType(frame, 14)],
  [228, () => 0],
  [229, () => 0],
  [276, (frame) => (isIp(frame, 0) ? 20 : undefined)],
])

const vlanTags: readonly number[] = [0x8100, 0x88a8]
const etherTypes: readonly number[] = [0x0800, 0x86dd]

const isIp = (frame: DataView, at: number): boolean =>
  at + 2 <= frame.byteLength && etherTypes.includes(frame.getUint16(at))

/** Where the packet begins after the type field at `at`; two VLAN tags (802.1ad) at most. */
function afterEtherType(frame: DataView, at: number): number | undefined {
  for (let tags = 0; tags < 2; tags++) {
    if (at + 2 > frame.byteLength || !vlanTags.includes(frame.getUint16(at))) break
    at += 4
  }
  return isIp(frame, at) ? at + 2 : undefined
}

const magicOf = (file: Uint8Array): string => Buffer.from(file.subarray(0, 4)).toString('hex')

/** Whether the bytes begin as a capture file of any kind. */
export function isCapture(file: Uint8Array): boolean {
  const magic = magicOf(file)
  return formats.has(magic) || magic === PCAPNG
}

/**
 * The IP packets of a file, in its order; frames with something else are passed over, a cut-off end is the end. Throws `Failure` (2)
 * for pcapng and for link types that are not known.
 */
export function* pcapPackets(file: Uint8Array): Generator<PcapPacket> {
  const format = formats.get(magicOf(file))
  if (!format || file.length < FILE_HEADER)
    throw usage('this is no classic pcap file: convert it with editcap -F pcap, or capture with tcpdump -w')
  const { littleEndian, perMs } = format
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  // The upper bits tell of frame check sequences.
  const linkType = view.getUint32(20, littleEndian) & 0xffff
  const skip = linkTypes.get(linkType)
  if (!skip)
    throw usage(`link type ${linkType} of this pcap file is not known: capture on an Ethernet or any interface`)
  let at = FILE_HEADER
  for (let number = 1; at + RECORD_HEADER <= file.length; number++) {
    const length = view.getUint32(at + 8, littleEndian)
    const start = at + RECORD_HEADER
    if (start + length > file.length) return
    const timeMs = view.getUint32(at, littleEndian) * 1000 + view.getUint32(at + 4, littleEndian) / perMs
    const header = skip(new DataView(file.buffer, file.byteOffset + start, length))
    if (header !== undefined && header < length)
      yield { number, timeMs, ip: file.subarray(start + header, start + length) }
    at = start + length
  }
}
