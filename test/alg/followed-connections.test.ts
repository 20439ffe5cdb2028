import t from 'tap'
import { FollowedConnections, type FollowedConnectionsOptions } from '../../lib/alg/followed-connections.js'
import { locateSegment } from '../../lib/packet/index.js'
import { SipStream } from '../../lib/sip/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import type { QueuedPacket, VerdictOptions } from '../../types/nfqueue.js'
import type { SipMessage } from '../../types/sip.js'
import { message } from '../follow/world.js'
import { type SegmentFields, tcpPacket } from '../packet/segments.js'

const [FIN, SYN, RST, ACK, URG] = [1, 2, 4, 16, 32]
const INSIDE = '192.0.2.'
const settled = () => new Promise((resolve) => setImmediate(resolve))

interface WorldOptions extends Partial<FollowedConnectionsOptions<SipMessage>> {
  /** Judgements are given when the test says so. */
  readonly isPatient?: boolean
}

/** Connections that go by, with what is asked of their surroundings. */
class World {
  readonly counts: string[] = []
  readonly judged: string[] = []
  readonly closed: string[] = []
  readonly known = new Set<string>()
  readonly connections: FollowedConnections<SipMessage>
  now = 1_000_000
  #dones: ((verdict: 'pass' | 'reset') => void)[] = []

  constructor({ isPatient = false, ...options }: WorldOptions = {}) {
    this.connections = new FollowedConnections<SipMessage>({
      wayOf: ({ indev, outdev }) => (indev === outdev ? undefined : indev === 1 ? 'out' : 'in'),
      limits: { connections: 10, hostConnections: 3, hostBytes: 100_000 },
      policy: { foreign: 'accept', malformed: 'accept', failure: 'accept' },
      cut: () => new SipStream({ maxBytes: 65_535 }),
      attend: ({ client }) => ({
        judge: ({ callId }, way, done) => {
          this.judged.push(`${callId} ${way}`)
          if (isPatient) this.#dones.push(done)
          else done(callId === '666' ? 'reset' : 'pass')
        },
        close: () => this.closed.push(client.address),
      }),
      get: async ({ source, destination }) => {
        const original = { family: 4, protocol: 6, source: destination, destination: source } as const
        return this.known.has(destination.address)
          ? { original, reply: { ...original, source, destination } }
          : undefined
      },
      now: () => this.now,
      count: (reason) => this.counts.push(reason),
      onError: ({ message }) => this.counts.push(message),
      ...options,
    })
  }

  /** What becomes of a packet: its verdict, with what leaves in its place, or `later` with nothing yet. */
  packet(from: Endpoint, to: Endpoint, fields: SegmentFields, way?: Way): string[] {
    const verdicts: string[] = []
    const payload = tcpPacket(from, to, fields)
    const isOut = way === undefined ? from.address.startsWith(INSIDE) : way === 'out'
    const packet = { payload, indev: isOut ? 1 : 2, outdev: isOut ? 2 : 1 } as QueuedPacket
    const queued = { ...packet, detach: () => ({ ...packet, payload: Uint8Array.from(payload) }) } as QueuedPacket
    this.connections.handle(queued, {
      verdict: (_packet: QueuedPacket, kind: string, options?: VerdictOptions) =>
        void verdicts.push(options?.payload ? replacement(options.payload) : kind),
    })
    payload.fill(0)
    return verdicts
  }

  judge(verdict: 'pass' | 'reset' = 'pass'): void {
    this.#dones.shift()!(verdict)
  }
}

function replacement(payload: Uint8Array): string {
  const { flags, sequence, data } = locateSegment(payload)!
  const name = flags & RST ? 'reset' : flags & SYN ? 'syn' : 'acknowledgment'
  return `${name} ${sequence} ${data.end - data.start}`
}

let lastPort = 40_000

/** A connection whose both ends have shaken hands. */
class Line {
  readonly world: World
  readonly client: Endpoint
  readonly server: Endpoint
  readonly next: Record<'client' | 'server', number>

  constructor(world: World, { first = 1000, by = '198.51.100.20', port = ++lastPort, to = '192.0.2.10' } = {}) {
    this.world = world
    this.client = { address: by, port }
    this.server = { address: to, port: 5060 }
    this.next = { client: (first + 1) >>> 0, server: 5001 }
    world.packet(this.client, this.server, { sequence: first, flags: SYN })
    world.packet(this.server, this.client, { sequence: 5000, acknowledgment: this.next.client, flags: SYN | ACK })
    this.say('client', '')
  }

