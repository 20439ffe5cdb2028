import type { Hook, QueuedPacket } from '../../types/nfqueue.js'
import { CthelperError } from '../base/errors.js'
import { hooks, packetTable } from './nfqa.table.js'

/** Who may use a batch's bytes: they are the packets' until the callback has returned. */
export interface Lease {
  readonly owner: object
  isLive: boolean
}

const {
  header: { type: NFQA_PACKET_HDR },
  mark: { type: NFQA_MARK },
  indev: { type: NFQA_IFINDEX_INDEV },
  outdev: { type: NFQA_IFINDEX_OUTDEV },
  physicalIndev: { type: NFQA_IFINDEX_PHYSINDEV },
  physicalOutdev: { type: NFQA_IFINDEX_PHYSOUTDEV },
  payload: { type: NFQA_PAYLOAD },
  conntrack: { type: NFQA_CT },
  conntrackInfo: { type: NFQA_CT_INFO },
  capturedLength: { type: NFQA_CAP_LEN },
  skbInfo: { type: NFQA_SKB_INFO },
  uid: { type: NFQA_UID },
  gid: { type: NFQA_GID },
  securityContext: { type: NFQA_SECCTX },
} = packetTable

/**
 * A packet as received. Where its parts lie is noted once; views are made when asked for, since many packets are decided by their
 * numbers alone.
 */
export class Packet implements QueuedPacket {
  id = 0
  etherType = 0
  mark = 0
  indev = 0
  outdev = 0
  physicalIndev = 0
  physicalOutdev = 0
  skbInfo = 0
  originalLength = 0
  conntrackInfo: number | undefined = undefined
  uid: number | undefined = undefined
  gid: number | undefined = undefined
  hookNumber = 0
  payloadStart = 0
  payloadEnd = 0
  conntrackStart = 0
  conntrackEnd = 0
  contextStart = 0
  contextEnd = 0
  isDecided = false
  wasDetached = false
  /** The packet of the batch that a detached copy stands for; itself otherwise. */
  origin: Packet = this
  bytes: Uint8Array
  lease: Lease
  /** Asked for more than once a packet, and no view is cheap. */
  #payload: Uint8Array | undefined = undefined

  constructor(bytes: Uint8Array, lease: Lease) {
    this.bytes = bytes
    this.lease = lease
  }

  get hook(): Hook {
    return hooks[this.hookNumber] ?? 'prerouting'
  }

  get payload(): Uint8Array {
    if (this.#payload === undefined || !this.lease.isLive)
      this.#payload = this.#view(this.payloadStart, this.payloadEnd)
    return this.#payload
  }

  get conntrack(): Uint8Array | undefined {
    return this.conntrackEnd === 0 ? undefined : this.#view(this.conntrackStart, this.conntrackEnd)
  }

  get securityContext(): string | undefined {
    if (this.contextEnd === 0) return undefined
    return String.fromCharCode(...this.#view(this.contextStart, this.contextEnd).filter((byte) => byte !== 0))
  }

  detach(): Packet {
    if (this.origin !== this) return this
    this.wasDetached = true
    const copy = new Packet(Uint8Array.from(this.#view(this.#start(), this.#end())), {
      owner: this.lease.owner,
      isLive: true,
    })
    copy.origin = this
    copyFields(this, copy, this.#start())
    return copy
  }

  /** Where payload, conntrack and context begin and end, together; whichever are there. */
  #start(): number {
    let start = this.payloadStart
    if (this.conntrackEnd !== 0) start = Math.min(start, this.conntrackStart)
    if (this.contextEnd !== 0) start = Math.min(start, this.contextStart)
    return start
  }

  #end(): number {
    return Math.max(this.payloadEnd, this.conntrackEnd, this.contextEnd)
  }

  #view(start: number, end: number): Uint8Array {
    if (!this.lease.isLive) {
      const message = 'the bytes of a queued packet are borrowed until onBatch returns: detach() it there to keep it'
      throw new CthelperError('ERR_ARGUMENT', 'read queued packet', message)
    }
    return this.bytes.subarray(start, end)
  }
}

