import t from 'tap'
import { sipTable } from '../../lib/nftables/index.js'
import { encodeTable } from '../../lib/nftables/table.js'
import type { Expression, Table } from '../../types/nftables.js'

const required = { inside: ['lan0'], outside: ['wan0'], queue: 7 }
const kinds = (table: Table) => table.chains.flatMap(({ rules }) => rules.flatMap(({ expressions }) => expressions))
const ofKind = <K extends Expression['kind']>(table: Table, kind: K) =>
  kinds(table).filter((expression): expression is Extract<Expression, { kind: K }> => expression.kind === kind)
const names = (table: Table) => table.chains.map(({ name }) => name)

t.test('the least', async (t) => {
  const table = sipTable(required)
  t.match(table, { family: 'inet', name: 'cthelper' })
  t.same(names(table), ['postrouting', 'sip'])
  t.match(table.chains[0], { type: 'filter', hook: 'postrouting', priority: 150, policy: 'accept' })
  t.same(
    table.sets?.map(({ name, elements }) => [name, elements]),
    [
      ['sip_ports', [5060]],
      ['inside', ['lan0']],
      ['outside', ['wan0']],
    ],
  )
  const queue = { kind: 'queue', number: 7, total: 1, bypass: true }
  t.same(ofKind(table, 'queue'), [queue, queue])
})

t.test('both ways between inside and outside, and no other', async (t) => {
  const rules = sipTable(required).chains[1]!.rules
  const ways = rules.map(({ expressions }) => expressions.slice(0, 2))
  t.same(ways, [
    [
      { kind: 'iifname-set', set: 'inside' },
      { kind: 'oifname-set', set: 'outside' },
    ],
    [
      { kind: 'iifname-set', set: 'outside' },
      { kind: 'oifname-set', set: 'inside' },
    ],
  ])
})

t.test('without translation everything is seen in forward', async (t) => {
  const table = sipTable({ ...required, translates: false })
  t.same(names(table), ['forward', 'sip'])
  t.match(table.chains[0], { type: 'filter', hook: 'forward', priority: 150, policy: 'accept' })
})

t.test('an idle helper keeps SIP out of flowtables: UDP, and TCP where it is forwarded', async (t) => {
  t.same(sipTable(required).helpers, [])
  const table = sipTable({ ...required, idleHelper: 'x' })
  t.same(table.helpers, [{ name: 'idle_udp', type: 'x', protocol: 'udp' }])
  const chain = table.chains.find(({ name }) => name === 'slow_path')
  t.match(chain, { type: 'filter', hook: 'prerouting', priority: -150, policy: 'accept' })
  t.same(
    chain?.rules.map(({ expressions }) => expressions),
    (['sport-set', 'dport-set'] as const).map((kind) => [
      { kind, protocol: 'udp', set: 'sip_ports' },
      { kind: 'set-helper', helper: 'idle_udp' },
    ]),
  )
  const firewall = sipTable({ ...required, idleHelper: 'x', translates: false })
  t.same(
    ofKind(firewall, 'set-helper').map(({ helper }) => helper),
    ['idle_udp', 'idle_udp', 'idle_tcp', 'idle_tcp'],
  )
  const messages = encodeTable(firewall, 'native')
  const at = messages.findIndex(({ name }) => name === 'NFT_MSG_NEWOBJ')
  t.match(messages[at], { what: 'ct helper inet cthelper idle_udp' })
  t.match(messages[at + 1], { what: 'ct helper inet cthelper idle_tcp' })
  t.equal(messages[at + 2]?.name, 'NFT_MSG_NEWCHAIN', 'before the chains, behind the sets')
  // Table, name, type 3 (NFT_OBJECT_CT_HELPER), and the kernel's helper with its protocol.
  const attributes = [
    '0d000100 637468656c70657200 000000',
    '0d000200 69646c655f75647000 000000',
    '08000300 00000003',
    '14000480 06000100 7800 0000 05000300 11 000000',
  ]
  t.equal(Buffer.from(messages[at]!.payload.subarray(4)).toString('hex'), attributes.join('').replaceAll(' ', ''))
})

t.test('the machine itself', async (t) => {
  const own = [
    [
      { kind: 'iif', is: 0 },
      { kind: 'oifname-set', set: 'outside' },
    ],
    [
      { kind: 'iifname-set', set: 'outside' },
      { kind: 'oif', is: 0 },
    ],
  ]
  const table = sipTable({ ...required, machine: true, mediaPorts: [30000, 30010] })
  t.same(names(table), ['postrouting', 'sip', 'input'])
  t.same(
    table.chains[1]!.rules.slice(2).map(({ expressions }) => expressions.slice(0, 2)),
    own,
  )
  t.equal(table.chains[2]!.rules.length, 3, 'SIP, and stray media')
  t.same(names(sipTable({ ...required, machine: true, translates: false })), ['forward', 'output', 'sip', 'input'])
  const first = sipTable({ ...required, machine: true, firstPacketQueue: 8, forwardsPorts: true })
  t.same(names(first), ['postrouting', 'sip', 'prerouting', 'forward', 'output', 'first', 'input'])
  t.match(first.chains[2], { hook: 'prerouting', priority: -150 })
  t.equal(first.chains[2]!.rules.length, 1, 'what comes from outside')
})

t.test('all of it', async (t) => {
  const table = sipTable({ ...required, ports: [5060, 5080], queueCount: 4, firstPacketQueue: 11, masquerade: true })
  t.same(names(table), ['postrouting', 'sip', 'forward', 'first', 'masquerade'])
  t.same(table.sets?.[0]?.elements, [5060, 5080])
  t.same(
    ofKind(table, 'queue').map(({ number, total }) => [number, total]),
    [
      [7, 4],
      [7, 4],
      [11, 1],
      [11, 1],
    ],
  )
  const forward = table.chains[2]!
  t.match(forward, { hook: 'forward', type: 'filter' })
  t.ok(forward.priority! > 10, 'after firewalld, the latest of the usual filters')
  for (const { expressions } of forward.rules) {
    t.same(expressions[0], { kind: 'ct-status', any: ['confirmed'], negate: true })
  }
  t.match(table.chains[4], { type: 'nat', hook: 'postrouting', priority: 100 })
  t.equal(ofKind(table, 'masquerade').length, 2)
})

t.test('nothing of it filters', async (t) => {
  const table = sipTable({ ...required, firstPacketQueue: 11, masquerade: true })
  t.same(ofKind(table, 'verdict'), [])
  t.ok(table.chains.every(({ policy = 'accept' }) => policy === 'accept'))
  t.ok(ofKind(table, 'queue').every(({ bypass }) => bypass))
})

t.test('what cannot be is refused when it is encoded', async (t) => {
  const encode = (options: Partial<Parameters<typeof sipTable>[0]>) => () =>
    encodeTable(sipTable({ ...required, ...options }), 'native')
  const refused = { code: 'ERR_ARGUMENT' }
  t.doesNotThrow(encode({}))
  t.throws(encode({ inside: ['with space'] }), refused)
  t.throws(encode({ outside: ['sixteencharacter'] }), refused)
  t.throws(encode({ ports: [0x10000] }), refused)
  t.throws(encode({ queue: -1 }), refused)
  t.throws(encode({ queue: 65535, queueCount: 2 }), refused)
  t.throws(encode({ firstPacketQueue: 1.5 }), refused)
})
