import { constants } from 'node:os'
import type {
  Queue,
  QueueCounters,
  QueuedPacket,
  QueueFlag,
  QueueOptions,
  VerdictKind,
  VerdictOptions,
} from '../../types/nfqueue.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { decodeError, NLMSG_ERROR, visitMessages } from '../netlink/message.js'
import { NFGENMSG_LENGTH } from '../netlink/nfnetlink.js'
import { type NetlinkSocket, openNetlinkSocket } from '../netlink/socket.js'
import { configure } from './config.js'
import { NFQNL_MSG_PACKET, verdictNumbers } from './nfqa.table.js'
import { type Lease, Packet, readPacket } from './packet.js'
import { ProcQueues } from './proc.js'
import { MAX_PAYLOAD, VerdictWriter } from './verdict.js'

const NETLINK_NETFILTER = 12
/** Packets a batch may have. */
const slots = 64
/**
 * More than `maxLength` packets of an Ethernet MTU take, so that the queue is what fills up: then the kernel drops one packet at a time
 * (or lets it pass, with fail-open), whereas an overrun socket takes nothing until it has been read empty. A limit, not an allocation.
 */
const defaultReceiveBuffer = 32 << 20
/** Room in a slot for the headers and all attributes but the payload. */
const attributeBytes = 2048
/** Slots begin at different offsets within a page and a cache way, or 64 packets would fight for the same few cache lines. */
const slotSizeFor = (copyRange: number): number => ((copyRange + attributeBytes + 63) & ~127) + 64

/**
 * Binds NFQUEUE number `options.number` and delivers its packets. Resolves when bound; packets come in later turns of the event
 * loop. Rejects with CthelperError: ERR_ARGUMENT, ERR_IN_USE (the number is taken), ERR_PERMISSION, ERR_UNSUPPORTED (no NFQUEUE in
 * this kernel), ERR_ADDON, ERR_KERNEL (ENOENT: no such namespace).
 *
 * @example
 * const queue = await openQueue({
 *   number: 5060,
 *   onBatch: (packets, queue) => packets.forEach((packet) => queue.verdict(packet, 'accept')),
 * })
 */
export async function openQueue(options: QueueOptions): Promise<Queue> {
  const { number, netns = '', copyRange = MAX_PAYLOAD, maxLength = 8192, flags = [] } = options
  requireInteger('number', number, 0, 65535)
  // 0 would mean all to the kernel.
  requireInteger('copyRange', copyRange, 1, MAX_PAYLOAD)
  requireInteger('maxLength', maxLength, 1, 0xffffffff)
  const receiveBuffer = options.receiveBuffer ?? defaultReceiveBuffer
  const socket = openNetlinkSocket(NETLINK_NETFILTER, { netns, slots, slotSize: slotSizeFor(copyRange), receiveBuffer })
  const proc = new ProcQueues(netns)
  try {
    const isTaken = () => proc.row(number) !== undefined
    const { refusedFlags, received } = configure(socket, { number, copyRange, maxLength, flags, isTaken })
    const queue = new KernelQueue(options, socket, proc, refusedFlags)
    // After the caller's continuation, so that it has its queue when the first packets come.
    setImmediate(() => queue.start(received))
    return queue
  } catch (error) {
    socket.native.close()
    proc.close()
    throw error
  }
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return
  throw new CthelperError(
    'ERR_ARGUMENT',
    'open queue',
    `${name} must be an integer from ${min} to ${max}, not ${value}`,
  )
}

function tooLong(length: number): CthelperError {
  return new CthelperError(
    'ERR_ARGUMENT',
    'verdict',
    `a packet of ${length} bytes: at most ${MAX_PAYLOAD} fit a verdict`,
  )
}

const none: readonly Packet[] = []

/** The queue behind `openQueue`, over any socket that has been configured. */
export class KernelQueue implements Queue {
  readonly number: number
  readonly refusedFlags: readonly QueueFlag[]
  readonly #options: QueueOptions
  readonly #socket: NetlinkSocket
  readonly #proc: Pick<ProcQueues, 'row' | 'close'>
  readonly #writer: VerdictWriter
  /** Ids without a verdict from batches that are over. */
  readonly #held = new Set<number>()
  /** The batch being delivered, and its first packet without a verdict. */
  #batch = none
  #cursor = 0
  #isFlushScheduled = false
  #isClosed = false
  readonly #counts = { received: 0, bytes: 0, batches: 0, verdicts: 0, verdictErrors: 0, overruns: 0 }
  #dropped = { queueDropped: Number.NaN, userDropped: Number.NaN }

  constructor(
    options: QueueOptions,
    socket: NetlinkSocket,
    proc: Pick<ProcQueues, 'row' | 'close'>,
    refusedFlags: readonly QueueFlag[],
  ) {
    this.number = options.number
    this.refusedFlags = refusedFlags
    this.#options = options
    this.#socket = socket
    this.#proc = proc
    const send = (bytes: Uint8Array, start: number, end: number) => socket.native.post(bytes, start, end - start)
    this.#writer = new VerdictWriter(options.number, send, (errno) => this.#fail(kernelError('send verdicts', errno)))
  }

