import t from 'tap'
import { Counters } from '../../lib/alg/counters.js'
import { type AskedWay, type ExpectedStream, ExpectedWays } from '../../lib/alg/expected-ways.js'
import type { HelperTurn } from '../../lib/alg/helper-turn.js'
import { type Decided, HelperWays, type Subject } from '../../lib/alg/helper-ways.js'
import { Pinholes } from '../../lib/alg/pinholes.js'
import { FakeConntrack } from '../../lib/testing/index.js'
import type { ExpectedMedia, MediaWay } from '../../types/define.js'
import type { Flow } from '../../types/flow.js'

const [SERVER, OTHER, OUTSIDE] = ['198.51.100.10', '198.51.100.20', '198.51.100.1']
const flowOf = (inside: string, outside = OUTSIDE): Flow => ({
  family: 4,
  binding: {
    transport: 'tcp',
    inside: { address: inside, port: 50_000 },
    outside: { address: outside, port: 50_000 },
    implied: undefined,
  },
  peer: { address: SERVER, port: 554 },
})
const [A, B] = [flowOf('192.168.7.10'), flowOf('192.168.7.11')]
const stream = (from: Partial<ExpectedStream['from']>, connection: object | undefined, to = 4000): ExpectedStream => ({
  from: { address: SERVER, port: 0, rtcpPort: 0, ...from },
  to,
  rtcpPort: to + 1,
  lifetimeMs: 0,
  connection,
})

t.test('media: outside ports are leased in pairs, kept as the far end becomes known, and given back', async (t) => {
  const ways = new ExpectedWays({ pinholes: 9, pinholesPerHost: 9 }, undefined)
  const [one, two] = [{}, {}]
  const early = ways.askMedia(A, stream({}, one), 0) as AskedWay
  t.match(early, { isNew: true, replaced: [] })
  t.match(early.way.path, { outside: { address: OUTSIDE, port: 4000 }, inbound: true, outbound: false, early: true })
  t.equal((ways.askMedia(A, stream({}, one), 0) as AskedWay).way, early.way, 'the same again')
  const other = ways.askMedia(B, stream({}, two), 0) as AskedWay
  t.equal(other.way.path.outside.port, 30_000, 'the port is taken')
  const known = ways.askMedia(A, stream({ port: 6970, rtcpPort: 6971 }, one), 0) as AskedWay
  t.same(known.replaced, [early.way])
  t.equal(known.way.path.local, early.way.path.local)
  t.match(known.way.path, { outbound: true, far: { port: 6970 }, farRtcp: { port: 6971 } })
  const moved = ways.askMedia(A, stream({ address: OTHER, port: 5000, rtcpPort: 5001 }, one), 0) as AskedWay
  t.same(moved.replaced, [known.way], 'a connection has one stream at a port')
  const second = ways.askMedia(A, stream({ port: 6970, rtcpPort: 6971 }, two), 0) as AskedWay
  t.same(second.replaced, [], 'another connection, from elsewhere: beside it')
  t.equal(ways.size, 3)
  ways.takeBack(second)
  ways.takeBack(moved)
  t.same(new Set(ways.all()), new Set([other.way, known.way]))
  ways.remove(known.way)
  ways.remove(other.way)
  t.equal(ways.size, 0)
  const again = ways.askMedia(B, stream({}, two), 0) as AskedWay
  t.equal(again.way.path.outside.port, 4000, 'everything was given back')
})

t.test('media: no translation keeps the ports; none left, budgets', async (t) => {
  const routed = flowOf('203.0.113.10', '203.0.113.10')
  const ways = new ExpectedWays({ pinholes: 9, pinholesPerHost: 2 }, [40_000, 40_003])
  const portOf = (flow: Flow, to: number) => {
    const answer = ways.askMedia(flow, stream({}, {}, to), 0)
    return typeof answer === 'string' ? answer : answer.way.path.outside.port
  }
  t.equal(portOf(routed, 4000), 4000)
  t.equal(portOf(A, 4000), 40_000)
  t.equal(portOf(A, 5000), 40_002)
  t.equal(portOf(A, 6000), 'ports-exhausted')
  ways.remove(ways.all().at(-1)!)
  t.equal(portOf(A, 40_002), 40_002)
  ways.remove(ways.all().at(-1)!)
  t.equal(portOf(B, 4000), 40_002)
  t.equal(portOf(routed, 5000), 5000)
  t.equal(portOf(routed, 6000), 'host-pinholes-exhausted')
})

