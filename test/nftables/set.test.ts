import t from 'tap'
import { decode } from '../../lib/netlink/attribute.js'
import { NFGENMSG_LENGTH } from '../../lib/netlink/nfnetlink.js'
import { elementListTable, setTable } from '../../lib/nftables/nftables.table.js'
import { encodeElement, encodeSet, type SetShape } from '../../lib/nftables/set.js'
import type { NamedSet } from '../../types/nftables.js'

const pair = ['ipv4_addr', 'inet_service'] as const
const set = (more: Partial<NamedSet>): NamedSet => ({ name: 's', type: 'inet_service', elements: [], ...more })

t.test('a map with timeouts, as nft writes it', async (t) => {
  // nft --debug=mnl: map m { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags timeout;
  //   elements = { 10.0.0.1 . 4000 timeout 30s : 10.0.0.2 . 5000 } }
  const element = { key: ['10.0.0.1', 4000], value: ['10.0.0.2', 5000], timeoutSec: 30 } as const
  const map = set({ type: pair, value: pair, timeouts: true, elements: [element] })
  const [newSet, newElements] = encodeSet('inet', 'b', map, 3)
  t.match(decode(setTable, newSet!.payload, NFGENMSG_LENGTH), {
    flags: 0x18,
    keyType: 0x1cd,
    keyLength: 8,
    dataType: 0x1cd,
    dataLength: 8,
    id: 3,
  })
  const written =
    '3400038030000180' +
    '0c000400' +
    '0000000000007530' +
    '100001800c000100' +
    '0a0000010fa00000' +
    '100002800c000100' +
    '0a00000213880000'
  t.match(Buffer.from(newElements!.payload).toString('hex'), written)
})

t.test('a default timeout implies timeouts', async (t) => {
  const [newSet] = encodeSet('ip', 'b', set({ timeoutSec: 1.5, size: 9 }), 1)
  const read = decode(setTable, newSet!.payload, NFGENMSG_LENGTH)
  t.match(read, { flags: 0x10, timeoutMs: 1500, desc: { size: 9 } })
})

t.test('many elements take several messages, none lost', async (t) => {
  const elements = Array.from({ length: 1201 }, (_, i) => i)
  const messages = encodeSet('inet', 'b', set({ elements }), 1).slice(1)
  const lists = messages.map(({ payload }) => decode(elementListTable, payload, NFGENMSG_LENGTH).elements!)
  t.same(
    lists.map(({ length }) => length),
    [500, 500, 201],
  )
  const keys = lists.flat().map(({ key }) => (key!.value![0]! << 8) | key!.value![1]!)
  t.same(keys, elements)
  t.match(messages[1]!.what, /elements 500 to 999 of set inet b s/)
})

const plain: SetShape = { type: 'inet_service', timeouts: false }
const map: SetShape = { type: 'inet_service', value: 'mark', timeouts: true }
t.test('elements that do not fit their set', async (t) => {
  const refused = { code: 'ERR_ARGUMENT' }
  t.throws(() => encodeElement(plain, { key: 1, value: 2 }, 'here'), { ...refused, message: /no values/ })
  t.throws(() => encodeElement(map, 1, 'here'), { ...refused, message: /1 has no value in a map/ })
  t.throws(() => encodeElement(plain, { key: 1, timeoutSec: 1 }, 'here'), { ...refused, message: /no timeouts/ })
  t.throws(() => encodeElement(map, { key: 1, value: 2, timeoutSec: 0 }, 'here'), { ...refused, message: /positive/ })
  t.same(Object.keys(encodeElement(map, { key: 1, value: 2, timeoutSec: 5 }, 'here', true)), ['key'])
  t.equal(encodeElement(map, { key: 1, value: 2, timeoutSec: 0.0001 }, 'here').timeoutMs, 1)
})
