import t from 'tap'
import { settingsOf } from '../../lib/alg/index.js'
import type { SipHelperOptions } from '../../types/options.js'

const needed = { inside: ['lan0'], outside: ['wan0'] }

t.test('defaults', async (t) => {
  t.same(settingsOf(needed), {
    mode: 'gateway',
    inside: ['lan0'],
    outside: ['wan0'],
    netns: undefined,
    ports: [5060],
    queue: 5060,
    zone: 0,
    media: { ports: undefined, source: 'latch', early: 'peer', hosts: [], idleSec: 3600 },
    translation: 'auto',
    callers: 'registrar',
    peers: [],
    ways: 'live',
    cone: { ports: [], filtering: 'restricted' },
    moh: { sources: [], heldMedia: 'drop' },
    onMessage: undefined,
    masquerade: false,
    leaseSec: 120,
    policy: { notSip: 'accept', malformed: 'accept', failure: 'accept', signed: 'leave' },
    budgets: {
      calls: 100_000,
      callsPerHost: 10_000,
      callsPerSecond: 1000,
      registrations: 100_000,
      registrationsPerHost: 10_000,
      streams: 32,
      pinholesPerCall: 64,
      portsPerHost: 48_384,
      messageBytes: 65_535,
      headers: 256,
      connections: 10_000,
      connectionsPerHost: 4096,
      connectionBytesPerHost: 33_554_432,
    },
    tcp: { proxy: 'auto', port: 15_060, mark: 0xc8005060, table: 5060 },
  })
})

t.test('a mode has defaults of its own', async (t) => {
  for (const [mode, early, ways] of [
    ['gateway', 'peer', 'live'],
    ['pbx', 'peer', 'live'],
    ['firewall', 'none', 'registered'],
  ] as const) {
    t.match(settingsOf({ ...needed, mode }), { mode, media: { early }, ways })
    t.match(settingsOf({ ...needed, mode, media: { early: 'any' } }), { media: { early: 'any' } })
  }
})

t.test('every value is taken', async (t) => {
  const options: SipHelperOptions = {
    inside: ['lan0', 'lan1'],
    outside: ['ppp0'],
    mode: 'gateway',
    translation: 'maps',
    netns: '/run/netns/lab',
    ports: [5060, 5070],
    queue: 0,
    media: {
      ports: [20000, 20001],
      source: 'exact',
      early: 'none',
      hosts: ['2001:DB8:0::1', '10.0.0.0/8'],
      idleSec: 10,
    },
    zone: 7,
    signalling: {
      callers: ['192.0.2.0/24', '192.0.2.1', '2001:DB8:0::1'],
      peers: ['198.51.100.0/24', '2001:DB8::1'],
      ways: 'registered',
    },
    masquerade: true,
    leaseSec: 3,
    policy: { notSip: 'drop', malformed: 'drop', failure: 'drop', signed: 'edit' },
    budgets: { calls: 1, registrations: 1, streams: 1 },
    tcp: { proxy: 'on', port: 6000, mark: 1, table: 2 },
  }
  t.match(settingsOf(options), {
    inside: ['lan0', 'lan1'],
    translation: 'maps',
    netns: '/run/netns/lab',
    ports: [5060, 5070],
    queue: 0,
    media: { ports: [20000, 20001], source: 'exact', early: 'none', hosts: ['2001:db8::1', '10.0.0.0/8'], idleSec: 10 },
    zone: 7,
    callers: ['192.0.2.0/24', '192.0.2.1', '2001:db8::1'],
    peers: ['198.51.100.0/24', '2001:db8::1'],
    ways: 'registered',
    masquerade: true,
    leaseSec: 3,
    policy: { notSip: 'drop', malformed: 'drop', failure: 'drop', signed: 'edit' },
    budgets: { calls: 1, registrations: 1, streams: 1 },
    tcp: { proxy: 'on', port: 6000, mark: 1, table: 2 },
  })
})