  /** Sends what comes next, or again what was sent before. */
  say(
    who: 'client' | 'server',
    text: string,
    { flags = 0, back = 0, way = undefined as Way | undefined } = {},
  ): string[] {
    const [from, to] = who === 'client' ? [this.client, this.server] : [this.server, this.client]
    const sequence = (this.next[who] - back) >>> 0
    const acknowledgment = this.next[who === 'client' ? 'server' : 'client']
    const length = text.length + (flags & FIN ? 1 : 0)
    this.next[who] = (this.next[who] + Math.max(0, length - back)) >>> 0
    return this.world.packet(from, to, { sequence, acknowledgment, flags: ACK | flags, text }, way)
  }
}

t.test('messages are judged, and go on as they are, whoever asked for the connection', async (t) => {
  const world = new World()
  for (const [by, to] of [
    ['198.51.100.20', '192.0.2.10'],
    ['192.0.2.10', '198.51.100.20'],
  ] as const) {
    const line = new Line(world, { first: 0xffffffff, by, to })
    t.same(line.say('client', message(1)), ['accept'])
    t.same(line.say('server', message(2)), ['accept'])
    t.equal(world.connections.size.connections, 1)
    t.same(line.say('client', '', { flags: FIN }), ['accept'])
    t.same(line.say('server', '', { flags: FIN }), ['accept'])
    line.say('client', '')
    t.match(world.connections.size, { connections: 0, connecting: 0, heldBytes: 0 })
  }
  t.same(world.judged, ['1 in', '2 out', '1 out', '2 in'])
  t.same(world.closed, ['198.51.100.20', '192.0.2.10'])
})

t.test('what completes a message waits for its judgement', async (t) => {
  const world = new World({ isPatient: true })
  const line = new Line(world)
  const first = message(1)
  t.same(line.say('client', first.slice(0, 30)), ['accept'])
  const rest = line.say('client', first.slice(30))
  const behind = line.say('client', '\r\n\r\n')
  t.same([rest, behind], [[], []])
  t.same(line.say('client', first.slice(30), { back: first.length - 30 + 4 }), ['drop'], 'sent again meanwhile')
  t.same(line.say('server', ''), ['accept'], 'nothing is in it')
  t.ok(world.connections.size.heldBytes > 0)
  world.judge()
  t.same([rest, behind], [['accept'], ['accept']])
  line.say('server', '')
  t.equal(world.connections.size.heldBytes, 0)
})

t.test('a connection that is to end: both ends are told, however often it takes', async (t) => {
  const world = new World()
  const line = new Line(world)
  const start = line.next.client
  const text = message(1) + message(666)
  t.same(line.say('client', text.slice(0, -4)), ['accept'])
  const cut = start + text.length - 4
  t.same(line.say('client', text.slice(-4)), [`reset ${cut} 0`], 'where the server is')
  t.same(line.say('client', text.slice(-4), { back: 4 }), [`acknowledgment ${cut} 0`], 'who is gone answers to that')
  t.same(line.say('client', text.slice(-4), { back: 4 }), [`reset ${cut} 0`])
  t.same(line.say('server', message(3)), ['reset 5001 0'])
  t.same(line.say('server', '', { flags: RST }), ['accept'])
  world.connections.tick()
  t.equal(world.connections.size.connections, 1)
  world.now += 2500
  world.connections.tick()
  t.equal(world.connections.size.connections, 0)
  t.same(world.judged, ['1 in', '666 in'], 'the server was not listened to')
  t.same(world.counts, ['tcp-connections', 'tcp-reset'])
})

t.test('the same when the judgement comes later', async (t) => {
  const world = new World({ isPatient: true })
  const line = new Line(world)
  const held = [line.say('client', message(1)), line.say('client', message(2)), line.say('server', message(3))]
  world.judge('reset')
  t.same(held, [['reset 1001 0'], ['drop'], ['reset 5001 0']])
  world.judge()
  t.same(world.judged, ['1 in', '3 out'])
  t.equal(world.connections.size.heldBytes, 0)
})

