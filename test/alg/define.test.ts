import t from 'tap'
import { definedSettings } from '../../lib/alg/define-options.js'
import { type AskedWay, ExpectedWays } from '../../lib/alg/expected-ways.js'
import { HelperTurn } from '../../lib/alg/helper-turn.js'
import { defineHelper } from '../../lib/index.js'
import type { DefineHelperOptions } from '../../types/define.js'
import type { Flow } from '../../types/flow.js'

const place = { inside: ['lan0'], outside: ['wan0'] }
const needed = { name: 'tftp', ports: [69], protocol: 'udp', ...place, onPacket: () => undefined } as const

t.test('options: defaults, and what is wrong', async (t) => {
  const { onPacket } = needed
  const budgets = { pinholes: 10_000, pinholesPerHost: 1000 }
  const rest = { ports: [69], netns: undefined, queue: 5080, leaseSec: 120, translation: 'auto', mediaPorts: undefined }
  t.same(definedSettings(needed), { name: 'tftp', protocol: 'udp', ...place, ...rest, budgets, onPacket })
  const wrong: readonly [object, RegExp][] = [
    [{ name: 'TFTP' }, /name/],
    [{ name: 'cone' }, /another helper's table/],
    [{ name: 'zone-7' }, /another helper's table/],
    [{ protocol: 'sctp' }, /protocol/],
    [{ ports: [] }, /ports/],
    [{ ports: [65_536] }, /ports/],
    [{ inside: ['lo'] }, /machine itself/],
    [{ inside: ['wan0'] }, /outside/],
    [{ onPacket: undefined }, /onPacket/],
    [{ budgets: { ways: 3 } }, /budgets.ways: unknown/],
    [{ budgets: { pinholes: 0 } }, /budgets.pinholes/],
    [{ leaseSec: 1 }, /leaseSec/],
    [{ translation: 'nat' }, /translation: "nat" is none of auto, function, maps/],
    [{ queue: 65_535 }, /queue/],
    [{ port: 69 }, /port: unknown/],
  ]
  for (const [options, message] of wrong)
    t.throws(() => defineHelper({ ...needed, ...options } as DefineHelperOptions), { code: 'ERR_CONFIG', message })
  const frame = () => ({ state: 'foreign' }) as const
  const onMessage = () => undefined
  const stream = { name: 'rtsp', ports: [554], protocol: 'tcp', ...place, frame, onMessage } as const
  t.match(definedSettings({ ...stream, media: { ports: [40_000, 40_099] } }), {
    mediaPorts: [40_000, 40_099],
    budgets: { ...budgets, messageBytes: 65_535, connections: 10_000, connectionsPerHost: 4096 },
    tcp: { port: 15_080, mark: 0xc8005080, table: 5080 },
  })
  const wrongStreams: readonly [object, RegExp][] = [
    [{ frame: undefined }, /frame/],
    [{ onMessage: 7 }, /onMessage/],
    [{ onPacket }, /onPacket: unknown/],
    [{ queue: 65_535 }, /queue/],
    [{ tcp: { port: 65_536 } }, /tcp.port/],
    [{ tcp: { proxy: 'on' } }, /tcp.proxy: unknown/],
    [{ budgets: { messageBytes: 0 } }, /budgets.messageBytes/],
    [{ media: { ports: [40_001, 40_002] } }, /media.ports/],
    [{ media: { source: 'exact' } }, /media.source: unknown/],
  ]
  for (const [options, message] of wrongStreams)
    t.throws(() => defineHelper({ ...stream, ...options } as DefineHelperOptions), { code: 'ERR_CONFIG', message })
  t.throws(() => defineHelper({ ...needed, frame } as DefineHelperOptions), { message: /frame: unknown/ })
  t.same(defineHelper(needed).status(), {
    isRunning: false,
    counters: {},
    sizes: { pinholes: 0, flows: 0 },
    queues: [],
    carrier: undefined,
    translation: undefined,
  })
})

const flowOf = (inside: string, outside: string, port = 3000): Flow => ({
  family: 4,
  binding: {
    transport: 'udp',
    inside: { address: inside, port },
    outside: { address: outside, port },
    implied: undefined,
  },
  peer: { address: '198.51.100.10', port: 69 },
})
const [A, B] = [flowOf('192.168.7.10', '198.51.100.1'), flowOf('192.168.7.11', '198.51.100.1')]
const SERVER = '198.51.100.10'
const expected = (port = 0, to = 3000, address: string | undefined = SERVER, lifetimeMs = 1000) => ({
  from: { address, port },
  to,
  transport: 'udp' as const,
  lifetimeMs,
  connection: undefined,
})
const anybody = { ...expected(), from: { address: undefined, port: 0 } }

t.test('ways: narrower ones make room, wider ones serve, lifetimes are the longest', async (t) => {
  const ways = new ExpectedWays({ pinholes: 9, pinholesPerHost: 9 }, undefined)
  const [one, two] = [ways.ask(A, expected(5), 0), ways.ask(A, expected(6, 3000, SERVER, 7000), 0)] as AskedWay[]
  t.equal(ways.size, 2)
  const wide = ways.ask(A, expected(), 0) as AskedWay
  t.same(wide.replaced, [one!.way, two!.way])
  t.equal(wide.way.endsAt, 7000)
  const again = ways.ask(A, expected(5), 8000) as AskedWay
  t.match(again, { way: wide.way, isNew: false })
  t.equal(wide.way.endsAt, 9000)
  const widest = ways.ask(A, anybody, 0) as AskedWay
  t.same(widest.replaced, [wide.way])
  ways.takeBack(widest)
  t.same(ways.all(), [wide.way])
  ways.takeBack(again)
  t.same(ways.all(), [wide.way], 'what was not new stays')
  t.same(ways.due(8999), [])
  t.same(ways.due(9000), [wide.way])
  ways.remove(wide.way)
  ways.remove(wide.way)
  t.equal(ways.size, 0)
})

t.test('ways: no two hosts at one outside endpoint for one source', async (t) => {
  const ways = new ExpectedWays({ pinholes: 1000, pinholesPerHost: 1000 }, undefined)
  ways.ask(A, expected(), 0)
  t.equal(ways.ask(B, expected(), 0), 'outside-taken')
  t.equal(ways.ask(B, anybody, 0), 'outside-taken')
  t.equal(typeof ways.ask(B, expected(0, 3000, '198.51.100.20'), 0), 'object', 'another source')
  const portOf = (flow: Flow, to: number) => (ways.ask(flow, expected(0, to), 0) as AskedWay).way.path.outside.port
  t.equal(portOf(A, 5000), 5000)
  t.equal(portOf(A, 5000), 5000, 'the same again')
  t.equal(portOf(B, 5000), 5001)
  const routed = flowOf('203.0.113.10', '203.0.113.10')
  t.equal(portOf(routed, 5000), 5000)
  t.equal(portOf(A, 65_535), 65_535)
  t.equal(ways.ask(B, expected(0, 65_535), 0), 'outside-taken', 'no port behind the last')
})

t.test('a turn: edits in order, misuse, and its end', async (t) => {
  const asked: unknown[] = []
  const way = { ...A.binding.outside, close: () => undefined }
  const expect = (it: unknown) => {
    asked.push(it)
    return way
  }
  const finder = { expect, expectMedia: () => undefined }
  const turn = new HelperTurn({ flow: A, way: 'out', length: 10, connection: undefined, finder })
  turn.replace({ start: 4, end: 6 }, '\u00e9')
  turn.replace({ start: 0, end: 2 }, new Uint8Array([255]))
  turn.replace({ start: 4, end: 4 }, 'in')
  t.same(turn.edits(), [
    { start: 0, end: 2, text: '\u00ff' },
    { start: 4, end: 4, text: 'in' },
    { start: 4, end: 6, text: '\u00c3\u00a9' },
  ])
  const misuse = { code: 'ERR_ARGUMENT' }
  for (const [start, end] of [
    [5, 7],
    [1, 3],
    [0, 10],
    [9, 11],
    [8, 7],
    [-1, 0],
    [6.5, 7],
  ])
    t.throws(() => turn.replace({ start: start!, end: end! }, ''), misuse, `${start} to ${end}`)
  t.equal(turn.edits().length, 3)
  const from = { address: SERVER, port: 0 }
  t.same(turn.expect({ from, to: 3000, lifetimeSec: 1 }), way)
  t.same(asked, [expected()])
  for (const wrong of [
    { from: { address: '2001:db8::1', port: 0 }, to: 3000, lifetimeSec: 1 },
    { from: { address: '198.51.100.0/24', port: 0 }, to: 3000, lifetimeSec: 1 },
    { from: { address: undefined, port: 5 }, to: 3000, lifetimeSec: 1 },
    { from: { address: SERVER, port: 65_536 }, to: 3000, lifetimeSec: 1 },
    { from, to: 1023, lifetimeSec: 1 },
    { from, to: 3000, lifetimeSec: 0 },
    { from, to: 3000, lifetimeSec: 86_401 },
  ])
    t.throws(() => turn.expect(wrong), misuse, JSON.stringify(wrong))
  const noLifetime = { message: /undefined is not 1 to 86400 seconds/ }
  t.throws(() => turn.expect({ from, to: 3000 }), noLifetime, 'a datagram has no connection')
  turn.end()
  t.throws(() => turn.drop(), { message: /has returned/ })
  t.throws(() => turn.replace({ start: 9, end: 9 }, ''), misuse)
  t.throws(() => turn.expect({ from, to: 3000, lifetimeSec: 1 }), misuse)
  t.equal(turn.isDropped, false)
})
