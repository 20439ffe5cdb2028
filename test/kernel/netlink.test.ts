import { closeSync, readFileSync, readlinkSync } from 'node:fs'
import t, { type Test } from 'tap'
import { nativeAddon } from '../../lib/base/native.js'
import {
  encode,
  NETLINK_NETFILTER,
  NETLINK_ROUTE,
  NFNL_SUBSYS_NFTABLES,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nfnetlinkRequest,
  nfnetlinkType,
  openEvents,
  openTransport,
  text,
  transaction,
  u32be,
  Writer,
} from '../../lib/netlink/index.js'
import { Lab, type Namespace } from '../../lib/testing/netns.js'
import { whyNoLab } from '../../lib/testing/requirements.js'
import { pause } from '../../lib/testing/time.js'
import type { NetlinkMessage, NetlinkRequest } from '../../types/netlink.js'

const skip = whyNoLab()
const skipNft = whyNoLab('nft')
const RTM_NEWLINK = 16
const RTM_DELLINK = 17
const RTM_GETLINK = 18
const RTNLGRP_LINK = 1
const NFT_MSG_NEWTABLE = nfnetlinkType(NFNL_SUBSYS_NFTABLES, 0)
const NFT_MSG_GETTABLE = nfnetlinkType(NFNL_SUBSYS_NFTABLES, 1)
const NFT_MSG_DELTABLE = nfnetlinkType(NFNL_SUBSYS_NFTABLES, 2)
const NFPROTO_INET = 1

function namespaces<const R extends readonly string[]>(t: Test, ...roles: R): { [K in keyof R]: Namespace } {
  const lab = new Lab()
  t.teardown(() => lab.close())
  return roles.map((role) => lab.namespace(role)) as { [K in keyof R]: Namespace }
}

/** struct ifinfomsg, and IFLA_IFNAME where a name is given. */
function link(type: number, flags: number, index: number, name?: string): NetlinkRequest {
  const writer = new Writer()
  for (const word of [0, index, 0, 0]) writer.u32(word)
  encode({ name: text(3) }, name === undefined ? {} : { name }, writer)
  return { type, flags, payload: writer.bytes() }
}

/** The interface names that an RTM_GETLINK dump shows. */
async function linkNames(netns: string): Promise<string[]> {
  const transport = openTransport(NETLINK_ROUTE, { netns })
  const { replies } = await transport.request(link(RTM_GETLINK, NLM_F_DUMP, 0))
  transport.close()
  return replies.map(({ payload }) => nameOf(payload)).sort()
}

/** IFLA_IFNAME is the first attribute after struct ifinfomsg. */
function nameOf(payload: Uint8Array): string {
  const length = payload[16]! | (payload[17]! << 8)
  return Buffer.from(payload.subarray(20, 16 + length - 1)).toString('latin1')
}

t.test('one process, sockets in several namespaces, and its own stays its own', { skip }, async (t) => {
  const [left, right] = namespaces(t, 'left', 'right')
  left.ip('link add only-left type veth peer name other-end')
  const own = readlinkSync('/proc/thread-self/ns/net')
  t.same(await linkNames(left.path), ['lo', 'only-left', 'other-end'])
  t.same(await linkNames(right.path), ['lo'])
  const addon = nativeAddon()
  const fds = [left, right].map(({ path }) => addon.openUdp(path, 4, Uint8Array.of(127, 0, 0, 1), 5060))
  t.ok(
    fds.every((fd) => fd > 2),
    'the same address and port in both',
  )
  t.equal(addon.openUdp(left.path, 4, Uint8Array.of(127, 0, 0, 1), 5060), -98, 'EADDRINUSE')
  for (const fd of fds) closeSync(fd)
  const devices = addon.openFile(left.path, '/proc/thread-self/net/dev')
  t.match(readFileSync(devices, 'latin1'), /only-left/)
  closeSync(devices)
  t.equal(readlinkSync('/proc/thread-self/ns/net'), own)
})

t.test('the kernel says why', { skip }, async (t) => {
  const [namespace] = namespaces(t, 'why')
  const transport = openTransport(NETLINK_ROUTE, { netns: namespace.path })
  t.teardown(() => transport.close())
  const unknown = { type: 999, flags: 0, payload: new Uint8Array(4) }
  t.equal((await transport.request(unknown)).errno, 95, 'EOPNOTSUPP')
  const long = await transport.request(link(RTM_GETLINK, 0, 1, 'n'.repeat(300)))
  t.ok(long.errno > 0)
  t.type(long.message, 'string', `a sentence: ${long.message}`)
})

const table = (type: number, flags: number, name: string) =>
  nfnetlinkRequest(type, flags, NFPROTO_INET, (writer) => encode({ name: text(1), flags: u32be(2) }, { name }, writer))

