import t, { type Test } from 'tap'
import { openNftables } from '../../lib/nftables/index.js'
import type { Nftables } from '../../lib/nftables/nftables.js'
import { Lab, type Namespace, whyNoLab } from '../../lib/testing/index.js'
import type { Expression, NamedSet, RulesetChange, Table, TableFamily } from '../../types/nftables.js'
import { ruleSamples, sampleSets } from '../fixtures/nftables/rules.js'

const skip = whyNoLab('nft')

function open(t: Test): { nftables: Nftables; namespace: Namespace } {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const namespace = lab.namespace('nft')
  const nftables = openNftables({ netns: namespace.path })
  t.teardown(() => nftables.close())
  return { nftables, namespace }
}

const listing = (namespace: Namespace): string => namespace.runSync(['nft', 'list', 'ruleset'])
const table = (rules: readonly Expression[][], more: Partial<Table> = {}): Table => ({
  family: 'inet',
  name: 'test',
  chains: [{ name: 'c', rules: rules.map((expressions) => ({ expressions })) }],
  ...more,
})

const sets: readonly NamedSet[] = [
  { name: 'ifs', type: 'ifname', elements: ['lan0', 'x'] },
  { name: 'ports', type: 'inet_service', elements: [5060, 5080] },
  { name: 'pairs', type: ['ipv4_addr', 'inet_service'], elements: [['10.0.0.1', 4000]] },
  {
    name: 'nat4',
    type: ['ipv4_addr', 'inet_service'],
    value: ['ipv4_addr', 'inet_service'],
    elements: [{ key: ['10.0.0.1', 4000], value: ['10.0.0.2', 5000] }],
  },
  { name: 'addr4', type: ['ipv4_addr', 'inet_service'], value: 'ipv4_addr', elements: [] },
  { name: 'port4', type: ['ipv4_addr', 'inet_service'], value: 'inet_service', elements: [] },
  { name: 'six', type: 'ipv6_addr', elements: ['fd00::1'] },
  { name: 'addr6', type: ['ipv6_addr', 'inet_service'], value: 'ipv6_addr', elements: [] },
]
const elementsInNft: Readonly<Record<string, string>> = {
  ifs: '"lan0", "x"',
  ports: '5060, 5080',
  pairs: '10.0.0.1 . 4000',
  nat4: '10.0.0.1 . 4000 : 10.0.0.2 . 5000',
  six: 'fd00::1',
}

/** The same table in nft's words. */
function inNft(family: TableFamily, rules: readonly string[]): string {
  const elements = Object.entries(elementsInNft).map(([set, list]) => `add element ${family} test ${set} { ${list} }`)
  const chain = `chain c {\n ${rules.join('\n ')}\n }\n chain sub {\n }`
  return `table ${family} test {\n ${sampleSets}\n ${chain}\n }\n${elements.join('\n')}`
}

for (const family of ['inet', 'ip', 'ip6'] as const) {
  t.test(`${family}: nft lists our rules as it lists its own`, { skip }, async (t) => {
    const { nftables, namespace: ours } = open(t)
    const { namespace: theirs } = open(t)
    const isQueue = ({ nft }: { nft: string }) => nft.startsWith('queue')
    const samples = ruleSamples.filter((sample) => sample.family === family && !isQueue(sample))
    const chains = [
      { name: 'c', rules: samples.map(({ expressions }) => ({ expressions })) },
      { name: 'sub', rules: [] },
    ]
    await nftables.install({ family, name: 'test', sets, chains })
    theirs.nft(
      inNft(
        family,
        samples.map(({ nft }) => nft),
      ),
    )
    t.equal(listing(ours), listing(theirs))
    t.ok(samples.length > 0)
  })
}

t.test('a table comes, is replaced, is listed and goes', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  namespace.nft('table ip other {\n chain mine {\n counter\n }\n }')
  const before = listing(namespace)
  t.equal(await nftables.has('inet', 'test'), false)
  await nftables.install(table([[{ kind: 'counter' }]], { sets }))
  t.equal(await nftables.has('inet', 'test'), true)
  t.equal(await nftables.has('ip', 'test'), false)
  const base = { type: 'filter', hook: 'forward', priority: -5, policy: 'drop' } as const
  await nftables.install(table([], { chains: [{ name: 'only', ...base, rules: [] }] }))
  t.match(
    listing(namespace),
    /table inet test \{\s+chain only \{\s+type filter hook forward priority (-5|filter - 5); policy drop;\s+\}\s+\}/,
  )
  t.same(await nftables.list(), [
    { family: 'ip', name: 'other', chains: ['mine'] },
    { family: 'inet', name: 'test', chains: ['only'] },
  ])
  t.equal(await nftables.remove('inet', 'test'), true)
  t.equal(await nftables.remove('inet', 'test'), false)
  t.equal(listing(namespace), before)
})

