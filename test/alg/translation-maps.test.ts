import t from 'tap'
import { componentsOf } from '../../lib/alg/path-expectations.js'
import { TranslationMaps } from '../../lib/alg/translation-maps.js'
import { CthelperError } from '../../lib/base/errors.js'
import { anchorTuple } from '../../lib/conntrack/index.js'
import { FakeConntrack } from '../../lib/testing/index.js'
import type { ElementChange, SetElement } from '../../types/nftables.js'
import { answeredCall, endpoint, INSIDE, OUTSIDE, PEER, World } from '../call/world.js'

const ENOENT = { code: 'ERR_KERNEL', errnoName: 'ENOENT' }
const EINVAL = 22
const LEASE = 120

type Keyed = { key: readonly (string | number)[]; value?: readonly (string | number)[]; timeoutSec?: number }
const keyOf = (element: SetElement): string => [(element as Keyed).key ?? element].flat().join(' ')

/** The maps of a table as nf_tables has them: what is there keeps its value, what is not cannot be deleted twice. */
class Store {
  readonly maps = new Map<string, { value: string; timeoutSec: number | undefined }>()
  /** Every transaction, with what the fake conntrack had been asked for by then. */
  readonly log: { readonly added: number; readonly removed: number; readonly expectations: number }[] = []
  readonly errors: object[] = []
  readonly kernel: FakeConntrack

  constructor(kernel: FakeConntrack) {
    this.kernel = kernel
  }

  async changeElements(_family: 'inet', _table: string, changes: readonly ElementChange[]): Promise<void> {
    const error = this.errors.shift()
    if (error) throw Object.assign(new CthelperError('ERR_KERNEL', 'test', 'refused'), error)
    const before = new Map(this.maps)
    for (const { set, remove } of changes) for (const key of remove) this.maps.delete(`${set.name}: ${keyOf(key)}`)
    for (const { set, add } of changes) {
      for (const element of add as unknown as Keyed[]) {
        const [name, value] = [`${set.name}: ${keyOf(element as never)}`, element.value!.join(' ')]
        const known = this.maps.get(name)
        if (known && known.value !== value) {
          this.maps.clear()
          for (const [old, entry] of before) this.maps.set(old, entry)
          throw Object.assign(new CthelperError('ERR_KERNEL', 'test', 'exists'), { errnoName: 'EEXIST' })
        }
        if (!known) this.maps.set(name, { value, timeoutSec: element.timeoutSec })
      }
    }
    const count = (list: 'add' | 'remove') => changes.reduce((sum, it) => sum + it[list].length, 0)
    this.log.push({ added: count('add'), removed: count('remove'), expectations: this.kernel.expectationList().length })
  }

  async listElements(): Promise<never[]> {
    throw Object.assign(new CthelperError('ERR_KERNEL', 'test', 'no table'), ENOENT)
  }

  get lines(): string[] {
    return [...this.maps].map(([key, { value }]) => `${key} => ${value}`).sort()
  }
}

/** The engine over pinholes that maps translate. */
function mapped(options: { readonly timeoutSec?: number } = {}): { world: World; store: Store; maps: TranslationMaps } {
  const { timeoutSec = LEASE } = options
  const policies = Array.from({ length: 3 }, () => ({ maxExpected: 0, timeoutSec }))
  const kernel = new FakeConntrack({ helpers: { cthelper: policies }, functions: [] })
  const store = new Store(kernel)
  const maps = new TranslationMaps({ kernel, store, table: 'cthelper', zone: 0, leaseSec: LEASE })
  const carrier = { name: 'cthelper', timeoutSec } as const
  const world = new World({ kernel, pinholes: { kernel: maps, translator: 'maps', carrier } })
  return { world, store, maps }
}

const RTP = [
  `destination_udp4: ${PEER} ${OUTSIDE} 4000 => ${INSIDE} 4000`,
  `source_udp4: ${INSIDE} 4000 ${PEER} 6000 => ${OUTSIDE} 4000`,
]
const RTCP = [
  `destination_udp4: ${PEER} ${OUTSIDE} 4001 => ${INSIDE} 4001`,
  `source_udp4: ${INSIDE} 4001 ${PEER} 6001 => ${OUTSIDE} 4001`,
]

