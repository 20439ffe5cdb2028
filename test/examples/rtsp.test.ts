import fc from 'fast-check'
import t from 'tap'
import { frame, onMessage } from '../../examples/rtsp/helper.js'
import { Counters } from '../../lib/alg/counters.js'
import type { HelperTurn } from '../../lib/alg/helper-turn.js'
import { HelperWays } from '../../lib/alg/helper-ways.js'
import { Pinholes } from '../../lib/alg/pinholes.js'
import { splice, splicedLength } from '../../lib/base/range.js'
import { FakeConntrack } from '../../lib/testing/index.js'
import type { StreamContext } from '../../types/define.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Way } from '../../types/flow.js'
import { runs } from '../law.js'
import { text } from './rtsp-text.js'

const [SERVER, GATEWAY, PHONE] = ['198.51.100.10', '198.51.100.1', '192.168.7.10']
const end = (address: string, port: number): Endpoint => ({ address, port })
const flowOf = (inside: Endpoint, outside: Endpoint, peer: Endpoint): Flow => ({
  family: 4,
  binding: { transport: 'tcp', inside, outside, implied: undefined },
  peer,
})
const CLIENT_INSIDE = flowOf(end(PHONE, 50_000), end(GATEWAY, 20_000), end(SERVER, 554))
const SERVER_INSIDE = flowOf(end(PHONE, 8554), end(GATEWAY, 554), end(SERVER, 50_000))

/** One connection, helped by the example over a fake kernel. */
class Connection {
  readonly kernel = new FakeConntrack()
  readonly errors: string[] = []
  readonly connection = {}
  readonly pinholes: Pinholes
  readonly ways: HelperWays
  readonly #flow: Flow

  constructor(flow = CLIENT_INSIDE) {
    this.#flow = flow
    this.ways = new HelperWays({
      budgets: { pinholes: 9, pinholesPerHost: 9 },
      mediaPorts: undefined,
      counters: new Counters(),
      onWays: () => undefined,
      onRefused: (reason) => void this.errors.push(reason),
      onError: ({ message }) => void this.errors.push(message),
    })
    const carrier = { name: 'sip', timeoutSec: undefined } as const
    this.pinholes = new Pinholes({ kernel: this.kernel, carrier, leaseSec: 60 })
    this.ways.serve(this.pinholes)
  }

