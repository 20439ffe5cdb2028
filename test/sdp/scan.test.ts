import t from 'tap'
import { readSdp, scanSdp, scanSdpFragment } from '../../lib/sdp/index.js'
import { sdpBodies } from '../../lib/sip/index.js'
import type { Sdp, SdpLimits } from '../../types/sdp.js'
import { samples } from '../corpus/messages.js'
import { bytesOf, found } from '../sip/message.js'

const buffer = (lines: readonly string[]): Buffer => Buffer.from(lines.map((line) => `${line}\r\n`).join(''), 'latin1')

function sdpOf(bytes: Uint8Array, start = 0, end = bytes.length): Sdp {
  const scan = scanSdp(bytes, start, end)
  if (scan.state !== 'found') throw new Error(scan.reason)
  return scan.value
}

const head = ['v=0', 'o=- 1 2 IN IP4 10.0.0.1', 's=-', 'c=IN IP4 10.0.0.1', 't=0 0']
/** A description with these lines after the usual ones. */
const withLines = (...lines: string[]): Buffer => buffer([...head, ...lines])

t.test('brackets around IPv6, as SIPp writes them, are passed over', async (t) => {
  const bytes = buffer(['v=0', 'c=IN IP6 [2001:DB8::1]'])
  const { connection } = sdpOf(bytes)
  t.match(connection, { address: '2001:db8::1', family: 6 })
  t.equal(bytes.toString('latin1', connection!.range.start, connection!.range.end), '2001:DB8::1')
})

t.test('ranges', async (t) => {
  const bytes = buffer([
    'v=0',
    'o=bob 2890844526 007 IN IP6 2001:DB8::1',
    'c=IN IP4 224.2.1.1/127/3',
    'm=audio 49170/2 rtp/avp 0 8',
    'c=IN IP4 10.0.0.9',
    'a=rtcp:53020 IN IP4 10.0.0.8',
    'm=video 0 RTP/AVP 31',
  ])
  const { origin, connection, media, sessionId, sessionVersion, range } = sdpOf(bytes)
  t.equal(bytesOf(bytes, origin!.range), '2001:DB8::1')
  t.equal(bytesOf(bytes, origin!.addressType), 'IP6')
  t.strictSame([origin!.address, origin!.family], ['2001:db8::1', 6])
  t.strictSame([sessionId, sessionVersion], ['2890844526', '007'])
  t.equal(bytesOf(bytes, connection!.range), '224.2.1.1', 'without ttl and count')
  t.strictSame(range, { start: 0, end: bytes.length })
  const [audio, video] = media
  t.equal(bytesOf(bytes, audio!.port), '49170')
  t.strictSame([audio!.portNumber, audio!.portCount, audio!.protocol, audio!.type], [49170, 2, 'RTP/AVP', 'audio'])
  t.equal(bytesOf(bytes, audio!.connection!.range), '10.0.0.9')
  t.equal(bytesOf(bytes, audio!.rtcp!.port), '53020')
  t.equal(audio!.rtcp!.address!.address, '10.0.0.8')
  t.match(bytesOf(bytes, audio!.range), /^m=audio[\s\S]*10\.0\.0\.8\r\n$/)
  t.equal(bytesOf(bytes, video!.range), 'm=video 0 RTP/AVP 31\r\n')
  t.equal(video!.connection, undefined)
})

t.test('direction and setup are inherited', async (t) => {
  const bytes = withLines(
    'a=sendonly',
    'a=setup:ACTIVE',
    'm=audio 1 RTP/AVP 0',
    'm=audio 2 RTP/AVP 0',
    'a=inactive',
    'a=setup:passive',
  )
  const media = sdpOf(bytes).media.map(({ direction, setup }) => `${direction} ${setup}`)
  t.strictSame(media, ['sendonly active', 'inactive passive'])
  t.equal(sdpOf(withLines('m=audio 1 RTP/AVP 0')).media[0]!.direction, 'sendrecv')
  t.equal(sdpOf(withLines('m=audio 1 RTP/AVP 0', 'a=recvonly')).media[0]!.direction, 'recvonly')
})

