import t from 'tap'
import { decodeEvent } from '../../lib/conntrack/events.js'
import { anchorConntrack, inboundPinhole, openConntrack } from '../../lib/conntrack/index.js'
import { encodeOperations } from '../../lib/conntrack/message.js'
import type { EventsOptions } from '../../lib/netlink/events.js'
import type { ConntrackOperation, RawConntrackEvent } from '../../types/conntrack.js'
import type { NetlinkMessage, NetlinkTransport } from '../../types/netlink.js'

const anchor = anchorConntrack({ family: 4, n: 0, helper: 'sip', timeoutSec: 60, mark: 7 })
const expectation = inboundPinhole({
  anchor: anchor.original,
  from: { address: '198.51.100.20', port: 6000 },
  to: { address: '198.51.100.1', port: 30000 },
  mapTo: { address: '192.168.7.10', port: 4000 },
  source: 'exact',
})
const payloadOf = (operation: ConntrackOperation, ...more: string[]): Uint8Array =>
  Buffer.concat([encodeOperations([operation])[0]!.payload, Buffer.from(more.join('').replaceAll(' ', ''), 'hex')])

const CREATE_EXCL = 0x600
const message = (type: number, flags: number, payload: Uint8Array): NetlinkMessage => ({
  type,
  flags,
  sequence: 0,
  payload,
})
const ordinary = payloadOf({ kind: 'create-conntrack', conntrack: anchor }, '08000c00 00000063')
/** The same with CTA_TUPLE_MASTER. */
const master = Buffer.from(ordinary.subarray(8, 56)).toString('hex')
const expected = payloadOf({ kind: 'create-conntrack', conntrack: { ...anchor, mark: 9 } }, '34000e80', master)
/** The same without, as a later kernel's DESTROY: IPS_EXPECTED in CTA_STATUS. */
const ended = payloadOf({ kind: 'create-conntrack', conntrack: { ...anchor, status: 0xb } })

t.test('kinds', async (t) => {
  const kinds = [
    [0x100, CREATE_EXCL, 'conntrack-new'],
    [0x100, 0, 'conntrack-update'],
    [0x102, 0, 'conntrack-destroy'],
  ] as const
  for (const [type, flags, kind] of kinds)
    t.match(decodeEvent(message(type, flags, ordinary)), { kind, entry: { original: anchor.original, id: 99 } })
  const exp = payloadOf({ kind: 'create-expectation', expectation })
  t.match(decodeEvent(message(0x200, CREATE_EXCL, exp)), { kind: 'expectation-new', expectation })
  t.match(decodeEvent(message(0x202, 0, exp)), { kind: 'expectation-destroy', expectation })
  t.equal(decodeEvent(message(0xa00, 0, ordinary)), undefined, 'another subsystem')
})

t.test('expectedOnly keeps what has a master or had one', async (t) => {
  const filter = { expectedOnly: true }
  t.equal(decodeEvent(message(0x100, CREATE_EXCL, ordinary), filter), undefined)
  t.match(decodeEvent(message(0x100, CREATE_EXCL, expected), filter), { entry: { master: anchor.original, mark: 9 } })
  t.match(decodeEvent(message(0x102, 0, ended), filter), { kind: 'conntrack-destroy' })
  t.equal(decodeEvent(message(0x102, 0, ordinary), filter), undefined)
})

t.test('accept sees the cheap fields of every event, and none of the one before', async (t) => {
  const seen: RawConntrackEvent[] = []
  const filter = { accept: (event: RawConntrackEvent) => seen.push({ ...event }) > 2 }
  t.equal(decodeEvent(message(0x100, CREATE_EXCL, expected), filter), undefined)
  t.equal(decodeEvent(message(0x102, 0, ordinary), filter), undefined)
  t.ok(decodeEvent(message(0x100, 0, new Uint8Array(4)), filter))
  t.strictSame(seen, [
    { kind: 'conntrack-new', id: 0, status: 0xa, mark: 9, isExpected: true },
    { kind: 'conntrack-destroy', id: 99, status: 0xa, mark: 7, isExpected: false },
    { kind: 'conntrack-update', id: 0, status: 0, mark: 0, isExpected: false },
  ])
})

t.test('a subscription hands on events and overruns', async (t) => {
  let groups: readonly number[] = []
  let options: EventsOptions | undefined
  let closed = 0
  const conntrack = await openConntrack({
    netns: '/run/netns/gateway',
    transport: { close: () => t.fail('a given transport is the caller’s') } as unknown as NetlinkTransport,
    openEvents: (_protocol, wanted, given) => {
      groups = wanted
      options = given
      return { close: () => closed++ }
    },
  })
  const heard: string[] = []
  const subscription = conntrack.events({
    groups: ['conntrack-new', 'expectation-destroy'],
    onEvent: ({ kind }) => heard.push(kind),
    onOverrun: () => heard.push('overrun'),
  })
  t.strictSame(groups, [1, 6])
  t.equal(options?.netns, '/run/netns/gateway')
  options?.onMessages([message(0x100, CREATE_EXCL, ordinary), message(0xa00, 0, ordinary)])
  options?.onOverrun()
  t.strictSame(heard, ['conntrack-new', 'overrun'])
  subscription.close()
  conntrack.close()
  t.equal(closed, 1)
})
