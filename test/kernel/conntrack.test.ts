import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import t, { type Test } from 'tap'
import {
  anchorConntrack,
  anchorTuple,
  type Conntrack,
  type ConntrackOperation,
  type Expectation,
  holder,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_FIXED_TIMEOUT,
  IPS_SEEN_REPLY,
  inboundPinhole,
  maskFor,
  openConntrack,
  outboundPinhole,
  type Tuple,
  tupleKey,
} from '../../lib/conntrack/index.js'
import { conntrackEntries, Lab, type Namespace, whyNoLab } from '../../lib/testing/index.js'
import type { CthelperErrorShape } from '../../types/errors.js'

// The expectation function `sip`: stock kernels load every other module by themselves. Here it may be built in, without modprobe.
spawnSync('modprobe', ['nf_nat_sip'])

const skip = whyNoLab('nft', 'conntrack')

/** Conntrack is at work in a namespace only where a rule asks for it. */
const ruleset = 'table inet test { chain out { type filter hook output priority 0; ct state new accept; }; }'

/** Rejects with a CthelperError of these fields. */
const refused = (t: Test, promise: Promise<unknown>, fields: Partial<CthelperErrorShape>, message = 'refused') =>
  t.rejects(promise, fields as Error, message)

async function open(t: Test): Promise<{ conntrack: Conntrack; namespace: Namespace }> {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const namespace = lab.namespace('ct')
  namespace.nft(ruleset)
  const conntrack = await openConntrack({ netns: namespace.path })
  t.teardown(() => conntrack.close())
  return { conntrack, namespace }
}

const far = { 4: { address: '198.51.100.20', port: 6000 }, 6: { address: '2001:db8:1::20', port: 6000 } } as const
const near = { 4: { address: '192.168.7.10', port: 4000 }, 6: { address: 'fd00:7::10', port: 4000 } } as const
const advertised = {
  4: { address: '198.51.100.1', port: 30000 },
  6: { address: '2001:db8:1::1', port: 30000 },
} as const

const anchorOf = (family: 4 | 6, n = 0) => anchorConntrack({ family, n, helper: 'sip', timeoutSec: 60, mark: 7 })
function pinholesOf(family: 4 | 6, n = 0) {
  const base = { anchor: anchorTuple(family, n), function: 'sip' }
  const inbound = inboundPinhole({
    ...base,
    from: far[family],
    to: advertised[family],
    mapTo: near[family],
    source: 'latch',
  })
  const outbound = outboundPinhole({
    ...base,
    from: near[family],
    to: far[family],
    mapTo: far[family],
    source: 'exact',
  })
  return { inbound, held: holder(inbound), outbound }
}

const listExpectations = (namespace: Namespace, family: 4 | 6): string =>
  namespace.runSync(['conntrack', '-L', 'expect', '-f', `ipv${family}`])

