import fc from 'fast-check'
import t from 'tap'
import { anchorConntrack, inboundPinhole } from '../../lib/conntrack/anchor.js'
import { dumpRequest, flushRequest, matches } from '../../lib/conntrack/dump.js'
import { decodeEntry, decodeExpectation, encodeOperations } from '../../lib/conntrack/message.js'
import type { ConntrackOperation } from '../../types/conntrack.js'
import { runs } from '../law.js'

const hex = (...lines: string[]) => Uint8Array.from(Buffer.from(lines.join('').replaceAll(' ', ''), 'hex'))
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

const anchor = anchorConntrack({ family: 4, n: 0, helper: 'sip', timeoutSec: 60, mark: 7 })
const inbound = inboundPinhole({
  anchor: anchor.original,
  from: { address: '198.51.100.20', port: 6000 },
  to: { address: '198.51.100.1', port: 30000 },
  mapTo: { address: '192.168.7.10', port: 4000 },
  source: 'latch',
  function: 'sip',
})

/** CTA_TUPLE_IP and CTA_TUPLE_PROTO of 127.66.0.1:1024 -> 127.65.0.1:9, and of the reply. */
const there =
  '14000180 08000100 7f420001 08000200 7f410001 1c000280 05000100 11000000 06000200 04000000 06000300 00090000'
const back =
  '14000180 08000100 7f410001 08000200 7f420001 1c000280 05000100 11000000 06000200 00090000 06000300 04000000'

t.test('CT_NEW of an anchor', async (t) => {
  const [request] = encodeOperations([{ kind: 'create-conntrack', conntrack: anchor }])
  t.match(request, { type: 0x100, flags: 0x600 })
  const bytes = hex(
    '02000000', // nfgenmsg: AF_INET
    `34000180 ${there}`, // CTA_TUPLE_ORIG
    `34000280 ${back}`, // CTA_TUPLE_REPLY
    '08000300 0000000a', // CTA_STATUS: SEEN_REPLY, CONFIRMED
    '0c000580 08000100 73697000', // CTA_HELP { CTA_HELP_NAME "sip\0" }
    '08000700 0000003c', // CTA_TIMEOUT
    '08000800 00000007', // CTA_MARK
  )
  t.equal(text(request!.payload), text(bytes))
})

t.test('CT_NEW with a destination', async (t) => {
  const translated = { ...anchor, destinationNat: { address: '192.168.7.10', port: 5060 } }
  const six = {
    family: 6,
    protocol: 6,
    source: { address: '::1', port: 1 },
    destination: { address: '::2', port: 2 },
  } as const
  const conntrack = { original: six, reply: six, timeoutSec: 1, destinationNat: { address: '::3', port: 5061 } }
  const [four, sixth] = encodeOperations(
    [translated, conntrack].map((it) => ({ kind: 'create-conntrack', conntrack: it })),
  )
  // CTA_NAT_DST { CTA_NAT_V4_MINIP, CTA_NAT_V4_MAXIP, CTA_NAT_PROTO { CTA_PROTONAT_PORT_MIN, CTA_PROTONAT_PORT_MAX } }
  const range = '14000380 06000100 13c40000 06000200 13c40000'
  t.match(text(four!.payload), text(hex(`28000d80 08000100 c0a8070a 08000200 c0a8070a ${range}`)))
  const v6 = '00000000000000000000000000000003'
  const ports = '14000380 06000100 13c50000 06000200 13c50000'
  t.match(text(sixth!.payload), text(hex(`40000d80 ${ports} 14000400 ${v6} 14000500 ${v6}`)))
})

