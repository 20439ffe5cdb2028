import { constants } from 'node:os'
import { NLM_F_REQUEST, NLMSG_HDRLEN } from '../netlink/message.js'
import { NFGENMSG_LENGTH } from '../netlink/nfnetlink.js'
import { NFQNL_MSG_VERDICT, NFQNL_MSG_VERDICT_BATCH, verdictNumbers, verdictTable } from './nfqa.table.js'

/** nlmsghdr, nfgenmsg, NFQA_VERDICT_HDR. */
const HEADER_BYTES = NLMSG_HDRLEN + NFGENMSG_LENGTH + 12
const MARK_BYTES = 8
/** nla_len is 16 bit and counts its own 4 bytes. */
export const MAX_PAYLOAD = 65531
/** Verdicts wait for the end of the batch up to here; more is sent at once. */
const DATAGRAM_BYTES = 65536
const RETRY_MS = 1
const { ENOBUFS, ENOMEM, EAGAIN } = constants.errno
const transient = new Set([ENOBUFS, ENOMEM, EAGAIN])

/** Sends bytes[start, end) and returns a negative errno on failure. */
export type Send = (bytes: Uint8Array, start: number, end: number) => number

/**
 * Collects verdict messages in one buffer and sends them in few datagrams. Nothing is acknowledged; the kernel answers only what
 * it refuses.
 */
export class VerdictWriter {
  readonly #send: Send
  readonly #onFailure: (errno: number) => void
  readonly #resource: number
  readonly #bytes = new Uint8Array(DATAGRAM_BYTES + HEADER_BYTES + MARK_BYTES + 4 + MAX_PAYLOAD + 1)
  readonly #view = new DataView(this.#bytes.buffer)
  #length = 0
  /** Packets of the run of plain accepts at the end, and the last one's id. */
  #runLength = 0
  #runId = 0
  /** Datagrams the kernel had no memory for, oldest first. */
  readonly #backlog: Uint8Array[] = []
  #retry: NodeJS.Timeout | undefined

  /** `onFailure` hears of errors that trying again would not cure. */
  constructor(queueNumber: number, send: Send, onFailure: (errno: number) => void) {
    this.#send = send
    this.#onFailure = onFailure
    // nfgenmsg with res_id in network order, read as one little-endian word.
    this.#resource = (((queueNumber & 255) << 24) | ((queueNumber >> 8) << 16)) >>> 0
  }

  /** Something waits to be sent. */
  get isPending(): boolean {
    return this.#length > 0 || this.#runLength > 0
  }

  /**
   * Accepts `id`, where every packet of the queue with a lower id has been decided before: consecutive calls may become one
   * NFQNL_MSG_VERDICT_BATCH, which decides all that the queue holds up to an id.
   */
  acceptNext(id: number): void {
    this.#runLength++
    this.#runId = id
  }

  /** One packet's verdict by itself. `payload` (up to MAX_PAYLOAD bytes) is copied. */
  write(id: number, verdict: number, mark: number | undefined, payload: Uint8Array | undefined): void {
    this.#endRun()
    let length = HEADER_BYTES
    if (mark !== undefined) length += MARK_BYTES
    if (payload !== undefined) length += 4 + ((payload.length + 3) & ~3)
    const at = this.#begin(NFQNL_MSG_VERDICT, length, verdict, id)
    let next = at + HEADER_BYTES
    if (mark !== undefined) {
      this.#view.setUint32(next, (verdictTable.mark.type << 16) | MARK_BYTES, true)
      this.#view.setUint32(next + 4, mark)
      next += MARK_BYTES
    }
    if (payload !== undefined) {
      this.#view.setUint32(next, (verdictTable.payload.type << 16) | (4 + payload.length), true)
      this.#bytes.set(payload, next + 4)
    }
  }

  /** Sends what has been collected. */
  flush(): void {
    this.#endRun()
    this.#sendWritten()
  }

  /** Forgets what could not be sent. */
  close(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#backlog.length = 0
  }

  #endRun(): void {
    if (this.#runLength === 0) return
    const type = this.#runLength === 1 ? NFQNL_MSG_VERDICT : NFQNL_MSG_VERDICT_BATCH
    this.#runLength = 0
    this.#begin(type, HEADER_BYTES, verdictNumbers.accept, this.#runId)
  }

  /** Writes a message's fixed part, making room by sending if need be, and returns where it begins. */
  #begin(type: number, length: number, verdict: number, id: number): number {
    if (this.#length > 0 && this.#length + length > DATAGRAM_BYTES) this.#sendWritten()
    const at = this.#length
    const view = this.#view
    view.setUint32(at, length, true)
    view.setUint32(at + 4, (NLM_F_REQUEST << 16) | type, true)
    view.setUint32(at + 8, 0)
    view.setUint32(at + 12, 0)
    view.setUint32(at + 16, this.#resource, true)
    view.setUint32(at + 20, (verdictTable.header.type << 16) | 12, true)
    view.setUint32(at + 24, verdict)
    view.setUint32(at + 28, id)
    this.#length = at + length
    return at
  }

  #sendWritten(): void {
    const length = this.#length
    if (length === 0) return
    this.#length = 0
    // Order holds: while something waits, what comes after waits behind it.
    const sent = this.#backlog.length > 0 ? -ENOBUFS : this.#send(this.#bytes, 0, length)
    if (sent >= 0) return
    if (!transient.has(-sent)) this.#onFailure(-sent)
    else {
      this.#backlog.push(this.#bytes.slice(0, length))
      this.#retry ??= setTimeout(() => this.#sendBacklog(), RETRY_MS)
    }
  }

  #sendBacklog(): void {
    this.#retry = undefined
    while (this.#backlog.length > 0) {
      const bytes = this.#backlog[0]!
      const sent = this.#send(bytes, 0, bytes.length)
      if (sent < 0 && transient.has(-sent)) {
        this.#retry = setTimeout(() => this.#sendBacklog(), RETRY_MS)
        return
      }
      this.#backlog.shift()
      if (sent < 0) this.#onFailure(-sent)
    }
  }
}