t.test('fragments of trickle ICE (RFC 8840 9)', async (t) => {
  const bytes = buffer([
    'a=ice-pwd:asd88fgpdd777uzjYhagZg',
    'a=ice-ufrag:8hhY',
    'm=audio 9 RTP/AVP 0',
    'a=mid:1',
    'a=candidate:1 1 UDP 2130706432 10.0.0.1 5000 typ host',
    'm=audio 9 RTP/AVP 0',
    'a=mid:2',
    'a=ice-ufrag:other',
    'a=end-of-candidates',
  ])
  const scan = scanSdpFragment(bytes, 0, bytes.length)
  if (scan.state !== 'found') return t.fail(scan.reason)
  const { media, origin, connection } = scan.value
  t.same([origin, connection], [undefined, undefined])
  t.same(
    media.map(({ mid, iceUfrag, candidates }) => [mid, iceUfrag, candidates.map(({ address }) => address)]),
    [
      ['1', '8hhY', ['10.0.0.1']],
      ['2', 'other', []],
    ],
  )
  t.match(scanSdp(bytes, 0, bytes.length), { state: 'absent', reason: 'not-sdp' })
  t.match(scanSdpFragment(bytes, 0, 0), { state: 'absent' })
  t.match(scanSdpFragment(Buffer.from('Signal=5'), 0, 8), { state: 'absent' })
  t.match(scanSdpFragment(Buffer.from('m=audio x RTP/AVP 0'), 0, 19), { state: 'malformed', reason: 'media-port' })
  const [first] = sdpOf(withLines('a=ice-ufrag:s', 'm=audio 1 RTP/AVP 0')).media
  t.equal(first!.iceUfrag, 's', 'the session level holds')
})

t.test('ICE (RFC 8839)', async (t) => {
  const bytes = withLines(
    'a=group:LS x y',
    'a=group:BUNDLE 0 1',
    'm=audio 1 RTP/AVP 0',
    'a=mid:0',
    'a=rtcp-mux',
    'a=bundle-only',
    'a=candidate:1 1 UDP 2130706431 10.0.0.1 7078 typ host generation 0',
    'a=candidate:2 2 udp 1 203.0.113.1 40022 typ srflx raddr 2001:db8::7 rport 7079',
    'a=candidate:3 1 TCP 1 2001:DB8::1 9 typ host tcptype active',
    'a=candidate:4 1 UDP 1 0f4e6e2c-aaaa.local 7078 typ host',
    'a=candidate:5 1 UDP 1 10.0.0.1 70000 typ host',
    'a=candidate:6 1 UDP 1 10.0.0.1 7078 host',
    'a=candidate:7 1 UDP 1 10.0.0.1 7078 typ srflx raddr 10.0.0.1',
    'a=remote-candidates:1 203.0.113.9 20000 2 2001:db8::9 20001',
  )
  const { media, bundles } = sdpOf(bytes)
  t.strictSame(bundles, [['0', '1']])
  const { candidates, remoteCandidates, mid, rtcpMux, bundleOnly, problems } = media[0]!
  t.strictSame([mid, rtcpMux, bundleOnly, problems], ['0', true, true, 3])
  t.strictSame(
    candidates.map(({ component, transport, address, family, portNumber, type }) => [
      component,
      transport,
      address,
      family,
      portNumber,
      type,
    ]),
    [
      [1, 'udp', '10.0.0.1', 4, 7078, 'host'],
      [2, 'udp', '203.0.113.1', 4, 40022, 'srflx'],
      [1, 'tcp', '2001:db8::1', 6, 9, 'host'],
      [1, 'udp', '0f4e6e2c-aaaa.local', 0, 7078, 'host'],
    ],
  )
  const related = candidates[1]!.related!
  t.strictSame(
    [related.address, related.portNumber, bytesOf(bytes, related.host), bytesOf(bytes, related.port)],
    ['2001:db8::7', 7079, '2001:db8::7', '7079'],
  )
  t.equal(candidates[0]!.related, undefined)
  t.match(bytesOf(bytes, candidates[0]!.line), /^a=candidate:1 .* generation 0\r\n$/)
  t.equal(bytesOf(bytes, candidates[2]!.host), '2001:DB8::1')
  t.strictSame(
    remoteCandidates.map(({ address, portNumber }) => `${address} ${portNumber}`),
    ['203.0.113.9 20000', '2001:db8::9 20001'],
  )
})

