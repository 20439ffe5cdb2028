import t from 'tap'
import { ConnectionRequests, type ConnectionRequestsOptions } from '../../lib/alg/connection-requests.js'
import { encodeOperations } from '../../lib/conntrack/message.js'
import { NFGENMSG_LENGTH } from '../../lib/netlink/nfnetlink.js'
import { locateSegment } from '../../lib/packet/index.js'
import type { Asked, ConnectionEnds, Dialled } from '../../lib/proxy/index.js'
import type { NewConntrack } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import { syn } from '../packet/segments.js'

const phone = { address: '203.0.113.9', port: 40001 }
const pbx = { address: '192.168.7.10', port: 5060 }
const outside = { address: '198.51.100.1', port: 5060 }
const local = { address: phone.address, port: 12345 }
const settled = () => new Promise((resolve) => setImmediate(resolve))

function packetOf(from: Endpoint, to: Endpoint, fields: Partial<QueuedPacket> = {}): QueuedPacket {
  const packet = { payload: syn(from, to), hook: 'forward', mark: 7, physicalIndev: 0, conntrack: undefined, ...fields }
  return { ...packet, detach: () => packet } as unknown as QueuedPacket
}

interface WorldOptions extends Partial<ConnectionRequestsOptions> {
  readonly dialled?: Dialled | undefined
  readonly awaited?: boolean
  readonly served?: boolean
}

/** Everything around it, noting what it does, in order. */
function world({ dialled, awaited = false, served = true, ...options }: WorldOptions = {}) {
  const done: string[] = []
  const created: NewConntrack[] = []
  const sent: { to: string; packet: Uint8Array }[] = []
  const requests = new ConnectionRequests({
    wayOf: () => 'in',
    isOwn: () => false,
    outsideOf: () => undefined,
    create: async (entry) => {
      created.push(entry)
      done.push('conntrack')
    },
    packets: {
      send: (to, packet) => {
        sent.push({ to, packet })
        done.push('sent')
      },
    },
    ownMark: 99,
    failure: 'drop',
    count: (reason) => done.push(reason),
    onError: ({ message }) => done.push(`error ${message}`),
    ...options,
  })
  const proxy = {
    isAwaited: () => awaited,
    dial: async (asked: Asked, onBound?: (ends: ConnectionEnds) => Promise<void>): Promise<Dialled> => {
      const ends = { ...asked, local }
      await onBound?.(ends)
      done.push('dialled')
      return dialled ?? { ends }
    },
    forget: () => done.push('forgotten'),
  }
  if (served) requests.serve(proxy)
  const sink = { verdict: (_packet: QueuedPacket, kind: string) => void done.push(kind) }
  return { requests, sink, done, created, sent }
}

t.test('the server is asked, the conntrack stands, and the segment is sent again, in that order', async (t) => {
  const { requests, sink, done, created, sent } = world()
  requests.handle(packetOf(phone, pbx), sink)
  await settled()
  t.same(done, ['dialled', 'conntrack', 'sent', 'drop'])
  t.match(created, [{ original: { source: phone, destination: pbx }, reply: { source: pbx, destination: phone } }])
  t.same([created[0]!.destinationNat, created[0]!.mark], [undefined, undefined])
  t.match(locateSegment(sent[0]!.packet), { source: phone, destination: pbx })
})

t.test('a forwarded port: sent again as the client sent it, translated by its conntrack as before', async (t) => {
  const original = { family: 4, protocol: 6, source: phone, destination: outside } as const
  const reply = { family: 4, protocol: 6, source: pbx, destination: phone } as const
  const [request] = encodeOperations([{ kind: 'create-conntrack', conntrack: { original, reply, timeoutSec: 1 } }])
  const told = request!.payload.subarray(NFGENMSG_LENGTH)
  const cases = [
    ['by its conntrack', packetOf(phone, pbx, { conntrack: told }), {}],
    ['by what prerouting saw', packetOf(phone, pbx), { first: packetOf(phone, outside, { hook: 'prerouting' }) }],
    ['by a binding', packetOf(phone, pbx), { outsideOf: () => outside }],
  ] as const
  for (const [name, packet, { first, ...options }] of cases as readonly (readonly [
    string,
    QueuedPacket,
    { first?: QueuedPacket } & Partial<ConnectionRequestsOptions>,
  ])[]) {
    const { requests, sink, done, created, sent } = world(options)
    if (first) requests.handleFirst(first, sink)
    if (packet.conntrack) requests.handle(packet, sink)
    else requests.handleFirst(packet, sink)
    await settled()
    t.match(done.at(-1), 'drop', name)
    t.match(created, [{ original: { destination: outside }, reply: { source: outside }, destinationNat: pbx }], name)
    t.match(sent, [{ to: outside.address }], name)
    t.match(locateSegment(sent[0]!.packet), { source: phone, destination: outside }, name)
  }
})

t.test('ends on this machine: what its programs say on them is marked', async (t) => {
  const own = ({ address }: Endpoint) => ({ isOwn: (it: string) => it === address })
  const server = world(own(pbx))
  server.requests.handle(packetOf(phone, pbx, { hook: 'input' }), server.sink)
  await settled()
  t.same(server.done, ['conntrack', 'dialled', 'conntrack', 'sent', 'drop'])
  t.match(server.created, [
    { original: { source: local, destination: pbx }, mark: 99 },
    { original: { source: phone } },
  ])
  t.equal(server.created[1]!.mark, undefined, 'the phone is elsewhere')
  const client = world({ ...own(pbx), wayOf: () => 'out' })
  client.requests.handle(packetOf(pbx, phone, { hook: 'output' }), client.sink)
  await settled()
  t.same(client.done, ['dialled', 'conntrack', 'sent', 'drop'])
  t.match(client.created, [{ original: { source: pbx }, mark: 99 }])
})

t.test('translated, and nobody knows from where: it passes', async (t) => {
  const { requests, sink, done } = world()
  requests.handleFirst(packetOf(phone, pbx), sink)
  await settled()
  t.same(done, ['flow-unknown', 'accept'])
})

t.test('whatever is not proxied', async (t) => {
  const cases: [string, WorldOptions, Partial<QueuedPacket>, string[]][] = [
    ['no proxy yet', { served: false }, {}, ['accept']],
    ['it stays on one side', { wayOf: () => undefined }, {}, ['accept']],
    ['no TCP', {}, { payload: new Uint8Array(40) }, ['accept']],
    ['a bridge', {}, { physicalIndev: 3 }, ['tcp-bridged', 'accept']],
    ['asked for already', { awaited: true }, {}, ['drop']],
    ['refused', { dialled: { reason: 'tcp-unreachable' } }, {}, ['dialled', 'tcp-unreachable', 'accept']],
    ['no room', { dialled: { reason: 'tcp-host-exhausted' } }, {}, ['dialled', 'tcp-host-exhausted', 'drop']],
    [
      'no room, by policy',
      { dialled: { reason: 'tcp-host-exhausted' }, failure: 'accept' },
      {},
      ['dialled', 'tcp-host-exhausted', 'accept'],
    ],
    [
      'the kernel refuses',
      { create: () => Promise.reject(new Error('EEXIST')) },
      {},
      ['dialled', 'forgotten', 'error EEXIST', 'internal-error', 'drop'],
    ],
  ]
  for (const [name, options, fields, expected] of cases) {
    const { requests, sink, done } = world(options)
    requests.handle(packetOf(phone, pbx, fields), sink)
    await settled()
    t.same(done, expected, name)
  }
})
