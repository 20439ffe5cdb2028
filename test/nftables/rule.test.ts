import t from 'tap'
import { decode, encode, Writer } from '../../lib/netlink/attribute.js'
import { NFGENMSG_LENGTH } from '../../lib/netlink/nfnetlink.js'
import { ruleReadTable, setTable } from '../../lib/nftables/nftables.table.js'
import { encodeRule } from '../../lib/nftables/rule.js'
import type { RuleContext } from '../../lib/nftables/rule-builder.js'
import { encodeAnonymousSet } from '../../lib/nftables/set.js'
import { decodeComment } from '../../lib/nftables/user-data.js'
import type { Expression, TableFamily } from '../../types/nftables.js'
import { nfqueueTarget, ruleSamples, sampleSetIds } from '../fixtures/nftables/rules.js'

function contextOf(family: TableFamily, queueStyle: RuleContext['queueStyle'] = 'native'): RuleContext {
  const names = sampleSetIds[family]
  let last = names.length
  const setId = (name: string) => (names.includes(name) ? names.indexOf(name) + 1 : undefined)
  return { family, queueStyle, setId, nextSetId: () => ++last }
}

const encodeOne = (family: TableFamily, expressions: readonly Expression[], queueStyle?: RuleContext['queueStyle']) =>
  encodeRule(contextOf(family, queueStyle), 't', 'c', { expressions }, 'rule 0')

/** The content of NFTA_RULE_EXPRESSIONS (attribute 4). */
function expressionBytes(payload: Uint8Array): string {
  let at = NFGENMSG_LENGTH
  while ((payload[at + 2]! & 0x3f) !== 4) at += (payload[at]! + payload[at + 1]! * 256 + 3) & ~3
  return Buffer.from(payload.subarray(at + 4, at + payload[at]! + payload[at + 1]! * 256)).toString('hex')
}

/** nft leaves NFTA_BITWISE_OP out of some bitwise expressions and writes the default, 0, into others; we write it always. */
const WITHOUT_OP = ['44', '34', '0800020000000001']
const WITH_OP = ['4c', '3c', '08000200000000010800060000000000']
const bitwise = ([outer, inner, dreg]: readonly string[]) =>
  `${outer}0001800c0001006269747769736500${inner}0002800800010000000001${dreg}`
const withOp = (bytes: string) => bytes.replaceAll(bitwise(WITHOUT_OP), bitwise(WITH_OP))

/** What the kernel reads of a set; nft's own notes are left out, for nft also writes how the set was spelled. */
function setOf(bytes: Uint8Array): object {
  const { userData, ...rest } = decode(setTable, bytes)
  return rest
}

for (const { family, nft, expressions, bytes, set } of ruleSamples) {
  t.test(`${family}: ${nft}`, async (t) => {
    const { message, sets } = encodeOne(family, expressions)
    t.equal(expressionBytes(message.payload), withOp(bytes))
    t.equal(sets.length, set === undefined ? 0 : 1)
    if (set === undefined) return
    const [newSet] = encodeAnonymousSet(family, 't', sets[0]!, 'rule 0')
    t.same(setOf(newSet!.payload.subarray(NFGENMSG_LENGTH)), setOf(Buffer.from(set, 'hex')))
  })
}

t.test('queue through the xtables target', async (t) => {
  const { message } = encodeOne('inet', [{ kind: 'queue', number: 5, bypass: true }], 'xtables')
  t.equal(expressionBytes(message.payload), nfqueueTarget)
  const many = encodeOne('ip', [{ kind: 'queue', number: 0x1234, total: 3, fanout: true }], 'xtables')
  t.match(expressionBytes(many.message.payload), /3412030002000000$/)
})

t.test('a protocol is tested once in a rule', async (t) => {
  const names = (payload: Uint8Array) =>
    decode(ruleReadTable, payload, NFGENMSG_LENGTH).expressions?.map(({ name }) => name)
  const { message } = encodeOne('inet', [
    { kind: 'saddr', in: ['10.0.0.1'] },
    { kind: 'sport', in: [5060], protocol: 'udp' },
    { kind: 'key-set', key: ['ip saddr', 'udp sport'], set: 'pairs' },
  ])
  const test = ['meta', 'cmp']
  const load = ['payload', 'cmp']
  t.same(names(message.payload), [...test, ...load, ...test, ...load, 'payload', 'payload', 'lookup'])
})

