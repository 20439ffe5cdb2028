import t from 'tap'
import { encode } from '../../lib/netlink/attribute.js'
import { ChangeCollector } from '../../lib/nftables/events.js'
import { startPayload } from '../../lib/nftables/message.js'
import { generationTable, type MessageName, messageTypes, ownerTable } from '../../lib/nftables/nftables.table.js'

function announce(name: MessageName, family: number, table: string) {
  const writer = startPayload(family)
  encode(ownerTable, { table }, writer)
  return { type: messageTypes[name], flags: 0, sequence: 1, payload: writer.bytes() }
}

function generation(id: number) {
  const writer = startPayload(0)
  encode(generationTable, { id, processId: 42, processName: 'nft' }, writer)
  return { type: messageTypes.NFT_MSG_NEWGEN, flags: 0, sequence: 1, payload: writer.bytes() }
}

t.test('a transaction is told once, at its end, by table', async (t) => {
  const collector = new ChangeCollector()
  const before = [
    announce('NFT_MSG_DELRULE', 1, 'a'),
    announce('NFT_MSG_DELTABLE', 1, 'a'),
    announce('NFT_MSG_DELSETELEM', 1, 'a'),
    announce('NFT_MSG_NEWTABLE', 1, 'a'),
    announce('NFT_MSG_NEWSETELEM', 2, 'a'),
    announce('NFT_MSG_NEWFLOWTABLE', 7, 'b'),
  ]
  for (const message of before) t.equal(collector.take(message), undefined)
  t.same(collector.take(generation(9)), {
    generation: 9,
    processId: 42,
    processName: 'nft',
    tables: [
      { family: 'inet', name: 'a', added: 1, removed: 3, elementsRemoved: 1, tableRemoved: true },
      { family: 'ip', name: 'a', added: 1, removed: 0, elementsRemoved: 0, tableRemoved: false },
      { family: 'bridge', name: 'b', added: 1, removed: 0, elementsRemoved: 0, tableRemoved: false },
    ],
  })
  t.same(collector.take(generation(10))?.tables, [])
})

t.test('after a loss nothing of the half-heard transaction is left', async (t) => {
  const collector = new ChangeCollector()
  collector.take(announce('NFT_MSG_NEWTABLE', 1, 'a'))
  collector.clear()
  t.same(collector.take(generation(1))?.tables, [])
})

t.test('unknown families and messages', async (t) => {
  const collector = new ChangeCollector()
  collector.take(announce('NFT_MSG_NEWTABLE', 99, 'a'))
  collector.take({ type: 0xa7f, flags: 0, sequence: 0, payload: new Uint8Array(4) })
  collector.take({ type: messageTypes.NFT_MSG_NEWTABLE, flags: 0, sequence: 0, payload: new Uint8Array(0) })
  t.match(collector.take(generation(1))?.tables, [
    { family: '99', name: 'a' },
    { family: '0', name: '' },
  ])
})