t.test('EXP_NEW of a latching pinhole', async (t) => {
  const [request] = encodeOperations([{ kind: 'create-expectation', expectation: inbound }])
  t.match(request, { type: 0x200, flags: 0x600 })
  const bytes = hex(
    '02000000',
    `34000180 ${there}`, // CTA_EXPECT_MASTER
    // CTA_EXPECT_TUPLE: 198.51.100.20, any port, to 198.51.100.1:30000
    '34000280 14000180 08000100 c6336414 08000200 c6336401',
    '1c000280 05000100 11000000 06000200 00000000 06000300 75300000',
    // CTA_EXPECT_MASK
    '34000380 14000180 08000100 ffffffff 08000200 ffffffff',
    '1c000280 05000100 11000000 06000200 00000000 06000300 ffff0000',
    '08000800 00000000', // CTA_EXPECT_FLAGS
    '08000900 00000001', // CTA_EXPECT_CLASS
    // CTA_EXPECT_NAT { CTA_EXPECT_NAT_DIR 1, CTA_EXPECT_NAT_TUPLE from 192.168.7.10:4000 }
    '40000a80 08000100 00000001 34000280 14000180 08000100 c0a8070a 08000200 00000000',
    '1c000280 05000100 11000000 06000200 0fa00000 06000300 00000000',
    '08000b00 73697000', // CTA_EXPECT_FN "sip\0"
  )
  t.equal(text(request!.payload), text(bytes))
})

t.test('updates, deletions and the order of a batch', async (t) => {
  const operations: ConntrackOperation[] = [
    { kind: 'delete-conntrack', tuple: anchor.original, id: 0x12345678, zone: 5 },
    { kind: 'update-conntrack', tuple: anchor.original, timeoutSec: 90, mark: 1, markMask: 0xff },
    { kind: 'update-expectation', expectation: inbound, timeoutSec: 30 },
    { kind: 'delete-expectation', tuple: inbound.tuple, id: 9 },
    { kind: 'get-conntrack', tuple: anchor.original },
  ]
  const requests = encodeOperations(operations)
  t.strictSame(
    requests.map(({ type, flags }) => [type, flags]),
    [
      [0x102, 0],
      [0x100, 0],
      [0x200, 0],
      [0x202, 0],
      [0x101, 0],
    ],
  )
  const payloads = requests.map(({ payload }) => text(payload))
  t.equal(payloads[0], text(hex(`02000000 34000180 ${there} 08000c00 12345678 06001200 00050000`)))
  t.equal(payloads[1], text(hex(`02000000 34000180 ${there} 08000700 0000005a 08000800 00000001 08001500 000000ff`)))
  t.ok(payloads[2]?.endsWith(text(hex('08000400 0000001e'))), 'CTA_EXPECT_TIMEOUT, and nothing that cannot be changed')
  t.ok(payloads[3]?.endsWith(text(hex('08000500 00000009'))))
  // Alone or among others, an operation is the same bytes.
  t.strictSame(
    operations.map((operation) => text(encodeOperations([operation])[0]!.payload)),
    payloads,
  )
})

t.test('what was encoded stays as it is, however much comes after it', async (t) => {
  const encoded = (n: number) => {
    const conntrack = anchorConntrack({ family: 6, n, helper: 'sip', timeoutSec: 60 })
    const expectation = { ...inbound, master: conntrack.original }
    return encodeOperations([
      { kind: 'create-conntrack', conntrack },
      { kind: 'create-expectation', expectation },
    ])
  }
  const all = Array.from({ length: 1000 }, (_, n) => encoded(n))
  t.ok(all.every((requests, n) => requests.every(({ payload }, i) => text(payload) === text(encoded(n)[i]!.payload))))
})

t.test('an anchor as the kernel shows it', async (t) => {
  // Linux 6.18, IPCTNL_MSG_CT_GET after the CT_NEW above
  const shown = hex(
    `02000000 34000180 ${there} 34000280 ${back}`,
    '08000300 0000200a 08000800 00000007 08000c00 a6d0c0a7 08000b00 00000001 08000700 0000003b',
    '0c000580 08000100 73697000 1c001880 08000100 00000000 08000200 00000000 08000300 00000000',
  )
  t.strictSame(decodeEntry(shown), {
    original: anchor.original,
    reply: anchor.reply,
    id: 0xa6d0c0a7,
    status: 0x200a,
    timeoutSec: 59,
    mark: 7,
    helper: 'sip',
  })
})