t.test('what is not SIP, or breaks it, or TCP, is left alone, or reset', async (t) => {
  const register = message(9)
  const cases: readonly (readonly [string, (line: Line) => string[]])[] = [
    ['not-sip', (line) => line.say('client', `POST / HTTP/1.1\r\n\r\n${register}`)],
    ['header-line', (line) => line.say('client', 'OPTIONS sip:a@b SIP/2.0\r\nbroken\r\n\r\n')],
    ['tcp-urgent', (line) => line.say('client', 'OPTIONS', { flags: URG })],
    [
      'tcp-conflict',
      (line) => {
        const { world, client, server } = line
        const sequence = line.next.client + 2
        world.packet(client, server, { sequence, acknowledgment: 5001, flags: ACK, text: 'TIONS sip' })
        return world.packet(client, server, { sequence, acknowledgment: 5001, flags: ACK, text: 'FIONS sip' })
      },
    ],
  ]
  for (const [reason, does] of cases) {
    const world = new World()
    const line = new Line(world)
    t.same(does(line), ['accept'], reason)
    t.same(line.say('client', register), ['accept'])
    t.same(line.say('server', register), ['accept'])
    t.same(world.counts, ['tcp-connections', reason])
    t.same([world.judged, world.connections.size.connections], [[], 0], 'nothing is read any more')
    const strict = new World({ policy: { foreign: 'drop', malformed: 'drop', failure: 'accept' } })
    t.match(does(new Line(strict)), [/^reset 1001 0$/], `${reason}, by policy`)
    t.same(strict.counts, ['tcp-connections', reason, 'tcp-reset'])
  }
})

t.test('what went by unseen ends the following, and nothing else', async (t) => {
  const world = new World({ policy: { foreign: 'drop', malformed: 'drop', failure: 'accept' } })
  const line = new Line(world)
  line.next.client += 100
  t.same(line.say('server', ''), ['accept'])
  t.same(line.say('client', message(1)), ['accept'])
  t.same([world.judged, world.counts], [[], ['tcp-connections', 'tcp-unseen']])
})

t.test('by policy what cannot be followed does not go on', async (t) => {
  const world = new World({ policy: { foreign: 'accept', malformed: 'accept', failure: 'drop' } })
  const line = new Line(world)
  line.next.client += 100
  t.same(line.say('server', ''), ['reset 5001 0'])
  t.same(world.counts, ['tcp-connections', 'tcp-unseen', 'tcp-reset'])
  for (let i = 0; i < 2; i++) new Line(world)
  const [client, server] = [{ ...line.client, port: 1 }, line.server]
  for (let i = 0; i < 2; i++) {
    t.same(world.packet(client, server, { sequence: 1, flags: SYN }), ['accept'])
    const answer = { sequence: 50, acknowledgment: 2, flags: SYN | ACK }
    t.same(world.packet(server, client, answer), ['drop'], 'one too many, however often it is answered')
    t.same(world.packet(server, client, answer), ['drop'])
  }
})

t.test('only what was seen from its beginning is followed', async (t) => {
  const world = new World()
  const [client, server] = [
    { address: '198.51.100.20', port: 1 },
    { address: '192.0.2.10', port: 5060 },
  ]
  const data = { sequence: 11, acknowledgment: 51, flags: ACK, text: message(1) }
  t.same(world.packet(client, server, data), ['accept'])
  const answer = { sequence: 50, acknowledgment: 11, flags: SYN | ACK }
  world.packet(server, client, answer)
  t.same(world.packet(client, server, data), ['accept'], 'an answer to nothing')
  world.packet(client, server, { sequence: 9, flags: SYN })
  world.packet(server, client, answer)
  world.packet(client, server, data)
  t.same([world.judged, world.connections.size.connections], [[], 0], 'an answer to something else')
  world.packet(client, server, { sequence: 10, flags: SYN })
  world.packet(server, client, answer, 'in')
  world.packet(client, server, data)
  t.same(world.judged, [], 'an answer from the side that asked')
  world.packet(server, client, answer)
  t.same(world.packet(client, server, { ...data, text: message(2) }, 'out'), ['accept'])
  t.same(world.judged, [], 'what does not come by its sender')
  world.packet(client, server, data)
  t.same(world.judged, ['1 in'])
  t.same(
    world.packet({ ...client, port: 2 }, server, { sequence: 1, flags: SYN, text: 'x' }),
    ['syn 1 0'],
    'said again later',
  )
})

