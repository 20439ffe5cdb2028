import fc from 'fast-check'
import t from 'tap'
import { CthelperError, kernelError } from '../../lib/base/errors.js'
import { commands } from '../../lib/cli/commands.js'
import { calls, changeText, eventTexts, pinholes, registrations } from '../../lib/cli/event-text.js'
import { Failure, failureOf } from '../../lib/cli/failure.js'
import { commandHelp, wrap } from '../../lib/cli/help.js'
import { Log } from '../../lib/cli/log.js'
import { nearest } from '../../lib/cli/nearest.js'
import { columns, duration, endpointText, printable } from '../../lib/cli/text.js'
import type { CallInfo, PinholeInfo } from '../../types/call.js'
import { runs } from '../law.js'

const inside = { address: '192.168.7.10', port: 5060 }
const peer = { address: '2001:db8::1', port: 5060 }
const media = { type: 'audio', inside: { ...inside, port: 4000 }, outside: { address: '198.51.100.1', port: 30000 } }
const NOW = 1_700_000_100_000
const call: CallInfo = {
  callId: 'a\x1b[31m@x',
  state: 'answered',
  caller: 'inside',
  transport: 'udp',
  inside,
  peer,
  since: NOW - 83_000,
  held: true,
  streams: [
    { ...media, far: undefined },
    { ...media, far: peer },
  ],
}
const pinhole: PinholeInfo = {
  kind: 'media',
  transport: 'udp',
  family: 4,
  inside,
  outside: media.outside,
  far: { address: '198.51.100.10', port: 0 },
  expectations: 6,
  flows: 0,
  early: true,
}

t.test('tables', async (t) => {
  t.equal(
    columns(
      ['A', 'LONGER'],
      [
        ['long', ''],
        ['b', 'c'],
      ],
    ),
    'A     LONGER\nlong\nb     c\n',
  )
  t.same(calls.row(call, NOW), [
    'answered, held',
    '1 min 23 s',
    'inside',
    '192.168.7.10:5060',
    '[2001:db8::1]:5060',
    'audio 192.168.7.10:4000 as 198.51.100.1:30000 with nobody yet; audio 192.168.7.10:4000 as 198.51.100.1:30000 with [2001:db8::1]:5060',
    'a\\x1b[31m@x',
  ])
  t.equal(calls.row({ ...call, transport: 'tcp' }, NOW)[4], '[2001:db8::1]:5060 (tcp)')
  t.equal(pinholes.row({ ...pinhole, transport: 'tcp', kind: 'signalling', early: false }, NOW)[0], 'signalling (tcp)')
  t.same(pinholes.row(pinhole, NOW).slice(0, 2), ['media, early', '198.51.100.10:*'])
  const registration = {
    aor: 'sip:a@b',
    transport: 'tcp' as const,
    inside,
    outside: media.outside,
    registrar: peer,
    expiresAt: NOW + 3_723_000,
  }
  t.equal(registrations.row(registration, NOW)[1], '192.168.7.10:5060 (tcp)')
  t.same(registrations.row(registration, NOW).at(-1), '1 h 02 min')
  for (const [listing, item] of [
    [calls, call],
    [pinholes, pinhole],
    [registrations, registration],
  ] as const)
    t.equal((listing.row as (item: unknown, now: number) => string[])(item, NOW).length, listing.header.length)
  t.equal(duration(12_400), '12 s')
  t.equal(duration(-5), '0 s')
  t.equal(endpointText({ address: '::1', port: 0 }), '[::1]:*')
})

t.test('changes', async (t) => {
  t.match(changeText('end', { ...call, state: 'ended', endReason: 'bye' }), /^end ended, held \(bye\), 192/)
  t.match(changeText('open', pinhole), /^open media \(early\) from 198\.51\.100\.10:\* to 198\.51\.100\.1:30000/)
  t.equal(changeText('news', { x: 1 }), 'news {"x":1}', 'an event of a later version')
  t.match(eventTexts.repair({ what: 'table', count: 1 }), /table was removed/)
})

t.test('law: nothing of a packet moves the cursor', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => !/[\x00-\x1f\x7f-\x9f]/.test(printable(text))),
    runs(100),
  )
  t.equal(printable('Alicé'), 'Alicé')
})

