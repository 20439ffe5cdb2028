import { createServer } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { prometheus, serveMetrics } from '../../lib/metrics/index.js'
import type { HelperStatus } from '../../types/helper.js'

const queue = {
  number: 5060,
  received: 7,
  bytes: 700,
  batches: 3,
  verdicts: 7,
  verdictErrors: 0,
  overruns: 0,
  queueDropped: Number.NaN,
  userDropped: 0,
}

const status: HelperStatus = {
  isRunning: true,
  counters: {
    requests: 4,
    responses: 3,
    rewritten: 5,
    'pinholes-opened': 2,
    'pinholes-closed': 1,
    'refused-port-reserved': 1,
    'repaired-table': 1,
    errors: 0,
    'keep-alive': 6,
    'odd "name"\\\n': 1,
  },
  sizes: { calls: 1, signallingFlows: 2 },
  queues: [queue, { ...queue, number: 5061 }],
  carrier: 'sip',
  translation: 'maps',
  conntrackDelivered: false,
  tcp: { isProxied: false, isFollowed: false, why: 'off' },
}

/** The format's grammar, line by line (Prometheus, "Text-based format"). */
const HELP = /^# HELP ([a-z_]+) .+$/
const TYPE = /^# TYPE ([a-z_]+) (counter|gauge)$/
const SAMPLE =
  /^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\n"])*")*\})? (-?\d+(\.\d+)?|NaN|\+Inf|-Inf)$/

t.test('every line is of the format, every sample has its help and type, once', async (t) => {
  const text = prometheus(status)
  t.ok(text.endsWith('\n'))
  const seen = new Set<string>()
  let [helped, typed, type] = ['', '', '']
  for (const line of text.trimEnd().split('\n')) {
    const help = HELP.exec(line)
    const declared = TYPE.exec(line)
    const sample = SAMPLE.exec(line)
    if (help) {
      helped = help[1]!
      t.notOk(seen.has(helped), `${helped} once`)
      seen.add(helped)
    } else if (declared) [typed, type] = [declared[1]!, declared[2]!]
    else if (sample) {
      t.same([helped, typed], [sample[1], sample[1]])
      t.match(sample[1], /^cthelper_/)
      t.equal(sample[1]!.endsWith('_total'), type === 'counter', 'counters end in _total, and they alone')
    } else t.fail(`no line of the format: ${line}`)
  }
})

const wanted = [
  'cthelper_up 1',
  'cthelper_info{carrier="sip",translation="maps",conntrack_delivered="false"} 1',
  'cthelper_calls 1',
  'cthelper_signalling_flows 2',
  'cthelper_messages_total{kind="request"} 4',
  'cthelper_messages_total{kind="response"} 3',
  'cthelper_rewritten_total 5',
  'cthelper_pinhole_changes_total{kind="opened"} 2',
  'cthelper_refused_total{reason="port-reserved"} 1',
  'cthelper_repaired_total{what="table"} 1',
  'cthelper_passed_by_total{reason="keep-alive"} 6',
  'cthelper_passed_by_total{reason="odd \\"name\\"\\\\\\n"} 1',
  'cthelper_queue_packets_total{queue="5060"} 7',
  'cthelper_queue_packets_total{queue="5061"} 7',
  'cthelper_queue_dropped_total{queue="5060"} NaN',
]

for (const line of wanted) {
  t.test(line, async (t) => {
    t.ok(prometheus(status).split('\n').includes(line))
  })
}

t.test('a helper that is stopped', async (t) => {
  const text = prometheus({ ...status, isRunning: false, queues: [], sizes: {}, counters: {}, carrier: undefined })
  t.match(text, /^cthelper_up 0$/m)
  t.notMatch(text, /queue|_total/)
})

t.test('the endpoint', async (t) => {
  const server = await serveMetrics({ address: '127.0.0.1', port: 0, status: () => status })
  t.teardown(() => server.close())
  const url = `http://127.0.0.1:${server.port}`
  const good = await fetch(`${url}/metrics?x=1`)
  t.match(good.headers.get('content-type'), 'text/plain; version=0.0.4')
  t.equal(await good.text(), prometheus(status))
  t.equal((await fetch(`${url}/`)).status, 404)
  t.equal((await fetch(`${url}/metrics`, { method: 'POST' })).status, 405)
  t.equal(await (await fetch(`${url}/metrics`, { method: 'HEAD' })).text(), '')
  const strange = connect(server.port, '127.0.0.1')
  strange.write('GET // HTTP/1.0\r\n\r\n')
  const [answer] = (await strange.toArray()) as Buffer[]
  t.match(answer?.toString(), /^HTTP\/1.1 404/, 'a strange path breaks nothing')
})

t.test('what it cannot be', async (t) => {
  const taken = createServer().listen(0, '127.0.0.1')
  t.teardown(() => taken.close())
  await new Promise((resolve) => taken.once('listening', resolve))
  const { port } = taken.address() as { port: number }
  await t.rejects(serveMetrics({ address: '127.0.0.1', port, status: () => status }), { code: 'ERR_IN_USE' })
  await t.rejects(serveMetrics({ address: '192.0.2.1', port: 0, status: () => status }), { code: 'ERR_CONFIG' })
})