t.test('ports used again: the next connection begins when the server has answered', async (t) => {
  const world = new World()
  const line = new Line(world, { port: 7 })
  line.say('client', message(1).slice(0, 20))
  const { client, server } = line
  world.packet(client, server, { sequence: 90_000, flags: SYN })
  line.say('client', message(1).slice(20))
  t.same(world.judged, ['1 in'], 'a SYN alone ends nothing')
  world.packet(server, client, { sequence: 70_000, acknowledgment: 90_001, flags: SYN | ACK })
  world.packet(client, server, { sequence: 90_001, acknowledgment: 70_001, flags: ACK, text: message(2) })
  t.same(world.judged, ['1 in', '2 in'])
  world.packet(client, server, { sequence: 90_000, flags: SYN })
  world.packet(server, client, { sequence: 80_000, acknowledgment: 90_001, flags: SYN | ACK })
  world.packet(server, client, { sequence: 70_001, acknowledgment: 90_001, flags: ACK, text: message(3) })
  t.same(world.judged, ['1 in', '2 in', '3 out'], 'an answer that the client will not believe')
  t.equal(world.connections.size.connections, 1)
})

t.test('a reset that was not believed ends nothing', async (t) => {
  const world = new World()
  const line = new Line(world)
  line.say('server', '', { flags: RST })
  world.now += 1000
  line.say('client', message(1))
  world.now += 2000
  world.connections.tick()
  line.say('client', message(2))
  t.same(world.judged, ['1 in', '2 in'])
})

t.test('budgets: connections of a host and in all, bytes of a host', async (t) => {
  const world = new World()
  for (let i = 0; i < 4; i++) new Line(world)
  t.equal(world.connections.size.connections, 3)
  for (let host = 1; host < 10; host++) new Line(world, { by: `198.51.100.${host}` })
  t.equal(world.connections.size.connections, 10)
  t.same(
    world.counts.filter((it) => it !== 'tcp-connections'),
    ['tcp-host-exhausted', 'tcp-connections-exhausted', 'tcp-connections-exhausted'],
  )
  const patient = new World()
  for (let i = 0; i < 5; i++) {
    const line = new Line(patient)
    line.say('client', '', { flags: FIN })
    line.say('server', '', { flags: FIN })
    line.say('client', '')
  }
  t.same(new Set(patient.counts), new Set(['tcp-connections']), 'one that is over counts no more')
  const greedy = new World()
  const lines = [new Line(greedy), new Line(greedy)]
  const text = message(1, 60_000).slice(0, 30_000)
  t.same(lines[0]!.say('client', text), ['accept'])
  t.match(lines[1]!.say('client', text), [/reset/])
  t.same(greedy.counts.slice(2), ['tcp-bytes-exhausted', 'tcp-reset'])
  t.ok(greedy.connections.size.heldBytes < 70_000)
})

t.test(
  'who goes without a word is forgotten when conntrack has forgotten him; what does not go on, after five minutes',
  async (t) => {
    const world = new World()
    const [idle, gone] = [new Line(world), new Line(world, { by: '198.51.100.21' })]
    world.known.add(idle.client.address)
    world.now += 121_000
    world.connections.tick()
    await settled()
    t.same(world.closed, [gone.client.address])
    for (let at = 0; at < 60; at += 20) {
      idle.say('client', message(1).slice(at, at + 20))
      world.now += 299_000
      world.connections.tick()
      t.equal(world.connections.size.connections, 1)
    }
    world.now += 2000
    world.connections.tick()
    t.same([world.counts.at(-1), world.connections.size.connections], ['message-unfinished', 0])
    const { client } = idle
    world.packet({ ...client, port: 3 }, idle.server, { sequence: 1, flags: SYN })
    t.equal(world.connections.size.connecting, 1)
    world.now += 181_000
    world.connections.tick()
    t.equal(world.connections.size.connecting, 0)
  },
)

t.test('closed: what waits goes on', async (t) => {
  const world = new World({ isPatient: true })
  const line = new Line(world)
  const held = line.say('client', message(1))
  world.connections.close()
  t.same(held, ['accept'])
  t.match(world.connections.size, { connections: 0, connecting: 0, heldBytes: 0 })
  world.judge()
  t.same(line.say('client', message(2)), ['accept'])
  t.same(world.judged, ['1 in'])
})