t.test('expectations let in, and no more: no NAT, no function, no holder', async (t) => {
  const { world, store } = mapped()
  await answeredCall(world)
  const standing = world.kernel.expectationList()
  t.equal(standing.length, 4)
  t.ok(standing.every((it) => it.nat === undefined && it.function === undefined && it.class === 1))
  t.same(store.lines, [...RTP, ...RTCP].sort())
})

t.test('entries before expectations, and after them', async (t) => {
  const { world, store, maps } = mapped()
  await answeredCall(world)
  const answered = store.log.findIndex(({ added }) => added === 4)
  // Early ways in stood before: two expectations, which the answer's four replace.
  t.match(store.log[answered], { expectations: 2 }, 'added while the expectations are not there')
  await world.shutdown()
  t.match(store.log.at(-1), { added: 0, removed: 4, expectations: 0 }, 'deleted when these are gone')
  t.same(store.lines, [])
  t.equal(maps.size, 0)
})

t.test('a settled stream gives its entries back; when its flow dies they come again', async (t) => {
  const { world, store } = mapped()
  world.listen()
  await answeredCall(world)
  // The fake translates nothing, so the flow is shown as the maps would make it.
  const [tuple, reply] = [
    { family: 4, protocol: 17, source: endpoint(PEER, 6000), destination: endpoint(OUTSIDE, 4000) },
    { family: 4, protocol: 17, source: endpoint(INSIDE, 4000), destination: endpoint(PEER, 6000) },
  ] as const
  const master = world.kernel.entryList()[0]!.original
  const flow = { original: tuple, reply, master, id: 77, status: 2 }
  world.kernel.get = async () => flow
  t.same(world.pinholes.onExpectedFlow(flow, world.now), [])
  world.now += 2000
  await world.pinholes.tick(world.now)
  t.same(store.lines, RTCP)
  const again = world.pinholes.onDestroyed(tuple, 77)
  await world.pinholes.execute(again)
  t.same(store.lines, [...RTP, ...RTCP].sort())
})

t.test('a flow that was let in untranslated is begun anew', async (t) => {
  const { world, store } = mapped()
  await answeredCall(world)
  store.maps.clear()
  const rtp = { family: 4, protocol: 17, source: endpoint(PEER, 6000), destination: endpoint(OUTSIDE, 4000) } as const
  const admitted = world.kernel.packet(rtp)
  if (admitted.state !== 'related') throw new Error(admitted.state)
  const operations = world.pinholes.onExpectedFlow(admitted.entry, world.now)
  t.match(operations[0], { kind: 'delete-conntrack', tuple: rtp, id: admitted.entry.id })
  await world.pinholes.execute(operations)
  t.equal(world.kernel.packet(rtp).state, 'related', 'its way in stands again')
  t.same(store.lines, RTP, 'and what translates it: the way out has not been refused its own, though it stood')
})

t.test('renewed with the lease', async (t) => {
  const { world, store } = mapped()
  await answeredCall(world)
  const before = store.log.length
  world.now += (LEASE / 3) * 1000 + 1000
  await world.pinholes.tick(world.now)
  t.same(
    store.log.slice(before),
    [{ added: 4, removed: 4, expectations: 4 }],
    'one transaction, in place of the old ones',
  )
  t.ok([...store.maps.values()].every(({ timeoutSec }) => timeoutSec === LEASE))
  const policy = mapped({ timeoutSec: 60 })
  await answeredCall(policy.world)
  t.ok(
    policy.store.log.every(({ added, removed }) => added === 0 || removed === 0),
    'what comes with another timeout than the policy gives is not added twice',
  )
})