/** What is wrong, and the option that the error names. */
const wrong: readonly [string, Record<string, unknown>][] = [
  ['inside', { inside: [] }],
  ['inside', { inside: 'lan0' }],
  ['inside', { inside: [''] }],
  ['inside', { inside: [7] }],
  ['inside', { inside: ['a-name-of-16-char'] }],
  ['inside', { inside: ['a b'] }],
  ['inside', { inside: undefined }],
  ['outside', { outside: null }],
  ['outside', { outside: ['lan0'] }],
  ['mode', { mode: 'bridge' }],
  ['outside', { outside: ['lo'] }],
  ['zone', { zone: 65536 }],
  ['onMessage', { onMessage: 'script.js' }],
  ['signalling.peers', { signalling: { peers: '198.51.100.1' } }],
  ['signalling.peers', { signalling: { peers: ['198.51.100.1/24'] } }],
  ['mode', { mode: 'toString' }],
  ['masquerade', { mode: 'firewall', masquerade: true }],
  ['media.ports', { mode: 'firewall', media: { ports: [30000, 30010] } }],
  ['translation', { translation: 'none' }],
  ['translation', { mode: 'firewall', translation: 'auto' }],
  ['netns', { netns: 5 }],
  ['netns', { netns: '' }],
  ['ports', { ports: [] }],
  ['ports', { ports: 5060 }],
  ['ports', { ports: [0] }],
  ['ports', { ports: [65536] }],
  ['ports', { ports: ['5060'] }],
  ['queue', { queue: -1 }],
  ['queue', { queue: 65535 }],
  ['queue', { queue: 1.5 }],
  ['media', { media: 'latch' }],
  ['media', { media: null }],
  ['media', { media: [] }],
  ['media.ports', { media: { ports: [30000] } }],
  ['media.ports', { media: { ports: [1023, 2000] } }],
  ['media.ports', { media: { ports: [30001, 30000] } }],
  ['media.ports', { media: { ports: [30000, 30000] } }],
  ['media.ports', { media: { ports: [30001, 30002] } }],
  ['media.ports', { media: { ports: [30000, 70000] } }],
  ['media.source', { media: { source: 'all' } }],
  ['media.early', { media: { early: true } }],
  ['media.hosts', { media: { hosts: '10.0.0.1' } }],
  ['media.hosts', { media: { hosts: ['pbx.lan'] } }],
  ['media.hosts', { media: { hosts: ['010.0.0.1'] } }],
  ['media.hosts', { media: { hosts: ['[::1]'] } }],
  ['media.hosts', { media: { hosts: ['10.0.0.1/8'] } }],
  ['media.hosts', { media: { hosts: ['10.0.0.0/33'] } }],
  ['media.idleSec', { media: { idleSec: 9 } }],
  ['media.idleSec', { media: { idleSec: Number.NaN } }],
  ['signalling', { signalling: 'any' }],
  ['signalling.callers', { signalling: { callers: 'nobody' } }],
  ['signalling.callers', { signalling: { callers: ['x'] } }],
  ['signalling.callers', { signalling: { callers: ['192.0.2.1/24'] } }],
  ['signalling.ways', { signalling: { ways: 'all' } }],
  ['masquerade', { masquerade: 'yes' }],
  ['leaseSec', { leaseSec: 2 }],
  ['leaseSec', { leaseSec: 3601 }],
  ['policy.notSip', { policy: { notSip: 'reject' } }],
  ['policy.malformed', { policy: { malformed: '' } }],
  ['policy.failure', { policy: { failure: null } }],
  ['tcp.proxy', { tcp: { proxy: 'yes' as 'on' } }],
  ['tcp.port', { tcp: { port: 65_536 } }],
  ['tcp.mark', { tcp: { mark: 0 } }],
  ['tcp.table', { tcp: { table: 2 ** 32 } }],
  ['tcp.address', { tcp: { address: 'x' } as object }],
  ['policy.signed', { policy: { signed: 'drop' } }],
  ['budgets.calls', { budgets: { calls: 0 } }],
  ['budgets.registrations', { budgets: { registrations: Number.POSITIVE_INFINITY } }],
  ['budgets.streams', { budgets: { streams: 4097 } }],
  ['budgets.callsPerHost', { budgets: { callsPerHost: 0 } }],
  ['budgets.portsPerHost', { budgets: { portsPerHost: 1 } }],
  ['budgets.messageBytes', { budgets: { messageBytes: 100 } }],
  ['budgets.headers', { budgets: { headers: '9' } }],
  ['insides', { insides: ['lan0'] }],
  ['media.port', { media: { port: 1 } }],
  ['signalling.caller', { signalling: { caller: 'any' } }],
  ['policy.notsip', { policy: { notsip: 'drop' } }],
  ['budgets.call', { budgets: { call: 1 } }],
]

for (const [name, options] of wrong) {
  t.test(`${name}: ${JSON.stringify(options)}`, async (t) => {
    const all = { ...needed, ...options } as unknown as SipHelperOptions
    t.throws(() => settingsOf(all), { code: 'ERR_CONFIG', message: `option ${name}:` })
  })
}

t.test('no options at all', async (t) => {
  for (const options of [undefined, null, [], 'lan0'])
    t.throws(() => settingsOf(options as unknown as SipHelperOptions), { code: 'ERR_CONFIG' })
})