  /** Delivers `received` datagrams that lie in the buffer already, then polls. */
  start(received: number): void {
    if (this.#isClosed) return
    const started = this.#socket.native.start((count) => this.#take(count))
    if (started < 0) this.#fail(kernelError('poll queue', -started))
    else this.#take(received)
  }

  verdict(packet: QueuedPacket, kind: VerdictKind, options?: VerdictOptions): void {
    if (this.#isClosed) return
    const { origin } = this.#own(packet)
    const mark = options?.mark
    const payload = kind === 'drop' ? undefined : options?.payload
    if (payload !== undefined && payload.length > MAX_PAYLOAD) throw tooLong(payload.length)
    origin.isDecided = true
    this.#counts.verdicts++
    const isPlain = kind === 'accept' && mark === undefined && payload === undefined
    if (isPlain && this.#held.size === 0 && this.#batch[this.#cursor] === origin) this.#writer.acceptNext(origin.id)
    else this.#writer.write(origin.id, verdictNumbers[kind], mark, payload)
    if (!origin.lease.isLive) this.#held.delete(origin.id)
    while (this.#batch[this.#cursor]?.isDecided) this.#cursor++
    if (this.#batch === none) this.#scheduleFlush()
  }

  counters(): QueueCounters {
    if (!this.#isClosed) this.#readDropped()
    return { ...this.#counts, ...this.#dropped }
  }

  close(): void {
    if (this.#isClosed) return
    this.#writer.flush()
    this.#readDropped()
    this.#isClosed = true
    this.#writer.close()
    this.#proc.close()
    this.#held.clear()
    // The kernel unbinds the queue with its socket.
    this.#socket.native.close()
  }

  #own(packet: QueuedPacket): Packet {
    if (!(packet instanceof Packet) || packet.lease.owner !== this) {
      throw new CthelperError('ERR_ARGUMENT', 'verdict', `not a packet of queue ${this.number}`)
    }
    if (packet.origin.isDecided) {
      throw new CthelperError('ERR_ARGUMENT', 'verdict', `packet ${packet.id} has its verdict already`)
    }
    return packet
  }

  /** One receive: `count` datagrams in the buffer, or a negative errno. */
  #take(count: number): void {
    if (count === -constants.errno.ENOBUFS) this.#counts.overruns++
    else if (count < 0) this.#fail(kernelError('receive packets', -count))
    if (count <= 0) return
    const lease: Lease = { owner: this, isLive: true }
    const packets = this.#read(count, lease)
    if (packets.length > 0) this.#deliver(packets, lease)
  }

  #read(count: number, lease: Lease): Packet[] {
    const { buffer, slotSize, lengths } = this.#socket
    const packets: Packet[] = []
    const visit = (type: number, flags: number, _sequence: number, start: number, end: number) => {
      if (type === NFQNL_MSG_PACKET) {
        const packet = readPacket(buffer, start + NFGENMSG_LENGTH, end, lease)
        if (packet) packets.push(packet)
      } else if (type === NLMSG_ERROR && decodeError(buffer, start, end, flags).errno !== 0)
        this.#counts.verdictErrors++
    }
    for (let i = 0; i < count; i++) {
      const start = i * slotSize
      visitMessages(buffer, start, start + Math.min(lengths[i]!, slotSize), visit)
    }
    return packets
  }

  #deliver(packets: readonly Packet[], lease: Lease): void {
    this.#counts.batches++
    this.#counts.received += packets.length
    for (const packet of packets) this.#counts.bytes += packet.originalLength
    this.#batch = packets
    this.#cursor = 0
    let hasReturned = false
    try {
      this.#options.onBatch(packets, this)
      hasReturned = true
    } finally {
      lease.isLive = false
      this.#batch = none
      if (!this.#isClosed) this.#endBatch(packets, hasReturned)
    }
  }

  /** What has no verdict yet is held; where the callback threw and kept no copy, nobody will ever decide it: drop. */
  #endBatch(packets: readonly Packet[], hasReturned: boolean): void {
    for (let i = this.#cursor; i < packets.length; i++) {
      const packet = packets[i]!
      if (packet.isDecided) continue
      this.#held.add(packet.id)
      if (!hasReturned && !packet.wasDetached) this.verdict(packet, 'drop')
    }
    this.#writer.flush()
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return
    this.#isFlushScheduled = true
    queueMicrotask(() => {
      this.#isFlushScheduled = false
      if (!this.#isClosed) this.#writer.flush()
    })
  }

  #readDropped(): void {
    const row = this.#proc.row(this.number)
    if (row) this.#dropped = { queueDropped: row.queueDropped, userDropped: row.userDropped }
  }

  #fail(error: CthelperError): void {
    if (this.#isClosed) return
    this.close()
    if (!this.#options.onError) throw error
    this.#options.onError(error)
  }
}
