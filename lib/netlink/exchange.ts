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

/**
 * What was sent in one datagram: requests with consecutive sequence numbers, executed in order, of which one asks for an ACK. The
 * others are heard of when they are refused, or have something to tell, and that before the awaited answer: silence is success.
 */
interface Group {
  readonly requests: readonly NetlinkRequest[]
  /** Sequence number of requests[0]. */
  readonly first: number
  /** The request whose answer is the last: in a transaction that before the closing bracket. */
  readonly awaited: number
  readonly isTransaction: boolean
  readonly answers: (Acknowledgement | undefined)[]
  readonly replies: (NetlinkMessage[] | undefined)[]
  wasInterrupted: boolean
  readonly resolve: (group: Group) => void
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
      else replies.push(...repliesOf(await this.#exchange(part, false)))
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
      const group = type === NLMSG_NOOP ? undefined : this.#groupOf(sequence)
      if (!group) return
      const index = sequence - group.first
      if (flags & NLM_F_DUMP_INTR && isDump(group.requests[index]!)) group.wasInterrupted = true
      if (type === NLMSG_ERROR) this.#answer(group, index, decodeError(bytes, from, to, flags))
      else if (type === NLMSG_DONE) this.#answer(group, index, decodeDone(bytes, from, to, flags))
      else {
        group.replies[index] ??= []
        group.replies[index].push({ type, flags, sequence, payload: Uint8Array.from(bytes.subarray(from, to)) })
      }
    })
  }

  /** Answers come in the order of the datagrams, those of dumps excepted: the first group is the one, most of the time. */
  #groupOf(sequence: number): Group | undefined {
    for (const group of this.#groups) {
      const index = sequence - group.first
      if (index >= 0 && index < group.requests.length) return group
    }
    return undefined
  }

  /** Channel: answers were lost (ENOBUFS). Nobody knows whether the requests were executed, and the caller hears just that. */
  overrun(): void {
    for (const group of this.#groups) {
      for (let i = 0; i < group.requests.length; i++)
        group.answers[i] ??= { errno: ENOBUFS, message: 'the answer was lost' }
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
    return repliesOf(await this.#exchange(requests, true))
  }

  /** A socket runs one dump at a time (EBUSY). */
  #queueDump(request: NetlinkRequest): Promise<NetlinkReply> {
    const dump = this.#dumps.then(() => this.#dump(request))
    this.#dumps = dump.catch(() => {})
    return dump
  }

  async #dump(request: NetlinkRequest): Promise<NetlinkReply> {
    for (let restarts = 0; ; restarts++) {
      const group = await this.#exchange([request], false)
      const reply = replyOf(group, 0)
      if (!group.wasInterrupted || reply.errno) return reply
      if (restarts === maxDumpRestarts) {
        return { errno: EINTR, message: 'the table kept changing during the dump', replies: reply.replies }
      }
    }
  }

  #exchange(requests: readonly NetlinkRequest[], isTransaction: boolean): Promise<Group> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) throw closedError()
      const group: Group = {
        requests,
        first: this.#number(requests.length),
        awaited: requests.length - (isTransaction ? 2 : 1),
        isTransaction,
        answers: [],
        replies: [],
        wasInterrupted: false,
        resolve,
        reject,
      }
      this.#encode(group)
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

  /** The first of `count` consecutive sequence numbers; 0 is none, and 32 bits are all there are. */
  #number(count: number): number {
    if (this.#sequence + count > 0xffffffff) this.#sequence = 1
    const first = this.#sequence
    this.#sequence = first + count
    return first
  }

  #encode({ requests, first, awaited }: Group): void {
    this.#writer.length = 0
    for (let i = 0; i < requests.length; i++) {
      const request = requests[i]!
      const wantsAck = i === awaited && !isDump(request)
      const flags = request.flags | NLM_F_REQUEST | (wantsAck ? NLM_F_ACK : 0)
      writeMessage(this.#writer, request.type, flags, first + i, request.payload)
    }
  }

  #answer(group: Group, index: number, answer: Acknowledgement): void {
    const { answers, requests, isTransaction, awaited } = group
    answers[index] ??= answer
    // An error of BATCH_BEGIN is the transaction's: nothing was done, whatever the others' ACKs say.
    const isUndone = isTransaction && index === 0 && answer.errno !== 0
    if (isUndone) for (let i = 0; i < requests.length; i++) answers[i] = answer
    if (isUndone || index === awaited) this.#settle(group)
  }

  #settle(group: Group): void {
    this.#forget(group)
    group.resolve(group)
  }

  #forget(group: Group): void {
    this.#groups.delete(group)
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

const SILENCE: Acknowledgement = { errno: 0, message: undefined }
const NONE: readonly NetlinkMessage[] = []
const DONE: NetlinkReply = { errno: 0, replies: NONE }

const repliesOf = (group: Group): NetlinkReply[] => group.requests.map((_, i) => replyOf(group, i))

function replyOf({ answers, replies: all }: Group, index: number): NetlinkReply {
  const replies = all[index] ?? NONE
  const { errno, message } = answers[index] ?? SILENCE
  if (message !== undefined) return { errno, message, replies }
  return errno === 0 && replies === NONE ? DONE : { errno, replies }
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