t.test('a way stands as long as its connection, and as long as its lifetime', async (t) => {
  const ways = new ExpectedWays({ pinholes: 9, pinholesPerHost: 9 }, undefined)
  const [one, two] = [{}, {}]
  const { way } = ways.askMedia(A, stream({}, one), 0) as AskedWay
  t.same(ways.due(1e9), [], 'while the connection lasts')
  ways.askMedia(A, stream({}, two), 1000)
  ways.leave(one)
  t.same(ways.due(1e9), [], 'the connection that asked last')
  ways.askMedia(A, { ...stream({}, undefined), lifetimeMs: 5000 }, 1000)
  ways.leave(two)
  t.same(ways.due(5999), [])
  t.same(ways.due(6000), [way])
  const narrow = {
    from: { address: SERVER, port: 7 },
    to: 5000,
    transport: 'udp',
    lifetimeMs: 0,
    connection: one,
  } as const
  ways.ask(A, narrow, 0)
  const wide = ways.ask(
    A,
    { ...narrow, from: { address: SERVER, port: 0 }, lifetimeMs: 1000, connection: undefined },
    0,
  )
  t.same(ways.due(2000), [], 'what takes the place of a way stands as long as that')
  ways.leave(one)
  t.same(ways.due(2000), [(wide as AskedWay).way])
})

/** Helper ways over the fake kernel. */
class Box {
  readonly kernel = new FakeConntrack()
  readonly refused: string[] = []
  readonly errors: string[] = []
  readonly counters = new Counters()
  readonly ways: HelperWays

  constructor(pinholes = 9) {
    this.ways = new HelperWays({
      budgets: { pinholes, pinholesPerHost: 9 },
      mediaPorts: undefined,
      counters: this.counters,
      onWays: () => undefined,
      onRefused: (reason) => void this.refused.push(reason),
      onError: ({ message }) => void this.errors.push(message),
    })
    const carrier = { name: 'sip', timeoutSec: undefined } as const
    this.ways.serve(new Pinholes({ kernel: this.kernel, carrier, leaseSec: 60 }))
  }

  decide(handle: (turn: HelperTurn) => unknown, flow = A, connection: object = this): Promise<Decided> {
    const subject: Subject = { flow, way: 'out', length: 10, connection }
    return Promise.resolve(this.ways.decide(subject, handle))
  }

  get expectations(): number {
    return this.kernel.expectationList().length
  }
}

const MEDIA: ExpectedMedia = { from: { address: SERVER, port: 6970 }, to: 4000, rtcpPort: 4001 }

