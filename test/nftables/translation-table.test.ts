import t from 'tap'
import { translationElement, translationMaps, translationTable, withTranslation } from '../../lib/nftables/index.js'
import { encodeTable } from '../../lib/nftables/table.js'

const [inside, outside] = [
  { address: '192.168.7.10', port: 4000 },
  { address: '203.0.113.1', port: 30000 },
]
const far = { address: '198.51.100.9', port: 6000 }
const [inside6, outside6] = [
  { address: 'fd00:7::10', port: 4000 },
  { address: '2001:db8:1::1', port: 30000 },
]

t.test('only expected flows, before anybody else translates', async (t) => {
  const { sets, chains } = translationTable()
  t.same(
    chains.map(({ name, type, hook, priority, rules }) => [name, type, hook, priority, rules.length]),
    [
      ['translate_in', 'nat', 'prerouting', -110, 8],
      ['translate_out', 'nat', 'postrouting', 90, 4],
    ],
  )
  for (const { expressions } of chains.flatMap(({ rules }) => rules)) {
    t.same(expressions[0], { kind: 'ct-status', any: ['expected'] })
    const [, nat] = expressions
    t.ok(nat && 'map' in nat && sets.some(({ name }) => name === nat.map))
  }
  const inwards = chains[0]!.rules.map(({ expressions: [, nat] }) => (nat && 'map' in nat ? nat.map : ''))
  t.same(
    inwards.map((map) => map.startsWith('destination_any')),
    [false, false, false, false, true, true, true, true],
    'an entry that names the source comes before one that does not',
  )
  t.doesNotThrow(() => encodeTable({ family: 'inet', name: 'x', sets, chains }, 'native'))
})

t.test('of a zone', async (t) => {
  const { chains } = translationTable({ zone: 7 })
  for (const { expressions } of chains.flatMap(({ rules }) => rules))
    t.same(expressions.slice(0, 2), [
      { kind: 'ct-status', any: ['expected'] },
      { kind: 'ct-zone', is: 7 },
    ])
})

t.test('an entry has a place', async (t) => {
  const place = (...args: Parameters<typeof translationElement>) => {
    const { set, element } = translationElement(...args)
    return [set.name, element]
  }
  const common = { family: 4, protocol: 'udp' } as const
  t.same(place({ ...common, way: 'in', from: far.address, to: outside, becomes: inside }, 60), [
    'destination_udp4',
    { key: [far.address, outside.address, 30000], value: [inside.address, 4000], timeoutSec: 60 },
  ])
  t.same(place({ ...common, protocol: 'tcp', way: 'in', from: undefined, to: outside, becomes: inside }, 60), [
    'destination_any_tcp4',
    { key: [outside.address, 30000], value: [inside.address, 4000], timeoutSec: 60 },
  ])
  t.same(place({ ...common, way: 'out', from: inside, to: far, becomes: outside }, 60), [
    'source_udp4',
    { key: [inside.address, 4000, far.address, 6000], value: [outside.address, 30000], timeoutSec: 60 },
  ])
  t.match(
    place({ family: 6, protocol: 'udp', way: 'in', from: '2001:db8::9', to: outside6, becomes: inside6 }, 1)[0],
    'destination_udp6',
  )
})

t.test('added to a table, with what the maps hold', async (t) => {
  const { set, element } = translationElement(
    { family: 6, protocol: 'udp', way: 'in', from: undefined, to: outside6, becomes: inside6 },
    30,
  )
  const own = { name: 'own', type: 'inet_service', elements: [] } as const
  const table = withTranslation(
    { family: 'inet', name: 'x', sets: [own], chains: [{ name: 'c', rules: [] }] },
    { elements: new Map([[set.name, [element]]]) },
  )
  t.same(
    table.sets!.filter(({ elements }) => elements.length > 0).map(({ name, elements }) => [name, elements]),
    [[set.name, [element]]],
  )
  t.equal(table.sets!.length, translationMaps.length + 1)
  t.same(
    table.chains.map(({ name }) => name),
    ['c', 'translate_in', 'translate_out'],
  )
})
