import { constants } from 'node:os'
import type { NetlinkMessage, NetlinkReply, NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'
import { CthelperError } from '../base/errors.js'
import { Writer } from './attribute.js'
import {
  type Acknowledgement,
  decodeDone,
  decodeError,
  NLM_F_ACK,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HDRLEN,
  NLMSG_NOOP,
  visitMessages,
  writeMessage,
} from './message.js'
import { NFNL_MSG_BATCH_BEGIN } from './nfnetlink.js'
import { closedError } from './socket.js'

/** What an exchange rides on. It feeds received datagrams to `exchange.receive`, `overrun` and `fail`. */
export interface Channel {
  /** Hands one datagram to the kernel. `bytes` is reused after the call. Throws when the socket fails. */
  send(bytes: Uint8Array): void
  /** Takes what has arrived already; false when nothing has (or when this channel cannot look). */
  poll(): boolean
  /** Something is outstanding: receive it when it comes, and keep the process alive. */
  setWaiting(isWaiting: boolean): void
  close(): void
}

/** Limits of one datagram: its answers must fit the receive buffer of the socket. */
const maxMessages = 64
const maxBytes = 32768
/** Looks at the socket right after sending, before leaving the rest (long dumps) to the event loop. */
const immediatePolls = 4
const maxDumpRestarts = 8
const { ENOBUFS, EINTR } = constants.errno

interface Entry {
  readonly request: NetlinkRequest
  readonly sequence: number
  readonly replies: NetlinkMessage[]
  answer: Acknowledgement | undefined
  wasInterrupted: boolean
  readonly group: Group
}

/** What was sent in one datagram. */
interface Group {
  readonly entries: Entry[]
  /** A transaction has one awaited answer, its last request's; errors of the others come before it. */
  readonly isTransaction: boolean
  unanswered: number
  readonly resolve: (entries: Entry[]) => void
  readonly reject: (error: Error) => void
}

/**
 * Matches requests with the kernel's answers by sequence number, whatever carries the bytes. nfnetlink and rtnetlink execute
 * requests inside sendto(), so the answers of all but dumps are there to be read when it returns.
 */
export class Exchange implements NetlinkTransport {
  readonly #channel: Channel
  readonly #isNetfilter: boolean
  readonly #timeoutMs: number
  readonly #writer = new Writer(4096)
  readonly #entries = new Map<number, Entry>()
  readonly #groups = new Set<Group>()
  #sequence = (Date.now() & 0x7fffffff) + 1
  #dumps: Promise<unknown> = Promise.resolve()
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  /** `timeoutMs`: how long the kernel may be silent while something is outstanding. */
  constructor(open: (exchange: Exchange) => Channel, isNetfilter: boolean, timeoutMs: number) {
    this.#channel = open(this)
    this.#isNetfilter = isNetfilter
    this.#timeoutMs = timeoutMs
  }

  async request(request: NetlinkRequest): Promise<NetlinkReply> {
    return (await this.batch([request]))[0]!
  }

  async batch(requests: readonly NetlinkRequest[]): Promise<NetlinkReply[]> {
    if (this.#isNetfilter && requests[0]?.type === NFNL_MSG_BATCH_BEGIN) return this.#transaction(requests)
    const replies: NetlinkReply[] = []
    for (let from = 0; from < requests.length; ) {
      const to = endOfDatagram(requests, from)
      const part = requests.slice(from, to)
      if (isDump(part[0]!)) replies.push(await this.#queueDump(part[0]!))
      else for (const entry of await this.#exchange(part, false)) replies.push(replyOf(entry))
      from = to
    }
    return replies
  }

  close(): void {
    this.fail(closedError())
  }

  /** Channel: datagram bytes[start, end) has arrived. */
  receive(bytes: Uint8Array, start: number, end: number): void {
    this.#timer?.refresh()
    visitMessages(bytes, start, end, (type, flags, sequence, from, to) => {
      const entry = this.#entries.get(sequence)
      if (!entry || type === NLMSG_NOOP) return
      if (flags & NLM_F_DUMP_INTR && isDump(entry.request)) entry.wasInterrupted = true
      if (type === NLMSG_ERROR) this.#answer(entry, decodeError(bytes, from, to, flags))
      else if (type === NLMSG_DONE) this.#answer(entry, decodeDone(bytes, from, to, flags))
      else entry.replies.push({ type, flags, sequence, payload: Uint8Array.from(bytes.subarray(from, to)) })
    })
  }

  /** Channel: answers were lost (ENOBUFS). Nobody knows whether the requests were executed, and the caller hears just that. */
  overrun(): void {
    for (const group of this.#groups) {
      for (const entry of group.entries) entry.answer ??= { errno: ENOBUFS, message: 'the answer was lost' }
      this.#settle(group)
    }
  }

  /** Channel: the socket is of no more use. Rejects what is outstanding and closes. */
  fail(error: Error): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#rejectAll(error)
    this.#channel.close()
  }

  async #transaction(requests: readonly NetlinkRequest[]): Promise<NetlinkReply[]> {
    if (requests.length <= 2) return requests.map(() => ({ errno: 0, replies: [] }))
    return (await this.#exchange(requests, true)).map(replyOf)
  }

  /** A socket runs one dump at a time (EBUSY). */
  #queueDump(request: NetlinkRequest): Promise<NetlinkReply> {
    const dump = this.#dumps.then(() => this.#dump(request))
    this.#dumps = dump.catch(() => {})
    return dump
  }

  async #dump(request: NetlinkRequest): Promise<NetlinkReply> {
    for (let restarts = 0; ; restarts++) {
      const entry = (await this.#exchange([request], false))[0]!
      if (!entry.wasInterrupted || entry.answer?.errno) return replyOf(entry)
      if (restarts === maxDumpRestarts) {
        return { errno: EINTR, message: 'the table kept changing during the dump', replies: entry.replies }
      }
    }
  }

  #exchange(requests: readonly NetlinkRequest[], isTransaction: boolean): Promise<Entry[]> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closedError()
      const group: Group = { entries: [], isTransaction, unanswered: requests.length, resolve, reject }
      this.#encode(requests, group)
      this.#groups.add(group)
      try {
        this.#channel.send(this.#writer.bytes())
      } catch (error) {
        this.#forget(group)
        throw error
      }
      for (let polls = 0; this.#groups.has(group) && polls < immediatePolls; polls++) if (!this.#channel.poll()) break
      if (this.#groups.has(group)) this.#wait()
    })
  }

  #encode(requests: readonly NetlinkRequest[], group: Group): void {
    const lastInner = requests.length - 2
    this.#writer.length = 0
    for (const [i, request] of requests.entries()) {
      const sequence = this.#sequence
      this.#sequence = (sequence + 1) >>> 0 || 1
      const wantsAck = group.isTransaction ? i === lastInner : !isDump(request)
      const flags = request.flags | NLM_F_REQUEST | (wantsAck ? NLM_F_ACK : 0)
      writeMessage(this.#writer, request.type, flags, sequence, request.payload)
      const entry: Entry = { request, sequence, replies: [], answer: undefined, wasInterrupted: false, group }
      group.entries.push(entry)
      this.#entries.set(sequence, entry)
    }
  }

  #answer(entry: Entry, answer: Acknowledgement): void {
    const { group } = entry
    entry.answer ??= answer
    group.unanswered--
    if (!group.isTransaction) {
      if (group.unanswered === 0) this.#settle(group)
      return
    }
    // An error of BATCH_BEGIN is the transaction's: nothing was done, whatever the others' ACKs say.
    if (entry === group.entries[0] && answer.errno) {
      for (const other of group.entries) other.answer = answer
      this.#settle(group)
    } else if (entry === group.entries.at(-2)) this.#settle(group)
  }

  #settle(group: Group): void {
    this.#forget(group)
    group.resolve(group.entries)
  }

  #forget(group: Group): void {
    this.#groups.delete(group)
    for (const entry of group.entries) this.#entries.delete(entry.sequence)
    if (this.#groups.size === 0 && this.#timer) {
      clearTimeout(this.#timer)
      this.#timer = undefined
      this.#channel.setWaiting(false)
    }
  }

  #wait(): void {
    if (this.#timer) return
    this.#timer = setTimeout(() => {
      const waited = `no answer from the kernel for ${this.#timeoutMs} ms`
      this.#rejectAll(new CthelperError('ERR_TIMEOUT', 'netlink request', waited))
    }, this.#timeoutMs)
    this.#channel.setWaiting(true)
  }

  #rejectAll(error: Error): void {
    for (const group of this.#groups) {
      this.#forget(group)
      group.reject(error)
    }
  }
}

const isDump = (request: NetlinkRequest): boolean => (request.flags & NLM_F_DUMP) === NLM_F_DUMP

function replyOf(entry: Entry): NetlinkReply {
  const { errno = 0, message } = entry.answer ?? {}
  return message === undefined ? { errno, replies: entry.replies } : { errno, message, replies: entry.replies }
}

/** Where the datagram that begins with requests[from] ends: a dump alone, others up to the limits. */
function endOfDatagram(requests: readonly NetlinkRequest[], from: number): number {
  if (isDump(requests[from]!)) return from + 1
  let bytes = 0
  let to = from
  for (; to < requests.length && to - from < maxMessages && !isDump(requests[to]!); to++) {
    bytes += NLMSG_HDRLEN + requests[to]!.payload.length + 3
    if (bytes > maxBytes && to > from) break
  }
  return to
}
