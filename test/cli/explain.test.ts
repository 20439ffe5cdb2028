import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseAddress } from '../../lib/base/address.js'
import { splice, splicedLength } from '../../lib/base/range.js'
import { diffOfEdits, diffOfTexts, diffText } from '../../lib/cli/message-diff.js'
import { isCapture, pcapPackets } from '../../lib/cli/pcap.js'
import { sdpText, sipText } from '../../lib/testing/sip.js'
import type { Endpoint } from '../../types/endpoint.js'
import { runs } from '../law.js'
import { cli } from './built.js'

const directory = mkdtempSync(join(tmpdir(), 'cthelper-explain-'))
let files = 0
function file(bytes: Uint8Array | string): string {
  const path = join(directory, `file-${++files}`)
  writeFileSync(path, bytes)
  return path
}

const phone: Endpoint = { address: '192.168.7.10', port: 5060 }
const provider: Endpoint = { address: '198.51.100.10', port: 5060 }

const headers = (method: string, toTag = ''): [string, string][] => [
  ['Via', 'SIP/2.0/UDP 192.168.7.10:5060;branch=z9hG4bKabc;rport'],
  ['From', '<sip:alice@provider.example>;tag=a'],
  ['To', `<sip:bob@provider.example>${toTag}`],
  ['Call-ID', 'call@192.168.7.10'],
  ['CSeq', `1 ${method}`],
]
const contact = (address: string): [string, string] => ['Contact', `<sip:x@${address}>`]
const sdp: [string, string] = ['Content-Type', 'application/sdp']
const invite = (ports = [4000]): string =>
  sipText(
    'INVITE sip:bob@198.51.100.10 SIP/2.0',
    [...headers('INVITE'), contact('192.168.7.10:5060'), sdp],
    sdpText({ address: '192.168.7.10', ports }),
  )
const ok = sipText(
  'SIP/2.0 200 OK',
  [...headers('INVITE', ';tag=b'), contact('198.51.100.10:5060'), sdp],
  sdpText({ address: '198.51.100.20', ports: [6000] }),
)
const bye = sipText(
  'BYE sip:x@198.51.100.10:5060 SIP/2.0',
  headers('BYE', ';tag=b').map(([n, v]) => [n, n === 'CSeq' ? '2 BYE' : v]),
)
const byeOk = sipText(
  'SIP/2.0 200 OK',
  headers('BYE', ';tag=b').map(([n, v]) => [n, n === 'CSeq' ? '2 BYE' : v]),
)

function ipPacket(from: Endpoint, to: Endpoint, payload: Uint8Array): Buffer {
  const [source, destination] = [parseAddress(from.address)!, parseAddress(to.address)!]
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(from.port, 0)
  udp.writeUInt16BE(to.port, 2)
  udp.writeUInt16BE(8 + payload.length, 4)
  if (source.length === 16) {
    const head = Buffer.alloc(8)
    head[0] = 0x60
    head.writeUInt16BE(8 + payload.length, 4)
    head[6] = 17
    return Buffer.concat([head, source, destination, udp, payload])
  }
  const head = Buffer.alloc(12)
  head[0] = 0x45
  head.writeUInt16BE(28 + payload.length, 2)
  head[9] = 17
  return Buffer.concat([head, source, destination, udp, payload])
}

const ethernet = (ip: Buffer, tags = 0): Buffer =>
  Buffer.concat([
    Buffer.alloc(12),
    ...Array.from({ length: tags }, () => Buffer.from('81000001', 'hex')),
    Buffer.from(ip[0]! >> 4 === 6 ? '86dd' : '0800', 'hex'),
    ip,
  ])

interface FileOptions {
  readonly magic?: 'd4c3b2a1' | 'a1b2c3d4' | '4d3cb2a1' | 'a1b23c4d'
  readonly linkType?: number
}

/** A classic pcap file; frame i was captured i seconds after 1.7e9. */
function pcap(frames: readonly Buffer[], { magic = 'd4c3b2a1', linkType = 1 }: FileOptions = {}): Buffer {
  const isLittle = !magic.startsWith('a1')
  const number = (value: number) => {
    const bytes = Buffer.alloc(4)
    if (isLittle) bytes.writeUInt32LE(value)
    else bytes.writeUInt32BE(value)
    return bytes
  }
  const head = [Buffer.from(magic, 'hex'), Buffer.alloc(16), number(linkType)]
  const records = frames.flatMap((frame, i) => [
    number(1_700_000_000 + i),
    number(0),
    number(frame.length),
    number(frame.length),
    frame,
  ])
  return Buffer.concat([...head, ...records])
}

const out = (text: string) => ethernet(ipPacket(phone, provider, Buffer.from(text)))
const back = (text: string) => ethernet(ipPacket(provider, phone, Buffer.from(text)))