t.test('a refused table changes nothing, and the error says where', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  await nftables.install(table([[{ kind: 'counter' }]]))
  const before = listing(namespace)
  const absent: Expression[] = [{ kind: 'counter' }, { kind: 'iif', is: 1 }, { kind: 'jump', chain: 'absent' }]
  await t.rejects(nftables.install(table([[{ kind: 'notrack' }], absent])), {
    code: 'ERR_KERNEL',
    errnoName: 'ENOENT',
    operation: 'NFT_MSG_NEWRULE rule 1 of chain inet test c, expression 2 (jump)',
  })
  const rules = [{ expressions: [{ kind: 'masquerade' }] }] as const
  const nat = table([], { chains: [{ name: 'f', type: 'filter', hook: 'forward', priority: 0, rules }] })
  await t.rejects(nftables.install(nat), {
    code: 'ERR_UNSUPPORTED',
    message: /rule 0 of chain inet test f, expression 0 \(masquerade\): EOPNOTSUPP/,
  })
  t.equal(listing(namespace), before)
})

t.test('check asks and changes nothing', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  t.equal(await nftables.check(table([[{ kind: 'counter' }]], { sets })), undefined)
  const error = await nftables.check(table([[{ kind: 'goto', chain: 'absent' }]]))
  t.equal(error?.errnoName, 'ENOENT')
  t.match(error?.operation, /rule 0 of chain inet test c, expression 0 \(goto\)/)
  t.equal(listing(namespace), '')
})

t.test('argument errors name the place and send nothing', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const wrong = table([], { sets: [{ name: 's', type: 'ifname', elements: [5] }] })
  await t.rejects(nftables.install(wrong), { code: 'ERR_ARGUMENT', message: 'set inet test s: 5 is no ifname' })
  const half = table([], { chains: [{ name: 'c', type: 'filter', rules: [] }] })
  await t.rejects(nftables.install(half), { code: 'ERR_ARGUMENT', message: /type, hook and priority together/ })
  t.equal(listing(namespace), '')
})

t.test('elements of sets', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  await nftables.install(table([], { sets: [{ name: 's', type: 'inet_service', elements: [1] }] }))
  await nftables.addElements('inet', 'test', 's', [1, 2, 3])
  t.equal(await nftables.deleteElements('inet', 'test', 's', [2, 7, 3, 9]), 2)
  t.equal(await nftables.deleteElements('inet', 'test', 's', [2]), 0)
  await nftables.addElements('inet', 'test', 's', [])
  t.match(namespace.runSync(['nft', 'list', 'set', 'inet', 'test', 's']), /elements = \{ 1 \}/)
  const absent = { code: 'ERR_KERNEL', errnoName: 'ENOENT' }
  await t.rejects(nftables.addElements('inet', 'test', 'absent', [1]), absent)
  await t.rejects(nftables.addElements('inet', 'test', 's', ['1']), { code: 'ERR_ARGUMENT' })
  const many = Array.from({ length: 2000 }, (_, i) => i + 10)
  await nftables.addElements('inet', 'test', 's', many)
  t.equal((await nftables.listElements('inet', 'test', 's')).length, many.length + 1)
  t.equal(await nftables.deleteElements('inet', 'test', 's', many), many.length)
  t.same(await nftables.listElements('inet', 'test', 's'), [{ key: 1 }])
})

t.test('elements of maps with timeouts', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const pair = ['ipv4_addr', 'inet_service'] as const
  const map: NamedSet = { name: 'm', type: pair, value: pair, timeouts: true, elements: [] }
  await nftables.install(table([], { sets: [map] }))
  const key = ['10.0.0.1', 4000] as const
  await nftables.addElements('inet', 'test', 'm', [{ key, value: ['10.0.0.2', 5000], timeoutSec: 30 }])
  const [listed] = await nftables.listElements('inet', 'test', 'm')
  t.match(listed, { key: ['10.0.0.1', 4000], value: ['10.0.0.2', 5000], timeoutSec: 30 })
  t.ok(listed!.expiresSec! > 20 && listed!.expiresSec! <= 30)
  t.match(listing(namespace), /10\.0\.0\.1 \. 4000 timeout 30s expires \d+s\d*m?s? : 10\.0\.0\.2 \. 5000/)
  const other = { key, value: ['10.0.0.3', 6000], timeoutSec: 60 } as const
  await t.rejects(nftables.addElements('inet', 'test', 'm', [other]), { code: 'ERR_KERNEL', errnoName: 'EEXIST' })
  await nftables.replaceElements('inet', 'test', 'm', [other, { ...other, key: ['10.0.0.9', 1] }])
  const replaced = await nftables.listElements('inet', 'test', 'm')
  t.match(
    replaced.find(({ key }) => Array.isArray(key) && key[1] === 4000),
    { value: ['10.0.0.3', 6000], timeoutSec: 60 },
  )
  t.equal(replaced.length, 2)
  await t.rejects(nftables.addElements('inet', 'test', 'm', [key]), {
    code: 'ERR_ARGUMENT',
    message: /no value in a map/,
  })
  t.equal(await nftables.deleteElements('inet', 'test', 'm', [key]), 1)
})