/** How conntrack(8) shows an expectation; it knows neither NAT nor function. */
function witnessLine({ tuple, mask, master, flags, class: number }: Expectation): RegExp {
  const { source, destination } = tuple
  const parts = [
    `proto=17 src=${source.address} dst=${destination.address} sport=${source.port} dport=${destination.port}`,
    `mask-src=${mask.source.address} mask-dst=${mask.destination.address} sport=${mask.source.port} dport=65535`,
    `master-src=${master.source.address} master-dst=${master.destination.address}`,
    `sport=${master.source.port} dport=9 ${flags?.permanent ? 'PERMANENT ' : ''}class=${number} helper=sip`,
  ]
  return new RegExp(parts.join(' ').replaceAll('.', '\\.'))
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: an anchor is created, seen, changed and deleted`, { skip }, async (t) => {
    const { conntrack, namespace } = await open(t)
    const anchor = anchorOf(family)
    await conntrack.create(anchor)
    const [witnessed] = await conntrackEntries(namespace)
    t.match(witnessed, { original: anchor.original, reply: anchor.reply, mark: 7 })
    const listing = namespace.runSync(['conntrack', '-L', '-f', `ipv${family}`])
    t.match(listing, /^udp .* mark=7 helper=sip /m, 'conntrack(8) names the helper in its text form only')
    const entry = await conntrack.get(anchor.original)
    t.match(entry, { original: anchor.original, reply: anchor.reply, mark: 7, helper: 'sip', id: Number })
    t.strictSame((await conntrack.get(anchor.reply))?.id, entry?.id, 'found by its reply tuple')
    t.equal(await conntrack.count(), 1)

    t.ok(await conntrack.update(anchor.original, { timeoutSec: 500, mark: 0x10, markMask: 0xf0 }))
    const [changed] = await conntrackEntries(namespace)
    t.equal(changed?.mark, 0x17, 'the other bits of the mark stay')
    t.ok(changed!.timeoutSec! > 490)

    t.notOk(await conntrack.delete(anchor.original, { id: 1 }), 'another id is another entry')
    t.ok(await conntrack.delete(anchor.original, { id: entry!.id! }))
    t.notOk(await conntrack.delete(anchor.original))
    t.notOk(await conntrack.update(anchor.original, { mark: 1 }))
    t.equal(await conntrack.get(anchor.original), undefined)
    t.strictSame(await conntrackEntries(namespace), [])
  })

  t.test(
    `IPv${family}: a batch makes an anchor and its expectations; deleting it removes them`,
    { skip },
    async (t) => {
      const { conntrack, namespace } = await open(t)
      const { inbound, held, outbound } = pinholesOf(family)
      const wanted = [inbound, held, outbound]
      const operations: ConntrackOperation[] = [
        { kind: 'create-conntrack', conntrack: anchorOf(family) },
        ...wanted.map((expectation) => ({ kind: 'create-expectation', expectation }) as const),
      ]
      t.strictSame(await conntrack.batch(operations), Array(4).fill({ errno: 0 }))
      const read = await conntrack.expectations.dump({ master: anchorTuple(family, 0) })
      const listing = listExpectations(namespace, family)
      for (const expectation of wanted) {
        const same = read.find(({ tuple }) => tupleKey(tuple) === tupleKey(expectation.tuple))
        t.matchOnly(same, { ...expectation, id: Number, helper: 'sip', timeoutSec: Number })
        t.match(listing, witnessLine(expectation))
      }
      t.equal(listing.trim().split('\n').length, 3)
      t.strictSame(
        (await conntrack.batch(operations)).map(({ errnoName }) => errnoName),
        Array(4).fill('EEXIST'),
        'a refused operation does not stop the next',
      )
      const asked = [0, 1].map((n) => ({ kind: 'get-conntrack', tuple: anchorTuple(family, n) }) as const)
      const [found, none] = await conntrack.batch(asked)
      t.match(found, { errno: 0, entry: { original: anchorTuple(family, 0), helper: 'sip' } })
      t.match(none, { errnoName: 'ENOENT' })
      t.ok(await conntrack.delete(anchorTuple(family, 0)))
      t.strictSame(await conntrack.expectations.dump(), [])
      t.equal(listExpectations(namespace, family), '')
    },
  )
}

t.test('expectations: timeout, lookup, deletion by id', { skip }, async (t) => {
  const { conntrack, namespace } = await open(t)
  const { inbound, held } = pinholesOf(4)
  await conntrack.create(anchorOf(4))
  for (const expectation of [inbound, held]) await conntrack.expectations.create({ ...expectation, timeoutSec: 5 })
  t.ok(Number.parseInt(listExpectations(namespace, 4), 10) > 170, 'the policy decides the timeout at creation')
  t.ok(await conntrack.expectations.updateTimeout(inbound, 30))
  const found = await conntrack.expectations.get({ ...inbound.tuple, source: { ...inbound.tuple.source, port: 6002 } })
  t.match(found, { tuple: inbound.tuple, class: 1 }, 'found as a packet from any port would')
  t.ok(found!.timeoutSec! <= 30)
  t.notOk(await conntrack.expectations.delete(inbound.tuple, { id: 1 }))
  t.ok(await conntrack.expectations.delete(inbound.tuple, { id: found!.id! }))
  t.notOk(await conntrack.expectations.delete(inbound.tuple))
  t.equal(await conntrack.expectations.get(inbound.tuple), undefined)
  t.notOk(await conntrack.expectations.updateTimeout(inbound, 30))
  t.match(await conntrack.expectations.dump(), [{ class: 2, flags: { permanent: true } }])
})

t.test('dumps and flushes are filtered', { skip }, async (t) => {
  const { conntrack } = await open(t)
  await conntrack.create(anchorOf(4, 0))
  await conntrack.create({ ...anchorOf(4, 1), mark: 0x107, status: IPS_SEEN_REPLY | IPS_CONFIRMED | IPS_ASSURED })
  await conntrack.create(anchorOf(6, 2))
  const marks = async (filter: Parameters<Conntrack['dump']>[0]) =>
    (await conntrack.dump(filter)).map(({ mark }) => mark)
  t.strictSame((await marks({})).sort(), [0x107, 7, 7].sort())
  t.strictSame(await marks({ family: 6 }), [7])
  t.strictSame(await marks({ mark: 0x107 }), [0x107])
  t.equal((await marks({ mark: 7, markMask: 0xff })).length, 3)
  t.strictSame(await marks({ status: IPS_ASSURED }), [0x107])
  t.strictSame(await marks({ status: 0, statusMask: IPS_ASSURED, family: 4 }), [7])
  t.match(await conntrack.stats(), { entries: 3, maxEntries: Number })

  await conntrack.flush({ family: 6 })
  t.strictSame((await marks({})).sort(), [0x107, 7].sort())
  await conntrack.flush({ mark: 7 })
  t.strictSame(await marks({}), [0x107])
  await conntrack.flush()
  t.equal(await conntrack.count(), 0)
})

t.test('zones keep equal tuples apart', { skip }, async (t) => {
  const { conntrack } = await open(t)
  const anchor = anchorOf(4)
  await conntrack.create({ ...anchor, mark: 1 })
  await conntrack.create({ ...anchor, mark: 2, zone: 5 })
  t.equal((await conntrack.get(anchor.original))?.mark, 1)
  t.match(await conntrack.get(anchor.original, { zone: 5 }), { mark: 2, zone: 5 })
  const expectation = { ...pinholesOf(4).inbound, zone: 5 }
  await conntrack.expectations.create(expectation)
  t.match(await conntrack.expectations.get(expectation.tuple, { zone: 5 }), { tuple: expectation.tuple })
  t.equal(await conntrack.expectations.get(expectation.tuple), undefined)
  t.equal((await conntrack.expectations.dump({ master: anchor.original, zone: 5 })).length, 1)
  t.ok(await conntrack.update(anchor.original, { mark: 3, zone: 5 }))
  t.equal((await conntrack.get(anchor.original))?.mark, 1)
  t.ok(await conntrack.delete(anchor.original, { zone: 5 }))
  t.equal(await conntrack.count(), 1)
})

t.test('a fixed timeout cannot be changed again, and status bits not be unset', { skip }, async (t) => {
  const { conntrack } = await open(t)
  const { original } = anchorOf(4)
  await conntrack.create(anchorOf(4))
  const status = IPS_SEEN_REPLY | IPS_CONFIRMED
  await refused(t, conntrack.update(original, { status: 0 }), {
    code: 'ERR_KERNEL',
    operation: 'IPCTNL_MSG_CT_NEW',
    errnoName: 'EBUSY',
  })
  t.ok(await conntrack.update(original, { timeoutSec: 900, status: status | IPS_FIXED_TIMEOUT }))
  const entry = await conntrack.get(original)
  t.ok(entry!.status! & IPS_FIXED_TIMEOUT)
  t.ok(entry!.timeoutSec! > 890)
  await refused(t, conntrack.update(original, { timeoutSec: 60 }), { errnoName: 'EPERM', code: 'ERR_PERMISSION' })
})

t.test('what the kernel refuses, and how', { skip }, async (t) => {
  const { conntrack } = await open(t)
  const { inbound, outbound } = pinholesOf(4)
  const operation = 'IPCTNL_MSG_EXP_NEW'
  const create = (expectation: typeof inbound) => conntrack.expectations.create(expectation)
  await refused(t, create(inbound), { operation, errnoName: 'ENOENT' }, 'no master')

  await conntrack.create({ ...anchorOf(4, 1), helper: undefined as never })
  const orphan = { ...inbound, master: anchorTuple(4, 1) }
  await refused(t, create(orphan), { operation, errnoName: 'EOPNOTSUPP', code: 'ERR_UNSUPPORTED' }, 'no helper')
  t.strictSame(await conntrack.expectations.dump({ master: anchorTuple(4, 1) }), [])

  await conntrack.create(anchorOf(4, 0))
  await refused(t, conntrack.create(anchorOf(4, 0)), { operation: 'IPCTNL_MSG_CT_NEW', errnoName: 'EEXIST' })
  await refused(t, create({ ...inbound, function: 'nosuch' }), { operation, errnoName: 'EINVAL' })
  await refused(t, conntrack.create({ ...anchorOf(4, 3), helper: 'nosuch' }), { code: 'ERR_UNSUPPORTED' })
  await refused(t, conntrack.create({ ...anchorOf(4, 3), status: 0 }), { errnoName: 'EBUSY' })

  await create(outbound)
  await conntrack.create(anchorOf(4, 2))
  const wider: Tuple = { ...outbound.tuple, source: { ...outbound.tuple.source, port: 0 } }
  const overlapping = {
    ...outbound,
    master: anchorTuple(4, 2),
    tuple: wider,
    mask: maskFor(wider, { sourcePort: false }),
  }
  await refused(t, create(overlapping), { operation, errnoName: 'EBUSY' }, 'overlaps another master')
  await refused(t, openConntrack({ netns: '/run/netns/nosuch-cthelper' }), { errnoName: 'ENOENT' })
})

t.test('a full class gives way silently, a full table says EMFILE', { skip }, async (t) => {
  const { conntrack } = await open(t)
  const { inbound } = pinholesOf(4)
  const numbered = (n: number, i: number) => {
    const port = 10000 + n * 8 + i
    const tuple = { ...inbound.tuple, destination: { ...inbound.tuple.destination, port } }
    return { ...inbound, master: anchorTuple(4, n), tuple }
  }
  await conntrack.create(anchorOf(4, 0))
  for (let i = 0; i < 5; i++) await conntrack.expectations.create(numbered(0, i))
  t.equal((await conntrack.expectations.dump()).length, 4, 'the policy of sip has four in class 1')

  // The limit is one for all namespaces, the count is each one's own.
  const maximum = Number(readFileSync('/proc/sys/net/netfilter/nf_conntrack_expect_max', 'latin1'))
  const fill = async (n: number) => {
    const operations: ConntrackOperation[] = [{ kind: 'create-conntrack', conntrack: anchorOf(4, n) }]
    for (let i = 0; i < 4; i++) operations.push({ kind: 'create-expectation', expectation: numbered(n, i) })
    return (await conntrack.batch(operations)).map(({ errnoName }) => errnoName)
  }
  const full = Math.floor(maximum / 4)
  const early: unknown[] = []
  for (let n = 2; n <= full; n++) early.push(...(await fill(n)).filter(Boolean))
  t.strictSame(early, [])
  t.strictSame(await fill(full + 1), [undefined, 'EMFILE', 'EMFILE', 'EMFILE', 'EMFILE'])
})