t.test('a TCP flow with state, and an attribute of a later kernel', async (t) => {
  // conntrack -I -p tcp -s 10.0.0.1 -d 10.0.0.2 --sport 1000 --dport 80 -t 100 --state ESTABLISHED -u SEEN_REPLY,ASSURED -m 9
  const shown = hex(
    '02000000 34000180 14000180 08000100 0a000001 08000200 0a000002',
    '1c000280 05000100 06000000 06000200 03e80000 06000300 00500000',
    '34000280 14000180 08000100 0a000002 08000200 0a000001',
    '1c000280 05000100 06000000 06000200 00500000 06000300 03e80000',
    '08000300 0000000e 08000800 00000009 08000c00 efd9c095 08000b00 00000001 08000700 00000063',
    '30000480 2c000180 05000100 03000000 05000200 00000000 05000300 00000000 06000400 0a000000 06000500 0a000000',
    '06007f00 abcd0000', // not in any header yet
  )
  t.match(decodeEntry(shown), {
    original: { protocol: 6, source: { address: '10.0.0.1', port: 1000 }, destination: { port: 80 } },
    tcpState: 3,
    status: 0xe,
    unknown: [{ type: 0x7f, bytes: hex('abcd') }],
  })
})

t.test('an expectation as the kernel shows it', async (t) => {
  // Linux 6.18, IPCTNL_MSG_EXP_GET after the EXP_NEW above
  const shown = hex(
    '02000000 34000280 14000180 08000100 c6336414 08000200 c6336401',
    '1c000280 05000100 11000000 06000200 00000000 06000300 75300000',
    '34000380 14000180 08000100 ffffffff 08000200 ffffffff',
    '1c000280 05000100 11000000 06000200 00000000 06000300 ffff0000',
    `34000180 ${there}`,
    '40000a80 08000100 00000001 34000280 14000180 08000100 c0a8070a 08000200 00000000',
    '1c000280 05000100 11000000 06000200 0fa00000 06000300 00000000',
    '08000400 000000b3 08000500 82fcdb4f 08000800 00000000 08000900 00000001 08000600 73697000 08000b00 73697000',
  )
  t.strictSame(decodeExpectation(shown), { ...inbound, id: 0x82fcdb4f, helper: 'sip', timeoutSec: 179 })
})

t.test('what is written is what is read', async (t) => {
  const [created, expected] = encodeOperations([
    { kind: 'create-conntrack', conntrack: { ...anchor, zone: 3 } },
    { kind: 'create-expectation', expectation: { ...inbound, zone: 3, helper: 'sip', flags: { permanent: true } } },
  ])
  t.strictSame(decodeEntry(created!.payload), { ...anchor, zone: 3 })
  t.strictSame(decodeExpectation(expected!.payload), { ...inbound, zone: 3, helper: 'sip', flags: { permanent: true } })
})

t.test('no bytes make decoding throw', async () => {
  const [request] = encodeOperations([{ kind: 'create-expectation', expectation: inbound }])
  const damaged = fc
    .array(fc.tuple(fc.nat(request!.payload.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    .map((changes) => {
      const bytes = Uint8Array.from(request!.payload)
      for (const [at, value] of changes) bytes[at] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 200 })), (bytes) => {
      decodeEntry(bytes)
      decodeExpectation(bytes)
    }),
    runs(100),
  )
})

t.test('filters of dumps and flushes', async (t) => {
  t.match(dumpRequest({}), { type: 0x101, flags: 0x300, payload: hex('00000000') })
  t.equal(text(dumpRequest({ family: 6, mark: 7 }).payload), text(hex('0a000000 08000800 00000007 08001500 ffffffff')))
  t.equal(text(dumpRequest({ status: 1 }).payload), text(hex('00000000 08000300 00000001 08001a00 00000001')))
  t.equal(text(flushRequest({ family: 4 }).payload), '02010000', 'version 1 makes the family count')

  const entry = decodeEntry(encodeOperations([{ kind: 'create-conntrack', conntrack: anchor }])[0]!.payload)
  t.ok(matches(entry, {}))
  t.ok(matches(entry, { family: 4, mark: 7, status: 2 }))
  t.ok(matches(entry, { mark: 0xff07, markMask: 0xff }))
  t.notOk(matches(entry, { family: 6 }))
  t.notOk(matches(entry, { mark: 6 }))
  t.notOk(matches(entry, { status: 0, statusMask: 8 }))
  t.ok(matches({ ...entry, mark: 0xffffffff }, { mark: 0xffffffff }))
})
