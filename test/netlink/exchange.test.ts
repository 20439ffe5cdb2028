import t from 'tap'
import { Writer } from '../../lib/netlink/attribute.js'
import { type Channel, Exchange } from '../../lib/netlink/exchange.js'
import { decodeMessages, NLM_F_DUMP, NLMSG_DONE, NLMSG_ERROR, writeMessage } from '../../lib/netlink/message.js'
import { NFNL_SUBSYS_NFTABLES, transaction } from '../../lib/netlink/nfnetlink.js'
import type { NetlinkMessage, NetlinkRequest } from '../../types/netlink.js'

type Answer = readonly [type: number, flags: number, sequence: number, payload: Uint8Array]

/** A kernel of a few lines: `answer` says what comes back for a datagram, at once or when the test delivers it. */
class FakeChannel implements Channel {
  readonly sent: NetlinkMessage[][] = []
  exchange!: Exchange
  isWaiting = false
  isClosed = false
  sendError: Error | undefined
  answer: (messages: NetlinkMessage[], datagram: number) => Answer[] = (messages) =>
    messages.filter(({ flags }) => flags & 4).map(({ sequence }) => ack(sequence, 0))
  isImmediate = true
  #arrived: Answer[] = []

  send(bytes: Uint8Array): void {
    if (this.sendError) throw this.sendError
    const messages = decodeMessages(Uint8Array.from(bytes))
    this.#arrived.push(...this.answer(messages, this.sent.push(messages) - 1))
  }
  poll(): boolean {
    if (!this.isImmediate || this.#arrived.length === 0) return false
    this.deliver()
    return true
  }
  deliver(): void {
    const writer = new Writer()
    for (const [type, flags, sequence, payload] of this.#arrived) writeMessage(writer, type, flags, sequence, payload)
    this.#arrived = []
    this.exchange.receive(writer.bytes(), 0, writer.length)
  }
  setWaiting(isWaiting: boolean): void {
    this.isWaiting = isWaiting
  }
  close(): void {
    this.isClosed = true
  }
}

function ack(sequence: number, errno: number, type = NLMSG_ERROR): Answer {
  const payload = new Uint8Array(20)
  new DataView(payload.buffer).setInt32(0, -errno, true)
  return [type, 0, sequence, payload]
}

function setUp(timeoutMs = 1000) {
  const channel = new FakeChannel()
  const exchange = new Exchange(() => channel, true, timeoutMs)
  channel.exchange = exchange
  return { channel, exchange }
}

const get = (length = 4): NetlinkRequest => ({ type: 0x101, flags: 0, payload: new Uint8Array(length) })
const dump: NetlinkRequest = { type: 0x101, flags: NLM_F_DUMP, payload: new Uint8Array(4) }

t.test('a datagram asks for one ACK: what is silent has succeeded', async (t) => {
  const { channel, exchange } = setUp()
  // As the kernel executes them: replies and errors in order, then the ACK that was asked for.
  channel.answer = (messages) => {
    const [done, told, refused, last] = messages.map(({ sequence }) => sequence)
    t.same([told! - done!, refused! - done!, last! - done!], [1, 2, 3])
    return [[0x100, 0, told!, Uint8Array.of(7)], ack(refused!, 2), [0x100, 0, last!, Uint8Array.of(9)], ack(last!, 0)]
  }
  const replies = await exchange.batch([get(), get(), get(), get()])
  t.same(
    replies.map(({ errno, replies }) => [errno, replies.map(({ payload }) => payload[0])]),
    [
      [0, []],
      [0, [7]],
      [2, []],
      [0, [9]],
    ],
  )
  t.equal(channel.sent.length, 1, 'one datagram')
  t.same(
    channel.sent[0]!.map(({ flags }) => flags),
    [1, 1, 1, 5],
    'NLM_F_REQUEST, and NLM_F_ACK with the last',
  )
  t.equal(channel.isWaiting, false)
})

t.test('answers find their batch, whichever is outstanding', async (t) => {
  const { channel, exchange } = setUp()
  channel.isImmediate = false
  channel.answer = (messages, datagram) => [ack(messages[0]!.sequence, datagram + 1), ack(messages[1]!.sequence, 0)]
  const both = [exchange.batch([get(), get()]), exchange.batch([get(), get()])]
  channel.deliver()
  const errnos = (await Promise.all(both)).map((replies) => replies.map(({ errno }) => errno))
  t.same(errnos, [
    [1, 0],
    [2, 0],
  ])
})

t.test('a long batch is split by number and by bytes, and stays in order', async (t) => {
  const { channel, exchange } = setUp()
  const replies = await exchange.batch(Array.from({ length: 150 }, () => get()))
  t.equal(replies.length, 150)
  t.same(
    channel.sent.map((messages) => messages.length),
    [64, 64, 22],
  )
  channel.sent.length = 0
  await exchange.batch([get(20000), get(20000), get(40000), get(4)])
  t.same(
    channel.sent.map((messages) => messages.length),
    [1, 1, 1, 1],
  )
  t.same(await exchange.batch([]), [])
})

t.test('late answers are waited for', async (t) => {
  const { channel, exchange } = setUp()
  channel.isImmediate = false
  const reply = exchange.request(get())
  t.equal(channel.isWaiting, true)
  channel.deliver()
  t.equal((await reply).errno, 0)
  t.equal(channel.isWaiting, false)
})

t.test('silence is ERR_TIMEOUT, and the exchange lives on', async (t) => {
  const { channel, exchange } = setUp(20)
  const { answer } = channel
  channel.answer = () => []
  await t.rejects(exchange.request(get()), { code: 'ERR_TIMEOUT' })
  t.equal(channel.isWaiting, false)
  channel.answer = answer
  t.equal((await exchange.request(get())).errno, 0)
})

t.test('a lost answer is ENOBUFS', async (t) => {
  const { channel, exchange } = setUp()
  channel.answer = ([first]) => [ack(first!.sequence, 2)]
  const replies = exchange.batch([get(), get(), get()])
  exchange.overrun()
  t.same(
    (await replies).map(({ errno }) => errno),
    [2, 105, 105],
    'of the silent nobody knows',
  )
})

t.test('a dump collects its parts, alone in its datagram, one at a time', async (t) => {
  const { channel, exchange } = setUp()
  channel.answer = (messages) =>
    messages.flatMap(({ sequence, flags }): Answer[] =>
      flags & 4
        ? [ack(sequence, 0)]
        : [
            [0x100, 2, sequence, Uint8Array.of(1)],
            [0x100, 2, sequence, Uint8Array.of(2)],
            ack(sequence, 0, NLMSG_DONE),
          ],
    )
  const replies = await exchange.batch([get(), dump, get()])
  t.same(
    replies.map(({ errno, replies }) => [errno, replies.length]),
    [
      [0, 0],
      [0, 2],
      [0, 0],
    ],
  )
  t.equal(channel.sent.length, 3)
  channel.isImmediate = false
  const [first, second] = [exchange.request(dump), exchange.request(dump)]
  await new Promise(setImmediate)
  t.equal(channel.sent.length, 4, 'the second waits')
  channel.deliver()
  await first
  await new Promise(setImmediate)
  channel.deliver()
  t.equal((await second).replies.length, 2)
})

t.test('an interrupted dump is taken again, and not for ever', async (t) => {
  const { channel, exchange } = setUp()
  channel.answer = ([message], datagram) => [
    [0x100, 2 | (datagram === 0 ? 0x10 : 0), message!.sequence, Uint8Array.of(datagram)],
    ack(message!.sequence, 0, NLMSG_DONE),
  ]
  const reply = await exchange.request(dump)
  t.same([reply.errno, reply.replies.map(({ payload }) => payload[0])], [0, [1]])
  channel.answer = ([message]) => [[NLMSG_DONE, 0x12, message!.sequence, new Uint8Array(4)]]
  t.equal((await exchange.request(dump)).errno, 4, 'EINTR')
})

t.test('a transaction asks one ACK and is never split', async (t) => {
  const { channel, exchange } = setUp()
  const requests = transaction(
    NFNL_SUBSYS_NFTABLES,
    Array.from({ length: 100 }, () => get()),
  )
  const replies = await exchange.batch(requests)
  t.equal(channel.sent.length, 1)
  t.same(channel.sent[0]!.map(({ flags }) => flags & 4).indexOf(4), 100, 'on the last before the end')
  t.equal(replies.length, 102)
  t.ok(replies.every(({ errno }) => errno === 0))
  t.same(
    (await exchange.batch(transaction(NFNL_SUBSYS_NFTABLES, []))).map(({ errno }) => errno),
    [0, 0],
  )
  t.equal(channel.sent.length, 1, 'an empty one is not sent')
})

t.test('errors in a transaction', async (t) => {
  const { channel, exchange } = setUp()
  const requests = transaction(NFNL_SUBSYS_NFTABLES, [get(), get()])
  channel.answer = (messages) => [ack(messages[1]!.sequence, 17), ack(messages[2]!.sequence, 0)]
  t.same(
    (await exchange.batch(requests)).map(({ errno }) => errno),
    [0, 17, 0, 0],
    'one request refused',
  )
  channel.answer = (messages) => [ack(messages[0]!.sequence, 12), ack(messages[2]!.sequence, 0)]
  t.same(
    (await exchange.batch(requests)).map(({ errno }) => errno),
    [12, 12, 12, 12],
    'the commit failed',
  )
})

t.test('a failing send rejects; close rejects what is outstanding and what comes', async (t) => {
  const { channel, exchange } = setUp()
  channel.sendError = new Error('no')
  await t.rejects(exchange.request(get()), { message: 'no' })
  channel.sendError = undefined
  channel.answer = () => []
  const outstanding = exchange.request(get())
  exchange.close()
  exchange.close()
  await t.rejects(outstanding, { code: 'ERR_CLOSED' })
  await t.rejects(exchange.request(get()), { code: 'ERR_CLOSED' })
  t.equal(channel.isClosed, true)
})
