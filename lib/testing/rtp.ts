import type { Endpoint } from '../../types/endpoint.js'
import { type Datagram, endpointText, type UdpEndpoint } from './udp.js'

/** RTP fixed header (RFC 3550 5.1) without CSRC, extension or padding. */
export interface RtpPacket {
  /** 7 bit; 0 is PCMU. */
  readonly payloadType: number
  readonly marker: boolean
  /** 16 bit. */
  readonly sequence: number
  /** 32 bit, 8 kHz units for PCMU. */
  readonly timestamp: number
  /** 32 bit: who sends. */
  readonly ssrc: number
  readonly payload: Uint8Array
}

const HEADER_BYTES = 12
/** 20 ms of 8 kHz PCMU: 50 packets a second. */
const SAMPLES_PER_PACKET = 160

export function encodeRtp(packet: RtpPacket): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + packet.payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, 2 << 6)
  view.setUint8(1, (packet.marker ? 0x80 : 0) | packet.payloadType)
  view.setUint16(2, packet.sequence)
  view.setUint32(4, packet.timestamp)
  view.setUint32(8, packet.ssrc)
  bytes.set(packet.payload, HEADER_BYTES)
  return bytes
}

/** Undefined for what is not version 2 or too short. `payload` is a view into `bytes`. */
export function decodeRtp(bytes: Uint8Array): RtpPacket | undefined {
  if (bytes.length < HEADER_BYTES || bytes[0]! >> 6 !== 2) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return {
    payloadType: bytes[1]! & 0x7f,
    marker: bytes[1]! >= 0x80,
    sequence: view.getUint16(2),
    timestamp: view.getUint32(4),
    ssrc: view.getUint32(8),
    payload: bytes.subarray(HEADER_BYTES),
  }
}

export interface RtpStreamOptions {
  /** Packets to send in all. */
  readonly count: number
  /** Packets a second; default 50. */
  readonly rate?: number
  /** Names the sender to an `RtpMeter`. */
  readonly ssrc: number
  /** First sequence number, default 0; wraps at 65536. */
  readonly sequence?: number
}

/** A numbered PCMU packet of 160 payload bytes, number `index` of its stream. */
export function rtpNumber(index: number, ssrc: number, firstSequence = 0): Uint8Array {
  return encodeRtp({
    payloadType: 0,
    marker: index === 0,
    sequence: (firstSequence + index) & 0xffff,
    timestamp: (index * SAMPLES_PER_PACKET) >>> 0,
    ssrc,
    payload: new Uint8Array(SAMPLES_PER_PACKET).fill(0xff),
  })
}

/**
 * Sends `count` numbered packets at an even rate, and resolves with how many the kernel took. Late timers are caught up with, so
 * that the rate holds on a slow machine.
 */
export function sendRtp(endpoint: UdpEndpoint, to: Endpoint, options: RtpStreamOptions): Promise<number> {
  const { count, rate = 50, ssrc, sequence = 0 } = options
  const startedAt = performance.now()
  let next = 0
  let taken = 0
  const pending: Promise<void>[] = []
  return new Promise((resolve) => {
    const tick = () => {
      const due = Math.min(count, Math.floor(((performance.now() - startedAt) * rate) / 1000) + 1)
      while (next < due) {
        const sent = endpoint.send(rtpNumber(next++, ssrc, sequence), to)
        // A filter in OUTPUT answers EPERM: not taken.
        pending.push(
          sent.then(
            () => void taken++,
            () => {},
          ),
        )
      }
      if (next < count) setTimeout(tick, 1000 / rate)
      else Promise.all(pending).then(() => resolve(taken))
    }
    tick()
  })
}

/** What arrived of one stream from one source. */
export interface RtpCount {
  readonly ssrc: number
  readonly from: Endpoint
  received: number
  duplicates: number
  /** Sequence numbers seen. */
  readonly sequences: Set<number>
}

/** Counts the RTP that an endpoint receives, by sender (SSRC) and source address. Other datagrams are left alone. */
export class RtpMeter {
  readonly #counts = new Map<string, RtpCount>()
  readonly #stop: () => void

  constructor(endpoint: UdpEndpoint) {
    this.#stop = endpoint.onDatagram((datagram) => this.#count(datagram))
  }

  /** All (sender, source) pairs heard, in the order they were first heard. */
  get heard(): readonly RtpCount[] {
    return [...this.#counts.values()]
  }

  /** Packets of one sender, duplicates not counted, optionally only those from one source. */
  received(ssrc: number, from?: Endpoint): number {
    return this.#of(ssrc, from).reduce((sum, { sequences }) => sum + sequences.size, 0)
  }

  /** `ADDRESS:PORT` of every source one sender was heard from: more than one means its NAT changed its mind. */
  sources(ssrc: number): string[] {
    return this.#of(ssrc).map(({ from }) => endpointText(from))
  }

  close(): void {
    this.#stop()
  }

  #of(ssrc: number, from?: Endpoint): RtpCount[] {
    return this.heard.filter(
      (count) => count.ssrc === ssrc && (!from || endpointText(from) === endpointText(count.from)),
    )
  }

  #count({ bytes, from }: Datagram): void {
    const packet = decodeRtp(bytes)
    if (!packet) return
    const key = `${packet.ssrc} ${endpointText(from)}`
    let count = this.#counts.get(key)
    if (!count) {
      count = { ssrc: packet.ssrc, from, received: 0, duplicates: 0, sequences: new Set() }
      this.#counts.set(key, count)
    }
    count.received++
    if (count.sequences.has(packet.sequence)) count.duplicates++
    count.sequences.add(packet.sequence)
  }
}