t.test('MSRP (RFC 4975)', async (t) => {
  const bytes = withLines(
    'm=message 7394 TCP/TLS/MSRP *',
    'a=path:msrps://u@10.0.0.1:7394/2s93;tcp http://10.0.0.3/ msrp://[2001:db8::1]/x;tcp msrp://relay.example.com;tcp',
    'a=path:msrp://10.0.0.1:x/y;tcp',
  )
  const { path, problems, protocol } = sdpOf(bytes).media[0]!
  t.equal(protocol, 'TCP/TLS/MSRP')
  t.equal(problems, 1)
  t.strictSame(
    path.map(({ host, port, address, portNumber }) => [
      bytesOf(bytes, host),
      bytesOf(bytes, port),
      address,
      portNumber,
    ]),
    [
      ['10.0.0.1', '7394', '10.0.0.1', 7394],
      ['[2001:db8::1]', '', '2001:db8::1', 0],
      ['relay.example.com', '', 'relay.example.com', 0],
    ],
  )
})

t.test('line ends', async (t) => {
  const text = withLines('m=audio 1 RTP/AVP 0').toString()
  for (const [why, ending] of [
    ['LF', text.replaceAll('\r\n', '\n')],
    ['no last line end', text.trimEnd()],
    ['empty lines at the end', `${text}\r\n\r\n`],
    ['NUL at the end', `${text}\0`],
    ['spaces at line ends', text.replaceAll('\r\n', '  \r\n')],
  ] as const) {
    const bytes = Buffer.from(ending)
    const { media, connection } = sdpOf(bytes)
    t.equal(media[0]!.portNumber, 1, why)
    t.equal(bytesOf(bytes, connection!.range), '10.0.0.1', why)
    t.equal(media[0]!.range.end, bytes.length, why)
  }
})

/** Each row: lines after the usual ones (or a whole text), and the reason. */
const refused: readonly [lines: string | string[], reason: string, limits?: SdpLimits][] = [
  ['', 'not-sdp'],
  ['<xml/>', 'not-sdp'],
  ['\r\nv=0\r\n', 'not-sdp'],
  ['v=1\r\n', 'version'],
  ['v=0 1\r\n', 'version'],
  [['oops'], 'line-syntax'],
  [['', 'm=audio 1 RTP/AVP 0'], 'line-syntax'],
  ['v=0\r\no=- 1 2 IN IP4\r\n', 'origin-syntax'],
  ['v=0\r\no=- 1\r\n', 'origin-syntax'],
  ['v=0\r\no=- 1 2 IN IP4 10.0.0.1 x\r\n', 'origin-syntax'],
  [['o=- 1 2 IN IP4 10.0.0.2'], 'origin-syntax'],
  ['v=0\r\nc=IN IP5 10.0.0.1\r\n', 'connection-syntax'],
  ['v=0\r\nc=ATM IP4 10.0.0.1\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP4 2001:db8::1\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP6 10.0.0.1\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP6 [2001:db8::1\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP4 [10.0.0.1]\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP4 10.0.0.1/x\r\n', 'connection-syntax'],
  ['v=0\r\nc=IN IP4 \r\n', 'connection-syntax'],
  [['c=IN IP4 10.0.0.2'], 'connection-syntax'],
  [['m=audio'], 'media-syntax'],
  [['m=audio 1'], 'media-syntax'],
  [['m=audio 1 RTP/AVP'], 'media-syntax'],
  [['m=audio 65536 RTP/AVP 0'], 'media-port'],
  [['m=audio -1 RTP/AVP 0'], 'media-port'],
  [['m=audio 65535/2 RTP/AVP 0'], 'media-port'],
  [['m=audio 1/0 RTP/AVP 0'], 'media-port'],
  [['m=audio 1/ RTP/AVP 0'], 'media-port'],
  [['m=audio $ RTP/AVP 0'], 'media-port'],
  [['m=audio 1 RTP/AVP 0', 'a=rtcp:x'], 'rtcp-syntax'],
  [['m=audio 1 RTP/AVP 0', 'a=rtcp:2 IN IP4 '], 'rtcp-syntax'],
  [['m=audio 1 RTP/AVP 0', 'a=rtcp:2 IN IP4 x/y'], 'rtcp-syntax'],
  [['m=audio 1 RTP/AVP 0', 'm=audio 1 RTP/AVP 0'], 'media-too-many', { maxMedia: 1 }],
  ['v=0\r\nm=audio 1 RTP/AVP 0\r\n', 'connection-missing'],
  ['v=0\r\nm=audio 1 RTP/AVP 0\r\n', 'description-too-large', { maxBytes: 10 }],
]