t.test('transactions: all or nothing', { skip: skipNft }, async (t) => {
  const [namespace] = namespaces(t, 'nft')
  const transport = openTransport(NETLINK_NETFILTER, { netns: namespace.path })
  t.teardown(() => transport.close())
  const run = async (...requests: NetlinkRequest[]) =>
    (await transport.batch(transaction(NFNL_SUBSYS_NFTABLES, requests))).map(({ errno }) => errno)
  const tables = () => namespace.runSync(['nft', 'list', 'tables'])
  const create = (name: string) => table(NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL, name)
  t.same(await run(create('one'), create('two')), [0, 0, 0, 0])
  t.equal(tables(), 'table inet one\ntable inet two\n')
  t.same(await run(create('three'), create('one'), create('four')), [0, 0, 17, 0, 0], 'EEXIST, of the second')
  t.equal(tables(), 'table inet one\ntable inet two\n', 'and none of the others')
  t.same(await run(create('three'), table(NFT_MSG_DELTABLE, 0, 'nobody')), [0, 0, 2, 0])
  t.same(await run(table(NFT_MSG_DELTABLE, 0, 'one'), table(NFT_MSG_DELTABLE, 0, 'two')), [0, 0, 0, 0])
  t.equal(tables(), '')
  const unknown = transaction(200, [create('x')])
  t.same(
    (await transport.batch(unknown)).map(({ errno }) => errno),
    [22, 22, 22],
    'EINVAL, of the whole',
  )
})

t.test('large transactions and dumps', { skip: skipNft }, async (t) => {
  const [namespace] = namespaces(t, 'large')
  const transport = openTransport(NETLINK_NETFILTER, { netns: namespace.path })
  t.teardown(() => transport.close())
  const names = Array.from({ length: 5000 }, (_, i) => `table-${i}-${'x'.repeat(200)}`)
  const requests = names.map((name) => table(NFT_MSG_NEWTABLE, NLM_F_CREATE, name))
  const replies = await transport.batch(transaction(NFNL_SUBSYS_NFTABLES, requests))
  t.equal(replies.filter(({ errno }) => errno !== 0).length, 0, 'more than a megabyte in one datagram')
  const dump = await transport.request(nfnetlinkRequest(NFT_MSG_GETTABLE, NLM_F_DUMP, NFPROTO_INET))
  t.equal(dump.errno, 0)
  t.equal(dump.replies.length, 5000, 'longer than what is read at once')
  const gets = await transport.batch(names.slice(0, 500).map((name) => table(NFT_MSG_GETTABLE, 0, name)))
  t.ok(
    gets.every(({ errno, replies }) => errno === 0 && replies.length === 1),
    '500 questions, an answer each',
  )
})

t.test('a refusal that finds no room is no success', { skip: skipNft }, async (t) => {
  const [namespace] = namespaces(t, 'cramped')
  const transport = openTransport(NETLINK_NETFILTER, { netns: namespace.path, receiveBuffer: 1 })
  t.teardown(() => transport.close())
  const refused = Array.from({ length: 64 }, (_, i) => table(NFT_MSG_GETTABLE, 0, `none-${i}`))
  for (const round of [1, 2]) {
    const errnos = (await transport.batch(refused)).map(({ errno }) => errno)
    t.equal(errnos[0], 2, `ENOENT, round ${round}`)
    t.equal(errnos.at(-1), 105, 'ENOBUFS')
    t.ok(
      errnos.every((errno) => errno === 2 || errno === 105),
      'of the silent nobody knows',
    )
  }
  t.equal((await transport.request(refused[0]!)).errno, 2, 'and the socket goes on')
})

t.test('events: in order, in their namespace, until closed', { skip }, async (t) => {
  const [here, there] = namespaces(t, 'here', 'there')
  const seen: string[] = []
  const onMessages = (messages: readonly NetlinkMessage[]) => {
    for (const { type, payload } of messages) seen.push(`${type} ${nameOf(payload)}`)
  }
  const onOverrun = () => t.fail('overrun')
  const events = openEvents(NETLINK_ROUTE, [RTNLGRP_LINK], { netns: here.path, onMessages, onOverrun })
  there.ip('link add wrong0 type veth peer name wrong1')
  here.ip('link add right0 type veth peer name right1', 'link del right0')
  await pause(50)
  const news = (type: number) => seen.filter((line) => line.startsWith(`${type} `)).map((line) => line.slice(3))
  t.same([...new Set(news(RTM_NEWLINK))].sort(), ['right0', 'right1'])
  t.same([...new Set(news(RTM_DELLINK))].sort(), ['right0', 'right1'])
  events.close()
  events.close()
  seen.length = 0
  here.ip('link add late0 type veth peer name late1')
  await pause(50)
  t.same(seen, [])
  t.throws(() => openEvents(NETLINK_ROUTE, [5000], { netns: here.path, onMessages, onOverrun }), { code: 'ERR_KERNEL' })
})

t.test('an overrun is told, and events go on', { skip: skipNft }, async (t) => {
  const [namespace] = namespaces(t, 'overrun')
  const transport = openTransport(NETLINK_NETFILTER, { netns: namespace.path })
  t.teardown(() => transport.close())
  let overruns = 0
  let messages = 0
  const events = openEvents(NETLINK_NETFILTER, [7], {
    netns: namespace.path,
    receiveBuffer: 4096,
    onMessages: (batch) => {
      messages += batch.length
    },
    onOverrun: () => overruns++,
  })
  t.teardown(() => events.close())
  const create = (i: number) => transaction(NFNL_SUBSYS_NFTABLES, [table(NFT_MSG_NEWTABLE, NLM_F_CREATE, `t${i}`)])
  // NFNLGRP_NFTABLES tells of each table; nobody reads while these run one after the other in microtasks.
  for (let i = 0; i < 100; i++) await transport.batch(create(i))
  await pause(50)
  t.ok(overruns >= 1, `${overruns} overruns`)
  const before = messages
  await transport.batch(create(1000))
  await pause(50)
  t.ok(messages > before, 'the subscription lives')
})