t.test('law: wrapped lines fit and lose nothing', async (t) => {
  const words = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', 'c'), minLength: 1, maxLength: 12 }), {
    minLength: 1,
  })
  fc.assert(
    fc.property(words, fc.integer({ min: 12, max: 60 }), (list, width) => {
      const lines = wrap(list.join(' '), width)
      return lines.join(' ') === list.join(' ') && lines.every((line) => line.length <= width)
    }),
    runs(100),
  )
  for (const command of commands) t.ok(commandHelp(command).endsWith('\n'))
})

t.test('law: a name with one letter wrong is found again', async (t) => {
  const names = ['inside', 'outside', 'media-ports', 'masquerade', 'lease']
  fc.assert(
    fc.property(fc.constantFrom(...names), fc.nat(100), (name, at) => {
      const i = at % name.length
      return nearest(name.slice(0, i) + name.slice(i + 1), names) === name
    }),
    runs(100),
  )
  t.equal(nearest('frobnicate', names), undefined)
})

t.test('the log', async (t) => {
  const lines: string[] = []
  let now = NOW
  let room = Number.POSITIVE_INFINITY
  const write = (line: string) => room-- > 0 && lines.push(line) > 0
  const text = new Log({ format: 'text', now: () => now, write })
  text.say('ready', 'lan0 to wan0')
  text.event('hold', call)
  text.event('error', new Error('line one\nline two'))
  t.match(lines, [
    /^2023-11-14T22:15:00.000Z ready lan0 to wan0$/,
    /Z hold answered, held, .*call a\\x1b\[31m@x$/,
    /Z error line one\\x0aline two$/,
  ])
  lines.length = 0
  for (let i = 0; i < 1000; i++) text.event('end', call)
  t.equal(lines.length, 198, '200 a second, with the two before')
  now += 1000
  text.event('end', call)
  t.match(lines.slice(198), [/802 lines left out: more than 200 a second/, / end /])

  lines.length = 0
  now += 1000
  room = 1
  for (let i = 0; i < 5; i++) text.event('end', call)
  room = 2
  text.event('hold', call)
  text.event('resume', call)
  room = 2
  text.event('hold', call)
  t.match(lines, [/ end /, /4 lines lost: nobody read them/, / hold /, /1 lines lost/, / hold /])

  const objects: Record<string, unknown>[] = []
  const json = new Log({ format: 'json', now: () => NOW, write: (line) => objects.push(JSON.parse(line)) > 0 })
  json.event('end', { ...call, endReason: 'bye' })
  json.event('error', kernelError('IPCTNL_MSG_CT_NEW', 1))
  json.event('error', new TypeError('x'))
  t.match(objects, [
    { event: 'end', time: '2023-11-14T22:15:00.000Z', callId: call.callId, endReason: 'bye' },
    { event: 'error', code: 'ERR_PERMISSION', operation: 'IPCTNL_MSG_CT_NEW' },
    { event: 'error', message: 'x', stack: /TypeError: x/ },
  ])
})

/** Errors of the library, what they make the process exit with, and what the sentence tells to do. */
const errors: readonly (readonly [error: Error, exitCode: number, said: RegExp])[] = [
  [new CthelperError('ERR_CONFIG', 'open interfaces', 'interface x does not exist'), 2, /^interface x does not exist$/],
  [new CthelperError('ERR_IN_USE', 'bind queue 5060', 'taken'), 2, /--queue/],
  [new CthelperError('ERR_IN_USE', 'serve metrics', 'port taken'), 2, /^port taken$/],
  [kernelError('IPCTNL_MSG_CT_NEW', 1), 3, /run as root.*CAP_NET_ADMIN/],
  [new CthelperError('ERR_UNSUPPORTED', 'bind queue 5060', 'no NFQUEUE'), 3, /modprobe nfnetlink_queue/],
  [kernelError('NFT_MSG_NEWTABLE table inet x', 95), 3, /modprobe nf_tables/],
  [kernelError('IPCTNL_MSG_CT_NEW', 95), 3, /modprobe nf_conntrack_netlink/],
  [kernelError('IPCTNL_MSG_EXP_NEW', 22), 3, /EINVAL.*cthelper check/],
  [new CthelperError('ERR_ADDON', 'load addon', 'run npm run addon'), 3, /npm run addon/],
  [new TypeError('oops'), 3, /^internal error: oops$/],
  [new Failure(1, 'as it is'), 1, /^as it is$/],
]

for (const [error, exitCode, said] of errors) {
  t.test(`exit code of ${error.message}`, async (t) => {
    const failure = failureOf(error)
    t.equal(failure.exitCode, exitCode)
    t.match(failure.message, said)
  })
}