for (const [lines, reason, limits] of refused) {
  t.test(`${reason}: ${JSON.stringify(lines)}`, async (t) => {
    const bytes = typeof lines === 'string' ? Buffer.from(lines) : withLines(...lines)
    const scan = scanSdp(bytes, 0, bytes.length, limits)
    t.equal(scan.state === 'found' ? 'found' : scan.reason, reason)
    t.equal(scan.state, reason === 'not-sdp' ? 'absent' : 'malformed')
  })
}

t.test('what may be missing', async (t) => {
  const refusedStream = sdpOf(Buffer.from('v=0\r\nm=audio 0 RTP/AVP 0\r\n'))
  t.equal(refusedStream.connection, undefined, 'a refused stream needs no address')
  t.equal(refusedStream.origin, undefined)
  const named = sdpOf(Buffer.from('v=0\r\nc=IN IP4 Host.Example.com\r\nm=audio 1 RTP/AVP 0\r\n'))
  t.strictSame([named.connection!.address, named.connection!.family], ['host.example.com', 0])
  t.strictSame(sdpOf(Buffer.from('v=0')).media, [])
})

/** The same facts from `scanSdp` and from sdp-transform. */
t.test('sdp-transform agrees', async (t) => {
  for (const { name, bytes } of samples) {
    for (const body of sdpBodies(found(bytes))) {
      const ours = sdpOf(bytes, body.start, body.end)
      // sdp-transform cannot read a port count.
      const theirs = readSdp(bytesOf(bytes, body).replace(/^(m=\w+ \d+)\/\d+/gm, '$1'))
      t.equal(ours.origin?.address, theirs.origin?.address, `${name}: o=`)
      t.equal(ours.sessionVersion, String(theirs.origin?.sessionVersion), `${name}: sess-version`)
      t.equal(ours.connection?.address, theirs.connection?.ip, `${name}: c=`)
      t.strictSame(
        ours.media.map((media) => ({
          type: media.type,
          port: media.portNumber,
          protocol: media.protocol,
          address: media.connection?.address,
          direction: media.direction,
          rtcp: media.rtcp && [media.rtcp.portNumber, media.rtcp.address?.address],
          mux: media.rtcpMux,
          mid: media.mid,
          setup: media.setup,
          candidates: media.candidates.map((c) => [
            c.component,
            c.transport,
            c.address,
            c.portNumber,
            c.type,
            c.related?.portNumber,
          ]),
        })),
        theirs.media.map((media) => ({
          type: media.type,
          port: media.port,
          protocol: media.protocol.toUpperCase(),
          address: media.connection?.ip,
          direction: media.direction ?? theirs.direction ?? 'sendrecv',
          rtcp: media.rtcp && [media.rtcp.port, media.rtcp.address],
          mux: media.rtcpMux !== undefined,
          mid: media.mid === undefined ? '' : String(media.mid),
          setup: media.setup ?? '',
          candidates: (media.candidates ?? []).map((c) => [
            c.component,
            c.transport.toLowerCase(),
            c.ip,
            c.port,
            c.type,
            c.rport,
          ]),
        })),
        `${name}: media`,
      )
    }
  }
})