t.test('one message as text', async (t) => {
  const { code, stdout } = await cli(['explain', file(invite())])
  t.equal(code, 0)
  t.match(stdout, /^out 192\.168\.7\.10:5060 -> 198\.51\.100\.10:5060 INVITE/)
  t.match(stdout, /^- c=IN IP4 192\.168\.7\.10\n +\^+\n\+ c=IN IP4 192\.0\.2\.1\n/m)
  t.match(stdout, /^ {2}Call-ID: call@192\.168\.7\.10$/m, 'not the Call-ID')
  t.match(
    stdout,
    /> opens media, until the answer, from 198\.51\.100\.10:\* to 192\.0\.2\.1:4000 for 192\.168\.7\.10:4000 with RTCP/,
  )
  t.notMatch(stdout, '\x1b', 'no colours where there is no terminal')
})

t.test('bare line feeds, given ends and addresses', async (t) => {
  const bare = file(invite().replaceAll('\r\n', '\n').replace('198.51.100.10 SIP', 'provider.example SIP'))
  const { stdout } = await cli([
    'explain',
    bare,
    '--json',
    ...['--to', '203.0.113.5:5070', '--outside-address', '203.0.113.77', '--media-ports', '40000-40099'],
  ])
  const explained = JSON.parse(stdout)
  t.match(explained, { way: 'out', destination: { address: '203.0.113.5', port: 5070 }, callId: 'call@192.168.7.10' })
  t.match(
    explained.edits.map((edit: { old: string; new: string }) => `${edit.old} ${edit.new}`),
    ['192.168.7.10 203.0.113.77', '192.168.7.10 203.0.113.77', /^\d+ \d+$/, /^192.* 203/, /^192.* 203/, '4000 40000'],
  )
  t.match(explained.open, [{ kind: 'media', outside: { address: '203.0.113.77', port: 40000 }, early: true }])
})

t.test('a message that does not say where it crosses', async (t) => {
  const path = file(
    invite().replaceAll('192.168.7.10', '203.0.113.99').replace('198.51.100.10 SIP', 'provider.example SIP'),
  )
  t.match(await cli(['explain', path]), { code: 2, stderr: /--from and --to \(--to is missing\)/ })
  t.match(await cli(['explain', path, '--to', '192.168.7.10']), { code: 0, stdout: /^in 203/ })
})

t.test('a message with a wrong length', async (t) => {
  t.match(await cli(['explain', file(invite().slice(0, -5))]), {
    code: 2,
    stderr: /malformed: content-length-mismatch/,
  })
})

