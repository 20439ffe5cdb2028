import t from 'tap'
import { decodePcap } from '../../lib/testing/capture.js'
import { run, runSync } from '../../lib/testing/command.js'
import { whyNoLab } from '../../lib/testing/index.js'
import { parseSippStatistics } from '../../lib/testing/sipp.js'
import { pause, readScale, scaled, timeScale } from '../../lib/testing/time.js'
import { parseConntrackXml, parseExpectations } from '../../lib/testing/witness.js'

// conntrack -L -o xml,id (1.4.7), Linux 6.18, net.netfilter.nf_conntrack_acct=1
const XML = `<?xml version="1.0" encoding="utf-8"?>
<conntrack>
<flow><meta direction="original"><layer3 protonum="2" protoname="ipv4"><src>127.0.0.1</src><dst>127.0.0.2</dst></layer3><layer4 protonum="17" protoname="udp"><sport>1000</sport><dport>2000</dport></layer4><counters><packets>3</packets><bytes>84</bytes></counters></meta><meta direction="reply"><layer3 protonum="2" protoname="ipv4"><src>127.0.0.2</src><dst>127.0.0.1</dst></layer3><layer4 protonum="17" protoname="udp"><sport>2000</sport><dport>1000</dport></layer4><counters><packets>0</packets><bytes>0</bytes></counters></meta><meta direction="independent"><timeout>59</timeout><mark>7</mark><use>1</use><id>3327893122</id><unreplied/></meta></flow>
</conntrack>`

t.test('conntrack -o xml', async (t) => {
  const [entry, ...others] = parseConntrackXml(XML, 4)
  t.match(entry, {
    original: {
      family: 4,
      protocol: 17,
      source: { address: '127.0.0.1', port: 1000 },
      destination: { address: '127.0.0.2', port: 2000 },
    },
    reply: { source: { address: '127.0.0.2', port: 2000 } },
    id: 3327893122,
    timeoutSec: 59,
    mark: 7,
    counters: { original: { packets: 3, bytes: 84 }, reply: { packets: 0 } },
    unreplied: true,
    assured: false,
  })
  t.notOk('zone' in entry!, 'what is not said is not there')
  t.same(others, [])
  t.same(parseConntrackXml('', 4), [])
})

t.test('conntrack -L expect', async (t) => {
  // conntrack -L expect -f ipv4, -f ipv6 (1.4.7), Linux 6.18
  const text = [
    '178 proto=17 src=198.51.100.20 dst=198.51.100.1 sport=0 dport=30000 mask-src=255.255.255.255 mask-dst=255.255.255.255 sport=0 dport=65535 master-src=127.66.0.1 master-dst=127.65.0.1 sport=1024 dport=9 PERMANENT class=1 helper=sip',
    '9 proto=17 src=2001:db8::1 dst=2001:db8::2 sport=5 dport=6 mask-src=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff mask-dst=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff sport=65535 dport=65535 master-src=100::1:1 master-dst=100::2:1 sport=1025 dport=9 class=0',
    '',
  ].join('\n')
  const [v4, v6] = parseExpectations(text)
  t.match(v4, {
    tuple: {
      family: 4,
      protocol: 17,
      source: { address: '198.51.100.20', port: 0 },
      destination: { address: '198.51.100.1', port: 30000 },
    },
    mask: { source: { address: '255.255.255.255', port: 0 }, destination: { port: 65535 } },
    master: { source: { address: '127.66.0.1', port: 1024 }, destination: { address: '127.65.0.1', port: 9 } },
    class: 1,
    flags: { permanent: true },
    timeoutSec: 178,
    helper: 'sip',
  })
  t.match(v6, {
    tuple: { family: 6, source: { address: '2001:db8::1', port: 5 } },
    class: 0,
    flags: { permanent: false },
  })
  t.notOk('helper' in v6!)
})

/** A little-endian pcap file of one Ethernet frame around `ip`. */
function pcapOf(ip: Buffer, link = 1): Buffer {
  const header = Buffer.alloc(24)
  header.writeUInt32LE(0xa1b2c3d4, 0)
  header.writeUInt32LE(link, 20)
  const frame = link === 1 ? Buffer.concat([Buffer.alloc(14), ip, Buffer.alloc(10)]) : ip
  const record = Buffer.alloc(16)
  record.writeUInt32LE(1000, 0)
  record.writeUInt32LE(500000, 4)
  record.writeUInt32LE(frame.length, 8)
  return Buffer.concat([header, record, frame])
}
const V4 = Buffer.from('4500001e00010000401100000a0000010a0000021388 13c4000a0000 6869'.replaceAll(' ', ''), 'hex')
const V6 = Buffer.from(
  `60000000000a1140${'20010db8'.padEnd(30, '0')}01${'20010db8'.padEnd(30, '0')}021388 13c4000a0000 6869`.replaceAll(
    ' ',
    '',
  ),
  'hex',
)

t.test('pcap', async (t) => {
  for (const [ip, from] of [
    [V4, '10.0.0.1'],
    [V6, '2001:db8::1'],
  ] as const) {
    for (const link of [1, 101]) {
      const [packet, ...others] = decodePcap(pcapOf(ip, link))
      t.match(packet, {
        timeSec: 1000.5,
        protocol: 17,
        source: { address: from, port: 5000 },
        destination: { port: 5060 },
      })
      t.equal(Buffer.from(packet!.payload).toString(), 'hi')
      t.equal(packet!.ip.length, ip.length, 'Ethernet padding is not part of the packet')
      t.same(others, [])
    }
  }
  const fragment = Buffer.from(V4)
  fragment[7] = 1
  t.match(decodePcap(pcapOf(fragment)), [{ source: { port: 0 } }], 'a later fragment has no ports')
  t.same(decodePcap(pcapOf(V4).subarray(0, -3)), [], 'cut record')
  t.same(decodePcap(Buffer.alloc(5)), [])
  t.throws(() => decodePcap(Buffer.alloc(24)), { code: 'ERR_ARGUMENT' })
  t.throws(() => decodePcap(pcapOf(V4, 7)), /link type 7/)
})

t.test('SIPp statistics', async (t) => {
  t.same(parseSippStatistics('A;B(C);\n1;2;\n3;4;\n'), { A: '3', 'B(C)': '4' })
  t.same(parseSippStatistics(''), {})
})

t.test('commands', async (t) => {
  t.equal(runSync(['cat'], { input: 'x' }), 'x')
  t.throws(() => runSync(['sh', '-c', 'echo no >&2; exit 4']), { code: 'ERR_KERNEL', message: /exit 4: no/ })
  t.throws(() => runSync(['/nonexistent']), /ENOENT/)
  t.match(await run(['sh', '-c', 'cat; echo e >&2; exit 2'], { input: 'in' }), { code: 2, stdout: 'in', stderr: 'e\n' })
  t.match(await run(['sh', '-c', 'kill $$']), { code: -1 })
  await t.rejects(run(['/nonexistent']), /ENOENT/)
  await t.rejects(run(['sleep', '9'], { timeoutMs: 20 }), /still running/)
})

t.test('time scale', async (t) => {
  t.same(['4', '0.5', '0', '-1', 'x', '', undefined].map(readScale), [4, 0.5, 1, 1, 1, 1, 1])
  t.equal(scaled(10), Math.ceil(10 * timeScale))
  const began = performance.now()
  await pause(20)
  t.ok(performance.now() - began > 15 * timeScale)
})

t.test('why there is no lab', async (t) => {
  t.match(whyNoLab('no-such-command'), process.getuid?.() === 0 ? /needs the commands no-such-command/ : 'needs root')
})