t.test('comments are where nft looks for them', async (t) => {
  // nft --debug=mnl add rule inet b c ... comment "hi": NFTA_RULE_USERDATA 00 03 68 69 00
  const { message } = encodeRule(contextOf('inet'), 't', 'c', { expressions: [], comment: 'hi' }, 'rule 0')
  const { userData } = decode(ruleReadTable, message.payload, NFGENMSG_LENGTH)
  t.equal(Buffer.from(userData!).toString('hex'), '0003686900')
  t.equal(decodeComment(userData), 'hi')
  t.equal(decodeComment(Uint8Array.of(7, 1, 0, 0, 3, 104, 105, 0)), 'hi')
  t.equal(decodeComment(undefined), undefined)
})

const refused: readonly (readonly [string, Expression[], RegExp])[] = [
  ['a port without its protocol', [{ kind: 'sport', in: [5060] }], /needs its protocol/],
  [
    'two families',
    [
      { kind: 'saddr', in: ['10.0.0.1'] },
      { kind: 'daddr', in: ['fd00::1'] },
    ],
    /only IPv4 is left/,
  ],
  ['two families in a list', [{ kind: 'saddr', in: ['10.0.0.1', 'fd00::1'] }], /"fd00::1" is no ipv4_addr/],
  [
    'two protocols',
    [
      { kind: 'l4proto', is: 6 },
      { kind: 'sport', in: [1], protocol: 'udp' },
    ],
    /only 6 is left/,
  ],
  ['an empty list', [{ kind: 'iifname', in: [] }], /empty list/],
  ['an empty address list', [{ kind: 'saddr', in: [] }], /empty list/],
  ['a long interface name', [{ kind: 'iifname', in: ['sixteencharacter'] }], /is no ifname/],
  [
    'a port out of range',
    [
      { kind: 'l4proto', is: 17 },
      { kind: 'dport', in: [65536] },
    ],
    /65536 is no inet_service/,
  ],
  ['a prefix too long', [{ kind: 'saddr', in: ['10.0.0.0/33'] }], /is no prefix/],
  ['no address', [{ kind: 'saddr', in: ['example.org'] }], /is no address/],
  ['a queue out of range', [{ kind: 'queue', number: 65535, total: 2 }], /no queues 65535 to 65536/],
  ['a rate of nothing', [{ kind: 'limit', rate: 0, per: 'second' }], /rate 0/],
  ['NAT to a port of no protocol', [{ kind: 'snat', to: { address: '10.0.0.1', port: 1 } }], /needs its protocol/],
  ['NAT to a name', [{ kind: 'dnat', to: { address: 'a', port: 0 } }], /is no address/],
  ['an empty key', [{ kind: 'key-set', key: [], set: 'pairs' }], /at least one field/],
  ['an unknown kind', [{ kind: 'teleport' } as unknown as Expression], /no expression "teleport"/],
]
for (const [what, expressions, message] of refused) {
  t.test(`refuses ${what}`, async (t) => {
    t.throws(() => encodeOne('inet', expressions), { code: 'ERR_ARGUMENT', message })
  })
}

t.test('a comment that nft would refuse', async (t) => {
  const rule = { expressions: [], comment: 'x'.repeat(128) }
  t.throws(() => encodeRule(contextOf('ip'), 't', 'c', rule, 'rule 0'), { code: 'ERR_ARGUMENT' })
})

t.test('parts say which bytes are which expression', async (t) => {
  const { message } = encodeOne('inet', [{ kind: 'counter' }, { kind: 'dport', in: [5060], protocol: 'udp' }])
  const [first, second] = message.parts!
  t.equal(first!.what, 'expression 0 (counter)')
  t.equal(second!.what, 'expression 1 (dport)')
  t.equal(second!.start, first!.end)
  t.equal(second!.end, message.payload.length)
  const writer = new Writer()
  encode(ruleReadTable, { table: 't', chain: 'c' }, writer)
  t.equal(first!.start, NFGENMSG_LENGTH + writer.length + 4)
})
