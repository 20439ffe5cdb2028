import t from 'tap'
import { Writer } from '../../lib/netlink/attribute.js'
import { NETLINK_NETFILTER, NETLINK_ROUTE, NLM_F_DUMP } from '../../lib/netlink/message.js'
import { nfnetlinkRequest, nfnetlinkType } from '../../lib/netlink/nfnetlink.js'
import { openPackageTransport } from '../../lib/netlink/package-transport.js'
import { openTransport } from '../../lib/netlink/transport.js'
import type { NetlinkReply, NetlinkRequest } from '../../types/netlink.js'

const RTM_GETLINK = 18
const IPCTNL_MSG_CT_GET = 1
const IPCTNL_MSG_EXP_GET = 1

/** struct ifinfomsg: AF_UNSPEC and an index. */
function getLink(index: number, flags = 0): NetlinkRequest {
  const writer = new Writer()
  writer.u32(0)
  writer.u32(index)
  writer.u32(0)
  writer.u32(0)
  return { type: RTM_GETLINK, flags, payload: writer.bytes() }
}

/** Everything about a reply but what only one transport can know (the kernel's sentence) and what differs by request. */
const comparable = ({ errno, replies }: NetlinkReply) => ({
  errno,
  replies: replies.map(({ type, flags, payload }) => ({ type, flags, payload: stable(type, payload) })),
})
/** The index of a link, not its counters. */
const stable = (type: number, payload: Uint8Array) => (type === 16 ? [...payload.subarray(0, 8)] : [...payload])

const links = [
  getLink(1),
  getLink(0x7ffffff0),
  getLink(0, NLM_F_DUMP),
  getLink(1),
  { type: 999, flags: 0, payload: new Uint8Array(4) },
]
const netfilter = [
  nfnetlinkRequest(nfnetlinkType(1, IPCTNL_MSG_CT_GET), 0, 2),
  nfnetlinkRequest(nfnetlinkType(1, 99), 0, 2),
  nfnetlinkRequest(nfnetlinkType(2, IPCTNL_MSG_EXP_GET), NLM_F_DUMP, 2),
  nfnetlinkRequest(nfnetlinkType(200, 0), 0, 2),
]

const isRoot = process.getuid?.() === 0

for (const [name, protocol, requests, skip] of [
  ['rtnetlink', NETLINK_ROUTE, links, false],
  ['ctnetlink', NETLINK_NETFILTER, netfilter, isRoot ? false : 'needs root'],
] as const) {
  t.test(`${name}: both transports give the same answers`, { skip }, async (t) => {
    const ours = openTransport(protocol)
    const theirs = openPackageTransport(protocol)
    t.teardown(() => [ours, theirs].map((transport) => transport.close()))
    const replies = await ours.batch(requests)
    t.same(replies.map(comparable), (await theirs.batch(requests)).map(comparable), 'as a batch')
    for (const [i, request] of requests.entries()) {
      t.same(comparable(await ours.request(request)), comparable(replies[i]!), `request ${i} alone, ours`)
      t.same(comparable(await theirs.request(request)), comparable(replies[i]!), `request ${i} alone, theirs`)
    }
  })
}

t.test('answers of rtnetlink', async (t) => {
  const transport = openTransport(NETLINK_ROUTE)
  t.teardown(() => transport.close())
  const [loopback, nobody, all] = await transport.batch(links)
  t.equal(loopback!.replies[0]!.type, 16, 'RTM_NEWLINK')
  t.equal(nobody!.errno, 19, 'ENODEV')
  t.ok(all!.replies.length >= 1)
})

t.test('closed', async (t) => {
  for (const transport of [openTransport(NETLINK_ROUTE), openPackageTransport(NETLINK_ROUTE)]) {
    transport.close()
    transport.close()
    await t.rejects(transport.request(getLink(1)), { code: 'ERR_CLOSED' })
  }
})

t.test('what cannot be opened says why', async (t) => {
  t.throws(() => openTransport(NETLINK_ROUTE, { netns: '/run/netns/nonexistent' }), {
    code: 'ERR_KERNEL',
    errnoName: 'ENOENT',
    message: /nonexistent/,
  })
  t.throws(() => openTransport(31), { code: 'ERR_UNSUPPORTED', errnoName: 'EPROTONOSUPPORT' })
})