  /** What goes on in the message's place. */
  async say(way: Way, message: string): Promise<string> {
    const bytes = Buffer.from(message, 'latin1')
    const subject = { flow: this.#flow, way, length: bytes.length, connection: this.connection }
    const handle = (turn: HelperTurn) => onMessage({ bytes, way }, turn as StreamContext)
    const { edits } = await this.ways.decide(subject, handle)
    const edited = new Uint8Array(splicedLength(bytes.length, edits))
    splice(bytes, 0, bytes.length, edits, edited, 0)
    return Buffer.from(edited).toString('latin1')
  }

  /** The Transport that the server is asked for, and the one that the client is granted. */
  async setup(asked: string, granted: string, { status = '200 OK', cseq = 3, uri = 'rtsp://h/1' } = {}) {
    const transport = (message: string) => /^Transport: (.*)$/m.exec(message)?.[1]?.trim()
    const [there, back] = this.#flow === SERVER_INSIDE ? (['in', 'out'] as const) : (['out', 'in'] as const)
    const headers = [`CSeq: ${cseq}`]
    const request = await this.say(there, text(`SETUP ${uri} RTSP/1.0`, [...headers, `Transport: ${asked}`]))
    const answer = [...headers, 'Session: abc;timeout=60', `Transport: ${granted}`]
    const response = await this.say(back, text(`RTSP/1.0 ${status}`, answer))
    return [transport(request), transport(response)]
  }

  async teardown(uri = 'rtsp://h/', cseq = 9, status = '200 OK') {
    const [there, back] = this.#flow === SERVER_INSIDE ? (['in', 'out'] as const) : (['out', 'in'] as const)
    await this.say(there, text(`TEARDOWN ${uri} RTSP/1.0`, [`CSeq: ${cseq}`, 'Session: abc']))
    await this.say(back, text(`RTSP/1.0 ${status}`, [`CSeq: ${cseq}`]))
  }

  open(): string[] {
    const place = ({ address, port }: Endpoint) => `${address}:${port}`
    return this.pinholes.list().map(({ far, inside, outside }) => `${place(far)} ${place(inside)} ${outside.port}`)
  }
}

t.test('a client inside: ports are mapped out and back, the way follows the server, and is shut', async (t) => {
  const rtsp = new Connection()
  const [asked, granted] = await rtsp.setup(
    'RTP/AVP;unicast;client_port=4000-4001',
    'RTP/AVP;unicast;client_port=4000-4001;server_port=6970-6971;ssrc=1',
  )
  t.equal(asked, 'RTP/AVP;unicast;client_port=4000-4001')
  t.equal(granted, 'RTP/AVP;unicast;client_port=4000-4001;server_port=6970-6971;ssrc=1')
  t.same(rtsp.open(), [`${SERVER}:6970 ${PHONE}:4000 4000`])
  await rtsp.teardown()
  t.same(rtsp.open(), [])
  t.same(rtsp.kernel.expectationList(), [])
  t.same(rtsp.errors, [])
})

t.test(
  'the way stands for all ports of the server from the request on, and not longer than it is refused',
  async (t) => {
    const rtsp = new Connection()
    await rtsp.say('out', text('SETUP rtsp://h/1 RTSP/1.0', ['CSeq: 3', 'Transport: RTP/AVP;client_port=4000-4001']))
    t.same(rtsp.open(), [`${SERVER}:0 ${PHONE}:4000 4000`])
    await rtsp.say('in', text('RTSP/1.0 100 Continue', ['CSeq: 3']))
    await rtsp.say('in', text('RTSP/1.0 200 OK', ['CSeq: 7']))
    t.equal(rtsp.open().length, 1, 'that was no answer to it')
    await rtsp.say('in', text('RTSP/1.0 401 Unauthorized', ['CSeq: 3']))
    t.same(rtsp.open(), [])
  },
)

t.test('several transports: the one that is granted stays', async (t) => {
  const rtsp = new Connection()
  const offer = 'RTP/AVPF;client_port=4000-4001,RTP/AVP;client_port=5000-5001,RTP/AVP;client_port=4000-4001'
  await rtsp.setup(offer, 'RTP/AVP;client_port=5000-5001;server_port=6970-6971')
  t.same(rtsp.open(), [`${SERVER}:6970 ${PHONE}:5000 5000`])
  const other = new Connection()
  await other.setup(offer, 'RTP/AVP/TCP;interleaved=0-1')
  t.same(other.open(), [])
  const silent = new Connection()
  await silent.setup(offer, 'RTP/AVP;client_port=4000-4001')
  t.same(silent.open(), [`${SERVER}:0 ${PHONE}:4000 4000`], 'a server that does not say its ports')
})

t.test('another port, addresses in both syntaxes', async (t) => {
  const rtsp = new Connection()
  const other = flowOf(end('192.168.7.11', 50_000), end(GATEWAY, 20_001), end(SERVER, 554))
  const subject = { flow: other, way: 'out', length: 0, connection: {} } as const
  await rtsp.ways.decide(subject, (turn) =>
    turn.expectMedia({ from: { address: SERVER, port: 0 }, to: 4000, rtcpPort: 4001 }),
  )
  t.same(
    await rtsp.setup(
      `RTP/AVP;unicast;destination=${PHONE};client_port=4000-4001`,
      `RTP/AVP;unicast;destination=${GATEWAY};source=198.51.100.20;client_port=30000-30001;server_port=7000-7001`,
    ),
    [
      `RTP/AVP;unicast;destination=${GATEWAY};client_port=30000-30001`,
      `RTP/AVP;unicast;destination=${PHONE};source=198.51.100.20;client_port=4000-4001;server_port=7000-7001`,
    ],
  )
  t.same(rtsp.open()[1], `198.51.100.20:7000 ${PHONE}:4000 30000`, 'media from where the server says')
  t.same(
    await rtsp.setup(
      'RTP/AVP/UDP;dest_addr=":6000"/":6001"',
      `RTP/AVP/UDP;dest_addr="${GATEWAY}:6000"/"${GATEWAY}:6001";src_addr="192.168.0.1:7002"/"192.168.0.1:7003"`,
      { cseq: 4 },
    ),
    [
      'RTP/AVP/UDP;dest_addr=":6000"/":6001"',
      `RTP/AVP/UDP;dest_addr="${PHONE}:6000"/"${PHONE}:6001";src_addr="192.168.0.1:7002"/"192.168.0.1:7003"`,
    ],
  )
  t.same(rtsp.open()[2], `${SERVER}:7002 ${PHONE}:6000 6000`, 'a private source is behind the server')
  t.same(
    (await rtsp.setup(`RTP/AVP;dest_addr="${PHONE}:4000"/"${PHONE}:4001"`, 'RTP/AVP/TCP', { cseq: 5 }))[0],
    `RTP/AVP;dest_addr="${GATEWAY}:30000"/"${GATEWAY}:30001"`,
    'a stream that stands is offered with the ports it has',
  )
  t.equal(rtsp.open().length, 3, 'and stays when that leads to nothing')
})

t.test('what is left alone', async (t) => {
  for (const transport of [
    'RTP/AVP;multicast;client_port=4000-4001',
    'RTP/AVP/TCP;unicast;interleaved=0-1',
    'RTP/AVP;unicast;client_port=80-81',
    'RTP/AVP;unicast;client_port=4000-80',
    'RTP/AVP;unicast;destination=192.168.7.99;client_port=4000-4001',
    'RTP/AVP;unicast',
  ]) {
    const rtsp = new Connection()
    t.same(await rtsp.setup(transport, transport), [transport, transport])
    t.same(rtsp.open(), [], transport)
    t.same(rtsp.errors, [])
  }
})

t.test('one stream of a session, and the session', async (t) => {
  const rtsp = new Connection()
  for (const [port, cseq] of [
    [4000, 3],
    [4002, 4],
    [4004, 5],
  ] as const) {
    const transport = `RTP/AVP;client_port=${port}-${port + 1}`
    await rtsp.setup(transport, `${transport};server_port=6970-6971`, { cseq, uri: `rtsp://h/${port}` })
  }
  t.equal(rtsp.open().length, 3)
  await rtsp.teardown('rtsp://h/4002', 6)
  t.same(
    rtsp.open().map((it) => it.split(' ')[2]),
    ['4000', '4004'],
  )
  await rtsp.teardown('rtsp://h/', 7, '455 Method Not Valid')
  t.equal(rtsp.open().length, 2, 'refused')
  await rtsp.teardown('rtsp://h/', 8, '454 Session Not Found')
  t.same(rtsp.open(), [])
})

t.test('a server inside: its ports are mapped, and its URIs', async (t) => {
  const rtsp = new Connection(SERVER_INSIDE)
  t.same(
    await rtsp.setup(
      'RTP/AVP;unicast;client_port=4000-4001',
      `RTP/AVP;unicast;client_port=4000-4001;source=${PHONE};server_port=6970-6971`,
    ),
    [
      'RTP/AVP;unicast;client_port=4000-4001',
      `RTP/AVP;unicast;client_port=4000-4001;source=${GATEWAY};server_port=6970-6971`,
    ],
  )
  t.same(rtsp.open(), [`${SERVER}:4000 ${PHONE}:6970 6970`])
  const described = await rtsp.say('in', text(`DESCRIBE rtsp://user@${GATEWAY}/a RTSP/1.0`, ['CSeq: 1']))
  t.match(described, `DESCRIBE rtsp://user@${PHONE}:8554/a RTSP/1.0\r\n`)
  const response = await rtsp.say(
    'out',
    text('RTSP/1.0 200 OK', [
      'CSeq: 1',
      `Content-Base: rtsp://${PHONE}:8554/a/`,
      `RTP-Info: url=rtsp://${PHONE}:8554/a/1;seq=1,`,
      ` url=rtsp://${PHONE}:8555/a/2`,
      `Location: rtsp://other.example/`,
    ]),
  )
  t.match(response, `Content-Base: rtsp://${GATEWAY}:554/a/\r\n`)
  t.match(response, `RTP-Info: url=rtsp://${GATEWAY}:554/a/1;seq=1,\r\n url=rtsp://${PHONE}:8555/a/2\r\n`)
  t.match(response, 'Location: rtsp://other.example/\r\n')
  const sdp = (control: string) => `v=0\r\na=control:${control}/a\r\nm=audio 0 RTP/AVP 8\r\na=control:1\r\n`
  const description = (type: string, control: string) =>
    text('RTSP/1.0 200 OK', ['CSeq: 2', `Content-Type: ${type}`], sdp(control))
  const inner = `rtsp://${PHONE}:8554`
  t.equal(
    await rtsp.say('out', description('application/sdp', inner)),
    description('application/sdp', `rtsp://${GATEWAY}:554`),
    'and in descriptions, whose length follows',
  )
  t.equal(await rtsp.say('out', description('text/plain', inner)), description('text/plain', inner))
  await rtsp.teardown()
  t.same(rtsp.open(), [])
  t.same(rtsp.errors, [])
})

t.test('law: whatever messages say, nothing throws, and no edit meets another', async (t) => {
  const value = fc.oneof(
    fc.constantFrom('RTP/AVP', 'RTP/AVP/UDP', ';', ',', '"', '/', 'unicast', 'interleaved=0-1', 'destination='),
    fc.constantFrom(PHONE, GATEWAY, SERVER, '999.1.1.1', '::1', 'host', `source=${PHONE}`, `destination=${PHONE}`),
    fc.nat({ max: 70_000 }).map((port) => `client_port=${port}-${port + 1}`),
    fc.nat({ max: 70_000 }).map((port) => `server_port=${port}`),
    fc.nat({ max: 70_000 }).map((port) => `dest_addr=":${port}"/":${port + 1}"`),
    fc.nat({ max: 70_000 }).map((port) => `src_addr="${SERVER}:${port}"`),
    fc.string({ maxLength: 5 }),
  )
  const line = fc.tuple(
    fc.constantFrom('Transport', 'transport ', 'Session', 'RTP-Info', 'Location'),
    fc.array(value, { maxLength: 9 }),
  )
  const start = fc.constantFrom(
    'SETUP rtsp://h/1 RTSP/1.0',
    'TEARDOWN * RTSP/1.0',
    'RTSP/1.0 200 OK',
    'RTSP/1.0 461 No',
  )
  const message = fc.tuple(fc.constantFrom<Way>('out', 'in'), start, fc.array(line, { maxLength: 3 }))
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 6 }), fc.boolean(), async (messages, isServer) => {
      const rtsp = new Connection(isServer ? SERVER_INSIDE : CLIENT_INSIDE)
      for (const [way, startLine, lines] of messages) {
        const headers = lines.map(([name, parts]) => `${name}: ${parts.join(';').replace(/[\r\n]/g, '')}`)
        await rtsp.say(way, text(startLine, ['CSeq: 1', ...headers]))
      }
      const failures = rtsp.errors.filter((it) => !it.endsWith('-exhausted'))
      if (failures.length > 0) throw new Error(failures.join())
      await rtsp.ways.leave(rtsp.connection)
      if (rtsp.open().length > 0 || rtsp.ways.size > 0) throw new Error('ways are left')
    }),
    runs(200),
  )
  t.pass()
})

t.test('headers that would cost a careless reader hours', async (t) => {
  const spaces = ' '.repeat(60_000)
  const started = performance.now()
  for (const line of [
    `Content-Length:${spaces}x`,
    `Content-Length${spaces}`,
    `Transport:${spaces}x`,
    `Transport: ${'RTP/AVP;client_port=4000-4001,'.repeat(2000)}`,
    `RTP-Info: ${'rtsp://'.repeat(8000)}`,
    `Location: rtsp://${'x'.repeat(60_000)}`,
  ]) {
    const message = text('SETUP rtsp://h/ RTSP/1.0', ['CSeq: 1', line])
    frame(Buffer.from(message), 0, 'out')
    await new Connection().say('out', message)
  }
  t.ok(performance.now() - started < 10_000)
})