t.test('what the kernel refuses leaves no entry', async (t) => {
  const { world, store, maps } = mapped()
  const isWayOut = (operation: { kind: string; expectation?: { tuple: { source: { address: string } } } }) =>
    operation.kind === 'create-expectation' && operation.expectation?.tuple.source.address === INSIDE
  world.kernel.refuseNext(EINVAL, isWayOut as never)
  await answeredCall(world)
  t.same(world.refusals(), ['kernel-refused'])
  t.same(store.lines, [])
  t.equal(maps.size, 0)
})

t.test('the store', async (t) => {
  t.test('a table that somebody took is waited for', async (t) => {
    const { world, store } = mapped()
    store.errors.push(ENOENT, ENOENT)
    await answeredCall(world)
    t.same(store.lines, [...RTP, ...RTCP].sort())
  })
  t.test('what it refuses is thrown, and no expectation is made', async (t) => {
    const { world, store, maps } = mapped()
    await answeredCall(world)
    const [path] = world.opened.slice(-1) as Parameters<typeof componentsOf>[0][]
    const [spec] = componentsOf(path!, anchorTuple(4, 99), 'maps')
    store.errors.push({ errnoName: 'ENOMEM' })
    const expectation = { ...spec!.expectations[0]!, master: anchorTuple(4, 99) }
    const count = world.kernel.recorded.length
    await t.rejects(maps.batch([{ kind: 'create-expectation', expectation }]), { message: 'refused' })
    t.equal(world.kernel.recorded.length, count)
  })
  t.test('what a killed process left has our lease from now on', async (t) => {
    const { world, store, maps } = mapped()
    const key = [PEER, OUTSIDE, 4000]
    const name = `destination_udp4: ${key.join(' ')}`
    store.maps.set(name, { value: `${INSIDE} 4000`, timeoutSec: 3 })
    store.listElements = async (_family?: unknown, _table?: unknown, set?: unknown) =>
      set === 'destination_udp4' ? ([{ key, value: [INSIDE, 4000], expiresSec: 3 }] as never[]) : []
    await maps.inherit(world.now)
    await answeredCall(world)
    t.equal(store.maps.get(name)?.timeoutSec, LEASE)
    t.same(store.lines, [...RTP, ...RTCP].sort())
  })
  t.test('another value under the key of ours is replaced', async (t) => {
    const { world, store } = mapped()
    store.maps.set(`destination_udp4: ${PEER} ${OUTSIDE} 4000`, { value: '192.168.7.99 4000', timeoutSec: 5 })
    await answeredCall(world)
    t.same(store.lines, [...RTP, ...RTCP].sort())
  })
})

t.test('a port that has passed on is not taken from its new owner', async (t) => {
  const kernel = new FakeConntrack()
  const store = new Store(kernel)
  const maps = new TranslationMaps({ kernel, store, table: 'cthelper', zone: 0, leaseSec: LEASE })
  const { world } = mapped()
  await answeredCall(world)
  const [path] = world.opened.slice(-1) as Parameters<typeof componentsOf>[0][]
  const [spec] = componentsOf(path!, anchorTuple(4, 1), 'maps')
  const first = spec!.expectations[0]!
  const other = {
    ...first,
    master: anchorTuple(4, 2),
    nat: { direction: 1, to: endpoint('192.168.7.99', 4000) },
  } as const
  const anchor = (n: number) =>
    ({
      kind: 'create-conntrack',
      conntrack: { original: anchorTuple(4, n), reply: anchorTuple(4, n + 100), helper: 'sip', timeoutSec: LEASE },
    }) as const
  const opening = [anchor(1), { kind: 'create-expectation', expectation: first }] as const
  const closing = { kind: 'delete-conntrack', tuple: anchorTuple(4, 1) } as const
  await maps.batch(opening)
  // The first is closed, and the second opened, by two batches at once.
  await Promise.all([
    maps.batch([closing]),
    maps.batch([anchor(2), { kind: 'create-expectation', expectation: other }]),
  ])
  t.same(store.lines, [`destination_udp4: ${PEER} ${OUTSIDE} 4000 => 192.168.7.99 4000`])
  await maps.batch([{ kind: 'delete-conntrack', tuple: anchorTuple(4, 2) }])
  t.same(store.lines, [])
})