t.test('a port that the kernel will not have: the next one is what the message says', async (t) => {
  const [rival, box] = [new Box(), new Box()]
  Object.defineProperty(box, 'kernel', { value: rival.kernel })
  const carrier = { name: 'sip', timeoutSec: undefined } as const
  box.ways.serve(new Pinholes({ kernel: rival.kernel, carrier, leaseSec: 60, firstAnchor: 7000 }))
  await rival.decide((turn) => turn.expectMedia(MEDIA), B)
  let way: MediaWay | undefined
  const { edits } = await box.decide((turn) => {
    way = turn.expectMedia(MEDIA)
    turn.replace({ start: 0, end: 4 }, `${way!.port}`)
    turn.replace({ start: 5, end: 9 }, () => `${way!.port}-${way!.rtcpPort}`)
  })
  t.same(edits, [
    { start: 0, end: 4, text: '4000' },
    { start: 5, end: 9, text: '30000-30001' },
  ])
  t.same(box.refused, [])
  const again = await box.decide((turn) => {
    const { from } = MEDIA
    const same = turn.expectMedia({ ...MEDIA, from: { ...from, port: 7000 } })
    turn.replace({ start: 0, end: 1 }, () => `${same!.port}`)
  })
  t.same(again.edits, [{ start: 0, end: 1, text: '30000' }], 'what was announced stays')
  way!.close()
  t.equal(box.ways.size, 1, 'a way that another has replaced cannot be shut')
  const elsewhere = { from: { address: OTHER, port: 0 }, to: 30_000, rtcpPort: 30_001 }
  await rival.decide((turn) => turn.expectMedia(elsewhere), B)
  const told = await box.decide((turn) => {
    const moved = turn.expectMedia({ ...MEDIA, from: elsewhere.from })
    turn.replace({ start: 0, end: 1 }, () => `${moved!.port}`)
  })
  t.same(told.edits, [{ start: 0, end: 1, text: '30000' }], 'even where the kernel refuses it')
  t.same(box.refused, ['ports-exhausted'])
})

t.test('drop, close, failure: nothing opens; a handle shuts', async (t) => {
  const box = new Box()
  const ask = (turn: HelperTurn) => turn.expectMedia(MEDIA)!
  for (const [end, verdict] of [
    ['drop', 'drop'],
    ['close', 'close'],
  ] as const) {
    const decided = await box.decide((turn) => {
      ask(turn)
      turn[end]()
    })
    t.match(decided, { verdict })
  }
  const fails = (turn: HelperTurn) => {
    ask(turn)
    throw new Error('thrown')
  }
  t.same(await box.decide(fails), { verdict: 'pass', edits: [] })
  t.equal(box.expectations, 0)
  t.equal(box.ways.size, 0)
  let way: MediaWay | undefined
  const late = (turn: HelperTurn) => {
    way = ask(turn)
    turn.replace({ start: 0, end: 1 }, () => {
      throw new Error('later')
    })
  }
  t.same(await box.decide(late), { verdict: 'pass', edits: [] }, 'it passes as it is')
  t.same(box.errors, ['thrown', 'later'])
  t.equal(box.expectations, 6)
  way!.close()
  way!.close()
  t.equal(box.ways.size, 0)
  t.equal(box.expectations, 0)
  t.match(box.counters.snapshot(), { dropped: 2, failed: 2 })
})

t.test('the end of a connection', async (t) => {
  const box = new Box()
  const [one, two] = [{}, {}]
  await box.decide((turn) => turn.expectMedia(MEDIA), A, one)
  await box.decide((turn) => turn.expect({ from: { address: SERVER, port: 0 }, to: 5000 }), A, two)
  await box.decide((turn) => turn.expect({ from: { address: SERVER, port: 0 }, to: 5000, transport: 'udp' }), B, one)
  t.equal(box.expectations, 8)
  await box.ways.leave(one)
  t.equal(box.expectations, 1)
  await box.ways.leave(two)
  t.equal(box.expectations, 0)
})

t.test('misuse', async (t) => {
  const box = new Box()
  const { from } = MEDIA
  const wrong: readonly Partial<ExpectedMedia>[] = [
    { from: { address: 'server.example', port: 0 } },
    { from: { address: '2001:db8::1', port: 0 } },
    { from: { ...from, port: 65_535 } },
    { from: { ...from, rtcpPort: -1 } },
    { to: 80 },
    { rtcpPort: 80 },
    { rtcpPort: 4000 },
    { lifetimeSec: 0 },
  ]
  const caught: unknown[] = []
  await box.decide((turn) => {
    for (const it of wrong) {
      try {
        turn.expectMedia({ ...MEDIA, ...it })
      } catch (error) {
        caught.push((error as { code?: string }).code)
      }
    }
  })
  t.same(
    caught,
    wrong.map(() => 'ERR_ARGUMENT'),
  )
})