function copyFields(from: Packet, to: Packet, shift: number): void {
  to.id = from.id
  to.etherType = from.etherType
  to.mark = from.mark
  to.indev = from.indev
  to.outdev = from.outdev
  to.physicalIndev = from.physicalIndev
  to.physicalOutdev = from.physicalOutdev
  to.skbInfo = from.skbInfo
  to.originalLength = from.originalLength
  to.conntrackInfo = from.conntrackInfo
  to.uid = from.uid
  to.gid = from.gid
  to.hookNumber = from.hookNumber
  to.payloadStart = from.payloadStart - shift
  to.payloadEnd = from.payloadEnd - shift
  if (from.conntrackEnd !== 0) {
    to.conntrackStart = from.conntrackStart - shift
    to.conntrackEnd = from.conntrackEnd - shift
  }
  if (from.contextEnd !== 0) {
    to.contextStart = from.contextStart - shift
    to.contextEnd = from.contextEnd - shift
  }
}

const u32be = (bytes: Uint8Array, at: number): number =>
  ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0

/**
 * Reads the attributes of a NFQNL_MSG_PACKET, bytes[start, end), which begin after nfgenmsg. The generic `decode` with the table
 * says the same (a test holds it to that) at many times the cost. Never throws; undefined when the packet header is missing.
 */
export function readPacket(bytes: Uint8Array, start: number, end: number, lease: Lease): Packet | undefined {
  const packet = new Packet(bytes, lease)
  packet.payloadStart = packet.payloadEnd = end
  let hasHeader = false
  let trueLength = -1
  for (let at = start; at + 4 <= end; ) {
    const length = bytes[at]! | (bytes[at + 1]! << 8)
    const next = at + length
    if (length < 4 || next > end) break
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & 0x3fff
    const content = at + 4
    if (type === NFQA_PACKET_HDR && length >= 11) {
      hasHeader = true
      packet.id = u32be(bytes, content)
      packet.etherType = (bytes[content + 4]! << 8) | bytes[content + 5]!
      packet.hookNumber = bytes[content + 6]!
    } else if (type === NFQA_PAYLOAD) {
      packet.payloadStart = content
      packet.payloadEnd = next
    } else if (type === NFQA_CAP_LEN && length === 8) trueLength = u32be(bytes, content)
    else readOther(packet, type, content, next)
    at += (length + 3) & ~3
  }
  packet.originalLength = trueLength >= 0 ? trueLength : packet.payloadEnd - packet.payloadStart
  return hasHeader ? packet : undefined
}

function readOther(packet: Packet, type: number, start: number, end: number): void {
  const { bytes } = packet
  if (type === NFQA_CT) {
    packet.conntrackStart = start
    packet.conntrackEnd = end
  } else if (type === NFQA_SECCTX) {
    packet.contextStart = start
    packet.contextEnd = end
  }
  if (end - start !== 4) return
  switch (type) {
    case NFQA_IFINDEX_INDEV:
      packet.indev = u32be(bytes, start)
      break
    case NFQA_IFINDEX_OUTDEV:
      packet.outdev = u32be(bytes, start)
      break
    case NFQA_IFINDEX_PHYSINDEV:
      packet.physicalIndev = u32be(bytes, start)
      break
    case NFQA_IFINDEX_PHYSOUTDEV:
      packet.physicalOutdev = u32be(bytes, start)
      break
    case NFQA_MARK:
      packet.mark = u32be(bytes, start)
      break
    case NFQA_SKB_INFO:
      packet.skbInfo = u32be(bytes, start)
      break
    case NFQA_CT_INFO:
      packet.conntrackInfo = u32be(bytes, start)
      break
    case NFQA_UID:
      packet.uid = u32be(bytes, start)
      break
    case NFQA_GID:
      packet.gid = u32be(bytes, start)
      break
  }
}
