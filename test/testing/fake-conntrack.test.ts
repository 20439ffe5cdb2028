import t from 'tap'
import {
  anchorConntrack,
  anchorTuple,
  type Conntrack,
  holder,
  inboundPinhole,
  outboundPinhole,
} from '../../lib/conntrack/index.js'
import { FakeConntrack, type FakeConntrackOptions, type KernelEvent } from '../../lib/testing/index.js'
import type { ConntrackOperation, Expectation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'

/** What a room above uses of `Conntrack` must be had of the fake under the same types. */
const asConntrack = (fake: FakeConntrack): Pick<Conntrack, 'batch' | 'get' | 'dump' | 'events' | 'close'> => fake

const inside = { address: '192.168.7.10', port: 4000 }
const advertised = { address: '198.51.100.1', port: 30000 }
const far = { address: '198.51.100.20', port: 6000 }
const anchor = anchorConntrack({ family: 4, n: 0, helper: 'sip', timeoutSec: 60, mark: 7 })
const common = { anchor: anchor.original, function: 'sip' } as const
const inbound = inboundPinhole({ ...common, from: far, to: advertised, mapTo: inside, source: 'latch' })
const outbound = outboundPinhole({ ...common, from: inside, to: far, mapTo: far, source: 'exact' })

const create = (expectation: Expectation): ConntrackOperation => ({ kind: 'create-expectation', expectation })
const udp = (source: Endpoint, destination: Endpoint): Tuple => ({ family: 4, protocol: 17, source, destination })
const standing: ConntrackOperation[] = [{ kind: 'create-conntrack', conntrack: anchor }]

async function fakeWith(
  operations: readonly ConntrackOperation[],
  options?: FakeConntrackOptions,
): Promise<FakeConntrack> {
  const fake = new FakeConntrack(options)
  const results = await fake.batch(operations)
  if (results.some(({ errno }) => errno !== 0)) throw new Error(JSON.stringify(results))
  return fake
}

t.test('inbound first: translated, related, marked, used up', async (t) => {
  const fake = await fakeWith([...standing, create(inbound), create(holder(inbound)), create(outbound)])
  const first = fake.packet(udp(far, advertised))
  t.match(first, { state: 'related', delivered: udp(far, inside), entry: { mark: 7, master: anchor.original } })
  t.match(fake.packet(udp(inside, far)), { state: 'established', delivered: udp(advertised, far) })
  t.same(fake.packet(udp({ ...far, port: 6002 }, advertised)), { state: 'new' }, 'latched: no second port')
  t.match(await fake.get(udp(far, advertised)), {
    counters: { original: { packets: 1 }, reply: { packets: 1 } },
    status: 11,
  })
})

t.test('outbound first leaves from the advertised port, by the pair or its holder', async (t) => {
  for (const [pair, name] of [
    [inbound, 'inbound'],
    [holder(inbound), 'holder'],
  ] as const) {
    const fake = await fakeWith([...standing, create(pair), create(outbound)])
    t.match(fake.packet(udp(inside, far)), { state: 'related', delivered: udp(advertised, far) }, name)
  }
  const alone = await fakeWith([...standing, create(outbound)])
  t.match(alone.packet(udp(inside, far)), { delivered: udp(inside, far) }, 'without a pair the inside port leaks')
})

t.test('without a function nothing is translated', async (t) => {
  const { function: _, nat: __, ...plain } = inbound
  const fake = await fakeWith([...standing, create(plain)])
  t.match(fake.packet(udp(far, advertised)), { state: 'related', delivered: udp(far, advertised) })
})

t.test('a stranger is new', async (t) => {
  const fake = await fakeWith([...standing, create(inbound)])
  t.same(fake.packet(udp({ address: '198.51.100.66', port: 6000 }, advertised)), { state: 'new' })
})

t.test('refusals', async (t) => {
  const fake = await fakeWith(standing)
  const bare = { ...anchorConntrack({ family: 4, n: 1, helper: 'sip', timeoutSec: 60 }) }
  const { helper: _, ...unhelped } = bare
  const other = { ...inbound, master: anchorTuple(4, 2) }
  const wider = { ...inbound, tuple: { ...inbound.tuple, source: { ...far, port: 0 } } }
  const exact = inboundPinhole({
    ...common,
    from: far,
    to: { ...advertised, port: 30002 },
    mapTo: inside,
    source: 'exact',
  })
  const open = { ...exact, tuple: { ...exact.tuple, source: { ...far, port: 0 } }, mask: inbound.mask }
  const table: [ConntrackOperation, string | undefined][] = [
    [{ kind: 'create-conntrack', conntrack: anchor }, 'EEXIST'],
    [{ kind: 'create-conntrack', conntrack: { ...bare, helper: 'nosuch' } }, 'EOPNOTSUPP'],
    [{ kind: 'create-conntrack', conntrack: { ...bare, status: 2 } }, 'EBUSY'],
    [{ kind: 'create-conntrack', conntrack: unhelped }, undefined],
    [create({ ...inbound, master: bare.original }), 'EOPNOTSUPP'],
    [create(other), 'ENOENT'],
    [create({ ...inbound, class: 4 }), 'EINVAL'],
    [create({ ...inbound, function: 'nosuch' }), 'EINVAL'],
    [create(inbound), undefined],
    [create(wider), 'EEXIST'],
    [create(exact), undefined],
    [create(open), 'EBUSY'],
    [{ kind: 'update-expectation', expectation: other, timeoutSec: 9 }, undefined],
    [{ kind: 'delete-expectation', tuple: inbound.tuple, id: 0 }, 'ENOENT'],
    [{ kind: 'delete-expectation', tuple: inbound.tuple }, undefined],
    [{ kind: 'delete-expectation', tuple: inbound.tuple }, 'ENOENT'],
    [{ kind: 'update-expectation', expectation: inbound, timeoutSec: 9 }, 'ENOENT'],
    [{ kind: 'update-conntrack', tuple: anchor.original, status: 8 }, 'EBUSY'],
    [{ kind: 'update-conntrack', tuple: anchor.original, mark: 2, markMask: 3, timeoutSec: 5 }, undefined],
    [{ kind: 'update-conntrack', tuple: anchor.original, status: 0x40a }, undefined],
    [{ kind: 'update-conntrack', tuple: anchor.original, timeoutSec: 5 }, 'EPERM'],
    [{ kind: 'update-conntrack', tuple: anchorTuple(4, 9), mark: 2 }, 'ENOENT'],
    [{ kind: 'delete-conntrack', tuple: anchor.original, id: 12345 }, 'ENOENT'],
    [{ kind: 'get-conntrack', tuple: anchor.reply }, undefined],
    [{ kind: 'get-conntrack', tuple: anchorTuple(4, 9) }, 'ENOENT'],
  ]
  for (const [operation, expected] of table) {
    const [result] = await fake.batch([operation])
    t.equal(result?.errnoName, expected, JSON.stringify(operation).slice(0, 60))
  }
  t.match(await fake.get(anchor.original), { mark: 6, timeoutSec: 5 })
  t.equal(fake.recorded.length, 1 + table.length)
})

t.test('a full class makes room, a full table does not', async (t) => {
  const at = (port: number) =>
    inboundPinhole({ ...common, from: far, to: { ...advertised, port }, mapTo: inside, source: 'address' })
  const fake = await fakeWith([...standing, ...[1, 2, 3, 4, 5].map((port) => create(at(port)))])
  t.same(
    fake.expectationList().map(({ tuple }) => tuple.destination.port),
    [5, 4, 3, 2],
  )
  const small = await fakeWith([...standing, create(at(1)), create(at(2))], { expectMax: 2 })
  t.equal((await small.batch([create(at(3))]))[0]?.errnoName, 'EMFILE')
  const unlimited = {
    mine: [
      { maxExpected: 0, timeoutSec: 9 },
      { maxExpected: 0, timeoutSec: 9 },
    ],
  }
  const many = Array.from({ length: 600 }, (_, i) => create(at(i + 1)))
  const own = await fakeWith([{ kind: 'create-conntrack', conntrack: { ...anchor, helper: 'mine' } }, ...many], {
    helpers: unlimited,
  })
  t.equal(own.expectationList().length, 600)
})

t.test('time: leases and policies run out', async (t) => {
  const fake = await fakeWith([...standing, create(inbound)])
  fake.advance(59)
  t.match(fake.expectationList(), [{ timeoutSec: 121, helper: 'sip' }])
  await fake.batch([{ kind: 'update-conntrack', tuple: anchor.original, timeoutSec: 300 }])
  fake.advance(121)
  t.same(fake.expectationList(), [], 'the policy: 180 s')
  t.equal((await fake.dump()).length, 1)
  fake.advance(179)
  t.same(await fake.dump(), [], 'the lease')
})

t.test('events, filtered, in order; deleting an anchor takes its expectations along', async (t) => {
  const fake = new FakeConntrack()
  const [all, expected]: [string[], KernelEvent[]] = [[], []]
  let overruns = 0
  const groups = [
    'conntrack-new',
    'conntrack-update',
    'conntrack-destroy',
    'expectation-new',
    'expectation-destroy',
  ] as const
  const onOverrun = () => overruns++
  const subscription = asConntrack(fake).events({ groups, onOverrun, onEvent: ({ kind }) => all.push(kind) })
  fake.events({
    groups: ['conntrack-new'],
    filter: { expectedOnly: true, accept: ({ mark }) => mark === 7 },
    onOverrun,
    onEvent: (event) => expected.push(event),
  })
  await fake.batch([...standing, create(inbound), create(outbound)])
  fake.packet(udp(far, advertised))
  fake.overrun()
  await fake.batch([
    { kind: 'update-conntrack', tuple: anchor.original, timeoutSec: 9 },
    { kind: 'delete-conntrack', tuple: anchor.original },
  ])
  await new Promise(setImmediate)
  t.same(all, [
    'conntrack-new',
    'expectation-new',
    'expectation-new',
    'expectation-destroy',
    'conntrack-new',
    'conntrack-update',
    'conntrack-destroy',
    'expectation-destroy',
  ])
  t.match(expected, [{ kind: 'conntrack-new', entry: { original: udp(far, advertised) } }])
  t.equal(expected.length, 1)
  t.equal(overruns, 2)
  subscription.close()
  await fake.batch(standing)
  await new Promise(setImmediate)
  t.equal(all.length, 8, 'closed')
  t.equal((await fake.dump({ family: 4, mark: 7 })).length, 2, 'the media flow outlives its anchor')
  t.same(await fake.dump({ mark: 8 }), [])
  t.equal((await fake.dump({ status: 1 })).length, 1)
  t.same(await fake.dump({ family: 6 }), [])
})

t.test('a refusal can be asked for', async (t) => {
  const fake = await fakeWith(standing)
  fake.refuseNext(16, ({ kind }) => kind === 'create-expectation')
  const results = await fake.batch([
    { kind: 'update-conntrack', tuple: anchor.original, mark: 1 },
    create(inbound),
    create(inbound),
  ])
  t.same(
    results.map(({ errnoName }) => errnoName),
    [undefined, 'EBUSY', undefined],
  )
})

t.test('zones keep equal tuples apart', async (t) => {
  const fake = await fakeWith([
    ...standing,
    { kind: 'create-conntrack', conntrack: { ...anchor, zone: 3 } },
    create({ ...inbound, zone: 3 }),
  ])
  t.same(fake.packet(udp(far, advertised)), { state: 'new' })
  t.match(fake.packet(udp(far, advertised), 3), { state: 'related', entry: { zone: 3 } })
})