t.test('a call in a capture', async (t) => {
  const keepAlive = ethernet(ipPacket(phone, provider, Buffer.from('\r\n\r\n')))
  const path = file(pcap([out(invite()), keepAlive, back(ok), out(bye), back(byeOk)]))
  const lines = (await cli(['explain', path, '--json'])).stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.match(lines, [
    {
      number: 1,
      way: 'out',
      time: '2023-11-14T22:13:20.000Z',
      open: [{ early: true, from: { address: '198.51.100.10', port: 0 } }],
    },
    {
      number: 3,
      way: 'in',
      close: [{ early: true }],
      open: [{ early: false, from: { address: '198.51.100.20', port: 6000 }, inside: { port: 4000 }, hasRtcp: true }],
    },
    { number: 4, way: 'out', open: [], close: [], reasons: [/carries no session description/] },
    {
      number: 5,
      way: 'in',
      close: [{ from: { address: '198.51.100.20' } }],
      events: [{ kind: 'end', call: { endReason: 'bye' } }],
    },
  ])
  t.equal(lines.length, 4, 'the keep-alive is no SIP')
  const { stdout } = await cli(['explain', path])
  t.match(stdout, /^#3 2023-11-14T22:13:22.000Z in 198/m)
})

t.test('why not', async (t) => {
  const outside: Endpoint = { address: '192.0.2.1', port: 5060 }
  const path = file(
    pcap([
      out(invite([80])),
      ethernet(ipPacket(outside, provider, Buffer.from(invite()))),
      ethernet(ipPacket(provider, { address: '203.0.113.9', port: 5060 }, Buffer.from(ok))),
      back(ok.replaceAll('call@', 'unknown@')),
      out('INVITE sip:bob@198.51.100.10 SIP/2.0\r\nVia: x\r\n\r\n'),
    ]),
  )
  const { stdout } = await cli(['explain', path])
  t.match(stdout, /refused: port-reserved: m=audio 80/)
  t.match(stdout, /#2 .*\n {2}passes unchanged: seen outside, where it is translated already/)
  t.match(stdout, /#3 .*\n {2}passes unchanged: neither end is inside: name inside addresses with --inside/)
  t.match(stdout, /#4 [\s\S]*nothing to rewrite[\s\S]*it belongs to no call that was seen to begin/)
  t.match(stdout, /#5 .*\n {2}passes unchanged: begins as SIP and is malformed: /)
  const routed = await cli([
    'explain',
    file(pcap([out(invite())])),
    '--inside',
    '192.168.0.0/16',
    '--outside-address',
    '192.168.7.10',
  ])
  t.match(routed.stdout, /nothing to rewrite: no address is translated/)
})

t.test('a capture without SIP', async (t) => {
  t.match(await cli(['explain', file(pcap([]))]), { code: 2, stderr: /holds no SIP over UDP/ })
  t.match(await cli(['explain', file(Buffer.from('0a0d0d0a00000000', 'hex'))]), { code: 2, stderr: /editcap -F pcap/ })
  t.match(await cli(['explain', file(pcap([], { linkType: 147 }))]), { code: 2, stderr: /link type 147/ })
})

const v6 = ipPacket({ address: 'fd00::1', port: 5060 }, { address: '2001:db8::9', port: 5060 }, Buffer.from('x'))
const v4 = ipPacket(phone, provider, Buffer.from('x'))
const cooked = (ip: Buffer): Buffer =>
  Buffer.concat([Buffer.alloc(14), Buffer.from(ip[0]! >> 4 === 6 ? '86dd' : '0800', 'hex'), ip])
const cooked2 = (ip: Buffer): Buffer =>
  Buffer.concat([Buffer.from(ip[0]! >> 4 === 6 ? '86dd' : '0800', 'hex'), Buffer.alloc(18), ip])

for (const magic of ['d4c3b2a1', 'a1b2c3d4', '4d3cb2a1', 'a1b23c4d'] as const) {
  for (const [linkType, frame] of [
    [1, ethernet],
    [1, (ip: Buffer) => ethernet(ip, 1)],
    [1, (ip: Buffer) => ethernet(ip, 2)],
    [101, (ip: Buffer) => ip],
    [113, cooked],
    [276, cooked2],
  ] as const) {
    t.test(`pcap ${magic}, link type ${linkType}`, async (t) => {
      const arp = Buffer.concat([Buffer.alloc(12), Buffer.from('0806', 'hex'), Buffer.alloc(28)])
      const frames = linkType === 1 ? [frame(v4), arp, frame(v6)] : [frame(v4), frame(v4), frame(v6)]
      const bytes = pcap(frames, { magic, linkType })
      t.ok(isCapture(bytes))
      const packets = [...pcapPackets(bytes)]
      t.same(
        packets.map(({ number }) => number),
        linkType === 1 ? [1, 3] : [1, 2, 3],
      )
      t.same(Buffer.from(packets[0]!.ip), v4)
      t.same(Buffer.from(packets.at(-1)!.ip), v6)
      t.equal(packets.at(-1)!.timeMs, 1_700_000_002_000)
    })
  }
}

t.test('law: no capture file throws but with a sentence, whatever its bytes', async (t) => {
  const bytes = pcap([out(invite()), back(ok)])
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 20 }),
      fc.nat(bytes.length),
      (changes, length) => {
        const broken = Buffer.from(bytes.subarray(0, length))
        for (const [at, value] of changes) if (at < length) broken[at] = value
        try {
          for (const { ip } of pcapPackets(broken)) if (ip.length === 0) return false
          return true
        } catch (error) {
          return (error as Error).name === 'Failure'
        }
      },
    ),
    runs(500),
  )
  t.pass()
})

t.test('law: both sides of a difference are the message before and after', async (t) => {
  const line = fc.string({ unit: fc.constantFrom('a', 'b', ':', ' ', '1'), maxLength: 20 })
  const edit = fc.tuple(
    fc.nat(200),
    fc.nat(6),
    line.map((text) => text.slice(0, 6)),
  )
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 6 }), fc.array(edit, { maxLength: 5 }), (texts, wanted) => {
      const bytes = Buffer.from(`${texts.join('\r\n')}\r\n`)
      let free = 0
      const edits = [...wanted]
        .sort(([a], [b]) => a - b)
        .flatMap(([start, length, text]) => {
          const end = start + length
          if (
            start < free ||
            end >= bytes.length ||
            bytes.subarray(start, Math.max(end, start + 1)).some((it) => it < 32)
          )
            return []
          free = end + 1
          return [{ start, end, text }]
        })
      const target = Buffer.alloc(splicedLength(bytes.length, edits))
      splice(bytes, 0, bytes.length, edits, target, 0)
      const lines = diffOfEdits(bytes, 0, bytes.length, edits)
      const side = (key: 'before' | 'after') =>
        lines.map((it) => `${(it[key] ?? it.before).map(({ text }) => text).join('')}\r\n`).join('')
      return side('before') === bytes.toString() && side('after') === target.toString()
    }),
    runs(500),
  )
  t.pass()
})

t.test('two texts', async (t) => {
  const lines = diffOfTexts('a\r\nc=IN IP4 192.168.7.10\r\n', 'a\r\nc=IN IP4 198.51.100.1\r\n')
  t.same(diffText(lines, false), [
    '  a',
    '- c=IN IP4 192.168.7.10',
    '           ^^^^^^^^^^^^',
    '+ c=IN IP4 198.51.100.1',
    '           ^^^^^^^^^^^^',
  ])
  t.same(diffText(lines, true)[1], '- c=IN IP4 \x1b[31m192.168.7.10\x1b[0m')
})