t.test('counters of the rules of a table', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const input = { name: 'in', type: 'filter', hook: 'input', priority: 0 } as const
  const rules = [
    { expressions: [{ kind: 'counter' }], comment: 'all' },
    { expressions: [] },
    { expressions: [{ kind: 'dport', in: [9], protocol: 'udp' }, { kind: 'counter' }] },
  ] as const
  await nftables.install(table([], { chains: [{ ...input, rules }] }))
  namespace.runSync(['bash', '-c', 'echo -n hello > /dev/udp/127.0.0.1/9'])
  const counters = await nftables.readCounters('inet', 'test')
  t.match(counters[1], { chain: 'in', rule: 2, comment: undefined, packets: 1, bytes: 33 })
  t.match(counters[0], { chain: 'in', rule: 0, comment: 'all' })
  t.ok(counters[0]!.packets >= 1)
  t.equal(counters.length, 2)
  t.same(await nftables.readCounters('ip', 'absent'), [])
})

t.test('an owned table is ours alone and dies with the handle', { skip }, async (t) => {
  const { namespace } = open(t)
  const nftables = openNftables({ netns: namespace.path })
  const owned = table([[{ kind: 'counter' }]], { owned: true })
  await nftables.install(owned)
  await nftables.install(owned)
  namespace.runSync(['nft', 'flush', 'ruleset'])
  t.match(listing(namespace), /table inet test/)
  nftables.close()
  await until(() => listing(namespace) === '')
  t.equal(listing(namespace), '')
})

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; tries < 100 && !condition(); tries++) await new Promise((resolve) => setTimeout(resolve, 20))
}

t.test('changes by others are told, own ones not', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const changes: RulesetChange[] = []
  const overruns: string[] = []
  const events = nftables.events({ onChange: (change) => changes.push(change), onOverrun: () => overruns.push('lost') })
  t.teardown(() => events.close())
  await nftables.install(table([[{ kind: 'counter' }]], { sets }))
  await nftables.addElements('inet', 'test', 'ports', [1])
  namespace.runSync(['nft', 'add', 'table', 'ip', 'other'])
  await until(() => changes.length > 0)
  t.equal(changes.length, 1)
  t.match(changes[0], { processName: 'nft', tables: [{ family: 'ip', name: 'other', added: 1, removed: 0 }] })
  t.ok(changes[0]!.processId > 0)
  changes.length = 0
  await nftables.remove('ip', 'other')
  namespace.runSync(['nft', 'flush', 'ruleset'])
  await until(() => changes.length > 0)
  t.equal(changes.length, 1)
  t.match(changes[0]!.tables, [{ family: 'inet', name: 'test', added: 0, tableRemoved: true }])
  t.equal(await nftables.has('inet', 'test'), false)
  t.same(overruns, [])
})

t.test('a lost announcement is told', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  let overruns = 0
  const events = nftables.events({ onChange: () => {}, onOverrun: () => overruns++ })
  t.teardown(() => events.close())
  // Announced one by one, this is more than the socket's 4 MiB can hold while nothing is read.
  const { path } = namespace
  const other = openNftables({ netns: path })
  t.teardown(() => other.close())
  const elements = Array.from({ length: 60_000 }, (_, i) => i)
  for (let i = 0; i < 4; i++) await other.install(table([], { sets: [{ name: 's', type: 'mark', elements }] }))
  await until(() => overruns > 0)
  t.ok(overruns > 0)
})

t.test('queue statements as this kernel takes them', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const style = await nftables.queueStyle()
  t.equal(listing(namespace), '')
  const queues: Expression[][] = [
    [{ kind: 'queue', number: 5, bypass: true }],
    [{ kind: 'queue', number: 5, total: 4, bypass: true, fanout: true }],
    [{ kind: 'queue', number: 0xfffe }],
  ]
  if (style === 'none') {
    await t.rejects(nftables.install(table(queues)), { code: 'ERR_UNSUPPORTED' })
    return
  }
  t.comment(`queue style: ${style}`)
  for (const family of ['inet', 'ip', 'ip6'] as const) await nftables.install({ ...table(queues), family })
  const listed = listing(namespace)
  t.equal(listed.match(/queue (flags bypass )?(num|to) 5( bypass)?$/gm)?.length, 3)
  t.equal(listed.match(/queue (flags bypass,fanout )?(num|to) 5-8( bypass,fanout)?$/gm)?.length, 3)
  t.equal(listed.match(/queue (num|to) 65534$/gm)?.length, 3)
})

t.test('ninety tables at once, on one handle', { skip }, async (t) => {
  const { nftables, namespace } = open(t)
  const names = Array.from({ length: 90 }, (_, i) => `t${i}`)
  await Promise.all(names.map((name) => nftables.install({ ...table([[{ kind: 'counter' }]]), name })))
  t.equal(listing(namespace).match(/^table/gm)?.length, 90)
  const removed = await Promise.all(names.map((name) => nftables.remove('inet', name)))
  t.ok(removed.every(Boolean))
  t.equal(listing(namespace), '')
})
