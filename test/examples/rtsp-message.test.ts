import fc from 'fast-check'
import t from 'tap'
import { frame, readMessage } from '../../examples/rtsp/message.js'
import { transportsOf } from '../../examples/rtsp/transport.js'
import { FramedStream } from '../../lib/proxy/framed-stream.js'
import { runs } from '../law.js'
import { text } from './rtsp-text.js'

/** What a stream is cut into, for a reader. */
function cut(pieces: readonly Uint8Array[]): { parts: string[]; rest: string; errors: string[] } {
  const errors: string[] = []
  const stream = new FramedStream({
    frame,
    way: 'out',
    maxBytes: 65_535,
    onError: ({ message }) => errors.push(message),
  })
  const parts: string[] = []
  for (const piece of pieces) {
    stream.push(piece)
    for (let part = stream.next(); part; part = stream.next()) {
      if ('reason' in part) {
        parts.push(part.kind)
        break
      }
      const bytes = Buffer.from(part.kind === 'filler' ? part.bytes : part.message).toString('latin1')
      if (part.kind === 'filler' && parts.at(-1)?.startsWith('~')) parts.push(parts.pop()! + bytes)
      else parts.push(part.kind === 'filler' ? `~${bytes}` : bytes)
    }
  }
  return { parts, rest: Buffer.from(stream.rest()).toString('latin1'), errors }
}

const media = (length: number) => `$\0${String.fromCharCode(length >> 8, length & 255)}${'$'.repeat(length)}`
const OPTIONS = text('OPTIONS * RTSP/1.0', ['CSeq: 1'])
const DESCRIBED = text('RTSP/1.0 200 OK', ['CSeq: 2', 'content-length : 3'], '').replace(/$/, '\r\n\r')

t.test('framing: cut at every place, it is the same', async (t) => {
  const units = [OPTIONS, media(5), media(0), DESCRIBED, '\r\n', OPTIONS.replaceAll('\r', ''), media(300)]
  const whole = Buffer.from(units.join(''), 'latin1')
  const expected = [units[0], `~${units[1]}${units[2]}`, units[3], `~${units[4]}`, units[5], `~${units[6]}`]
  t.same(cut([whole]), { parts: expected, rest: '', errors: [] })
  for (let at = 1; at < whole.length; at++) {
    const { parts } = cut([whole.subarray(0, at), whole.subarray(at)])
    if (JSON.stringify(parts) !== JSON.stringify(expected)) t.fail(`cut at ${at}`)
  }
  t.same(cut([...whole].map((byte) => Uint8Array.of(byte))).parts, expected, 'a byte at a time')
})

t.test('law: pieces do not matter, no byte is lost, nothing throws', async (t) => {
  const unit = fc.oneof(
    fc.constantFrom(OPTIONS, DESCRIBED, '\r\n', 'GET / HTTP/1.0\r\n\r\n', '\n\r', 'X', '\0'),
    fc.nat({ max: 400 }).map(media),
    fc.string({ maxLength: 20 }).map((body) => text('SET_PARAMETER rtsp://h/ RTSP/2.0', ['CSeq: 9'], body)),
  )
  fc.assert(
    fc.property(fc.array(unit, { maxLength: 8 }), fc.array(fc.nat(), { maxLength: 8 }), (units, places) => {
      const whole = Buffer.from(units.join(''), 'latin1')
      const at = [0, ...places.map((it) => it % (whole.length + 1)).sort((a, b) => a - b), whole.length]
      const one = cut([whole])
      const many = cut(at.slice(1).map((end, i) => whole.subarray(at[i], end)))
      if (one.errors.length + many.errors.length > 0) throw new Error(`${one.errors}`)
      if (JSON.stringify(one) !== JSON.stringify(many)) throw new Error(JSON.stringify([one, many]))
      for (const it of one.parts.filter((part) => /^[A-Z]/.test(part))) readMessage(Buffer.from(it, 'latin1'))
    }),
    runs(400),
  )
  t.pass()
})

t.test('what is not RTSP', async (t) => {
  for (const [bytes, what] of [
    ['\x16\x03\x01', 'TLS'],
    ['GET /stream HTTP/1.0\r\n', 'RTSP in HTTP'],
    ['x'.repeat(9000), 'a line without end'],
    [`OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n`, 'two lengths'],
    [`OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n`, 'no length'],
  ] as const)
    t.same(cut([Buffer.from(bytes, 'latin1')]), { parts: ['foreign'], rest: bytes, errors: [] }, what)
})

t.test('transports', async (t) => {
  const read = (value: string) =>
    transportsOf({ start: 0, end: value.length, text: value }).map(({ isUnicastUdp, client, server }) => {
      const ends = ({ host, port, rtcpPort }: typeof client) => `${host}:${port}/${rtcpPort}`
      return `${isUnicastUdp ? 'udp' : '-'} ${ends(client)} ${ends(server)}`
    })
  for (const [value, ...expected] of [
    ['RTP/AVP;unicast;client_port=4000-4001', 'udp :4000/4001 :0/0'],
    ['RTP/AVP/UDP;unicast;client_port=4000', 'udp :4000/0 :0/0'],
    ['RTP/AVP;client_port=1-2;source=10.0.0.1;server_port=3 - 4;ssrc=1F', 'udp :1/2 10.0.0.1:3/4'],
    ['RTP/AVP;destination=a;client_port=4-5', 'udp a:4/5 :0/0'],
    ['RTP/AVP;destination;client_port=4-5', 'udp :4/5 :0/0'],
    ['rtp/savpf ; unicast ; Client_Port = 4-5', 'udp :4/5 :0/0'],
    ['RTP/AVP;multicast;client_port=4-5', '- :4/5 :0/0'],
    ['RTP/AVP/TCP;interleaved=0-1', '- :0/0 :0/0'],
    ['RTP/AVP;unicast;interleaved=0-1', '- :0/0 :0/0'],
    ['MP2T/H2221/UDP;unicast;client_port=4', '- :4/0 :0/0'],
    ['RTP/AVP;client_port=4-5,RTP/AVP/TCP;mode="PLAY,RECORD"', 'udp :4/5 :0/0', '- :0/0 :0/0'],
    ['RTP/AVP/UDP;dest_addr=":4000"/":4001";mode="PLAY"', 'udp :4000/4001 :0/0'],
    ['RTP/AVP;dest_addr="[2001:db8::1]:4";src_addr="h:5"/"h:6"', 'udp 2001:db8::1:4/0 h:5/6'],
    ['RTP/AVP;client_port=70000-70001', 'udp :0/0 :0/0'],
    ['RTP/AVP;client_port=4-4;server_port=0-1', 'udp :0/0 :0/0'],
    ['RTP/AVP;dest_addr=":4"/":4x"', 'udp :0/0 :0/0'],
    ['RTP/AVP;dest_addr=":4"/":5"/":6"', 'udp :0/0 :0/0'],
    [',;,=', '- :0/0 :0/0', '- :0/0 :0/0', '- :0/0 :0/0'],
  ] as const)
    t.same(read(value), expected, value)
})
