/** Proxied connections, from their beginning to their end: as if nobody were between. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { Capture, pause, TcpEndpoint, TcpListener, timeScale, until, whyNoLab } from '../../lib/testing/index.js'
import { CliLab } from './cli-run.js'
import { Streams } from './streams.js'

const skip = whyNoLab('nft', 'conntrack')

/** Both ends and the proxy are this process: four descriptors a connection. */
const descriptors = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? 1024)
const wanted = timeScale > 1 ? 300 : 2000
const IDLE = Math.min(wanted, Math.floor((descriptors - 300) / 4 / 50) * 50)

t.test('closing: half, both at once, by reset, on either side', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const text = streams.request('OPTIONS', 1)
  const half = await streams.connect()
  await half.client.send(text)
  half.client.end()
  t.equal(await half.far.ended, 'end')
  t.match(half.far.text, /^OPTIONS .*\r\n\r\n$/s, 'all that was said before')
  await half.far.send('SIP/2.0 200 OK\r\n')
  half.far.end()
  t.equal(await half.client.ended, 'end')
  t.equal(half.client.text, 'SIP/2.0 200 OK\r\n', 'the other way stayed open, and a cut message is passed as it is')
  const both = await streams.connect()
  both.client.end()
  both.far.end()
  t.same(await Promise.all([both.client.ended, both.far.ended]), ['end', 'end'])
  const reset = await streams.connect()
  reset.client.reset()
  t.equal(await reset.far.ended, 'reset')
  const back = await streams.connect()
  back.far.reset()
  t.equal(await back.client.ended, 'reset')
  await streams.has(0)
  t.match(streams.scene.sip.status().sizes, { connecting: 0 })
  t.equal(streams.scene.sip.status().counters['tcp-client-gone'], undefined, 'nobody is waited for in vain')
})

t.test('a server that refuses, one that a router refuses, one that is silent: as without us', { skip }, async (t) => {
  const { scene } = await Streams.open(t)
  const { provider, phone, mediaServer, stranger } = scene.lab
  provider.nft(`table inet refusals {
    chain input {
      type filter hook input priority 0
      ip daddr ${stranger.v4} tcp dport 5060 reject with icmpx host-unreachable
    }
  }`)
  const capture = await Capture.start(phone, { device: 'eth0', filter: 'tcp port 5060' })
  t.teardown(() => capture.stop())
  const local = { address: scene.phoneAddress(), port: 0 }
  const outcome = (address: string): Promise<string> =>
    TcpEndpoint.connect(phone, local, { address, port: 5060 }).then(
      () => 'connected',
      ({ code }) => code,
    )
  t.equal(await outcome(mediaServer.v4), 'ECONNREFUSED')
  t.equal(await outcome(stranger.v4), 'EHOSTUNREACH')
  t.match(scene.sip.status(), { counters: { 'tcp-unreachable': 2 }, sizes: { connections: 0, connecting: 0 } })
  // Nobody has the last address: nothing is heard of it for longer than anybody waits here.
  const silent = outcome('198.51.100.99')
  const patience = pause(2500).then(() => 'waits')
  t.equal(await Promise.race([silent, patience]), 'waits')
  t.match(scene.sip.status().sizes, { connecting: 1 })
  const answers = capture.packets().filter(({ source }) => source.address === '198.51.100.99')
  t.same(answers, [], 'witness: nobody has answered in its name')
  // It comes to life, and nobody listens there; or its namespace would live for as long as somebody asks.
  provider.ip('addr add 198.51.100.99/32 dev eth0')
  t.equal(await silent, 'ECONNREFUSED')
})

t.test('a connection that is to be proxied stands a round trip later, not a second', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    const from = performance.now()
    const { client, far } = await streams.connect()
    times.push(performance.now() - from)
    t.not(far.remote.port, client.local.port, 'made anew')
    client.close()
  }
  times.sort((a, b) => a - b)
  t.ok(times[10]! < 500, `median ${times[10]} ms`)
})

t.test('what a filter drops is not taken around it', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const { gateway, phone } = streams.scene.lab
  gateway.nft('insert rule inet lab forward iifname "lan0" tcp dport 5060 reject with tcp reset')
  const local = { address: streams.scene.phoneAddress(), port: 0 }
  await t.rejects(TcpEndpoint.connect(phone, local, streams.server.local), { code: 'ECONNREFUSED' })
  t.equal(streams.server.count, 0)
  t.same(streams.scene.sip.status().sizes, { ...streams.scene.sip.status().sizes, connections: 0, connecting: 0 })
})

t.test('a client that never answers: the server is told, and others go on', { skip }, async (t) => {
  const streams = await Streams.open(t)
  const { phone } = streams.scene.lab
  phone.nft(`table inet mute { chain input { type filter hook input priority 0; tcp sport 5060 drop; }; }`)
  const local = { address: streams.scene.phoneAddress(), port: 0 }
  const client = TcpEndpoint.connect(phone, local, streams.server.local).catch(({ code }) => code)
  const far = await streams.server.accept()
  phone.nft('flush table inet mute')
  phone.nft('add rule inet mute input tcp sport 5060 counter')
  t.ok(await client, 'the handshake is said again, and goes on')
  await streams.has(1)
  t.match(streams.scene.sip.status().sizes, { connecting: 0 })
  far.close()
})

t.test(
  'routing rules that somebody else has taken (systemd-networkd takes foreign ones when it starts) come back',
  { skip },
  async (t) => {
    const streams = await Streams.open(t)
    const { client, far } = await streams.connect()
    const { sip, lab } = streams.scene
    const before = lab.gateway.runSync(['ip', 'rule'])
    t.match(before, /^5:/m)
    // All of a family, one by one; the local table's and the user's stay.
    lab.gateway.runSync(['sh', '-c', 'while ip rule del pref 5 2>/dev/null; do :; done'])
    await until(() => lab.gateway.runSync(['ip', 'rule']) === before)
    t.equal(sip.status().counters['repaired-routing'], 3)
    await client.send(streams.request('OPTIONS', 1))
    t.match(String((await far.receive()).bytes), /Call-ID: call-1/, 'a connection goes on')
    const second = await streams.connect()
    await second.client.send(streams.request('OPTIONS', 2))
    t.match(String((await second.far.receive()).bytes), /Call-ID: call-2/, 'another begins')
    await streams.has(2)
    await sip.stop()
    t.notMatch(lab.gateway.runSync(['ip', 'rule']), /^5:/m, 'who stops takes his own rules along')
  },
)

t.test(`${IDLE} idle connections, and one that is not; a flushed ruleset`, { skip }, async (t) => {
  const streams = await Streams.open(t)
  const { scene } = streams
  const all: TcpEndpoint[] = []
  for (let i = 0; i < IDLE / 50; i++) {
    const some = await Promise.all(Array.from({ length: 50 }, () => streams.connect()))
    all.push(...some.flatMap((both) => [both.client, both.far]))
  }
  const { client, far } = await streams.connect()
  await streams.has(IDLE + 1)
  await client.send(streams.request('OPTIONS', 1))
  t.match(String((await far.receive()).bytes), /^OPTIONS/)
  const repaired = new Promise((resolve) => scene.sip.once('repair', resolve))
  await scene.lab.gateway.exec(['nft', 'flush', 'chain', 'inet', 'cthelper', 'tcp_forward'])
  t.match(await repaired, { what: 'table' })
  await client.send(streams.request('OPTIONS', 2))
  t.match(String((await far.receive()).bytes), /Call-ID: call-2/, 'it goes on')
  for (const one of all) one.close()
  await streams.has(1)
})

t.test(
  'what the proxy makes, the kernel shows: addresses, marks, routes, and nothing of it afterwards',
  { skip },
  async (t) => {
    const streams = await Streams.open(t)
    const { gateway } = streams.scene.lab
    const shown = async (...argv: string[]) => (await gateway.exec(argv)).stdout
    const capture = await Capture.start(streams.scene.lab.provider, { device: 'eth0', filter: 'tcp port 5060' })
    t.teardown(() => capture.stop())
    const { client, far } = await streams.connect()
    const row = (await shown('conntrack', '-L', '-p', 'tcp', '--src', client.local.address)).trim().split('\n')
    const own = row.find((it) => it.includes(`dport=${far.remote.port} `))
    t.match(
      own,
      `src=${client.local.address} dst=${far.local.address} sport=${far.remote.port} dport=5060 src=${far.local.address} dst=198.51.100.1`,
    )
    t.match(await shown('ip', 'rule'), /fwmark 0xc8005060 iif lan0 lookup 5060\n.*iif wan0 lookup 5060/)
    t.match(await shown('ip', '-6', 'route', 'show', 'table', '5060'), /^local default dev lo/)
    const rules = await shown('nft', 'list', 'table', 'inet', 'cthelper')
    t.match(rules, /iifname "lo" meta mark 0xc8005061 tproxy ip to 127\.0\.0\.1:15060 counter packets 1 /)
    t.notOk(
      capture.packets().some(({ source }) => source.address === client.local.address),
      'the inside address stays inside',
    )
    await streams.scene.sip.stop()
    t.equal(await client.ended, 'reset', 'what was under way ends with it')
    t.notMatch(await shown('ip', 'rule'), '5060')
    t.equal(await shown('ip', 'route', 'show', 'table', '5060'), '')
    const direct = await streams.connect()
    t.equal(direct.far.remote.port, direct.client.local.port, 'and new ones go straight')
  },
)

t.test('kill -9: new connections go straight to the server, and a successor picks new ones up', { skip }, async (t) => {
  const lab = new CliLab()
  t.teardown(() => lab.close())
  const [inside, registrar] = [lab.lab.phones[0]!.v4, lab.lab.registrar.v4]
  const server = await TcpListener.open(lab.lab.provider, { address: registrar, port: 5060 })
  t.teardown(() => server.close())
  const connect = async () => {
    const client = await TcpEndpoint.connect(lab.lab.phone, { address: inside, port: 0 }, server.local)
    return { client, far: await server.accept() }
  }
  const running = await lab.run()
  t.match(running.stdout, /ready .*TCP helped/)
  const proxied = await connect()
  t.not(proxied.far.remote.port, proxied.client.local.port, 'made anew')
  await running.end('SIGKILL')
  t.ok(await proxied.client.ended, 'the connection under way is lost with the process')
  t.match(await lab.lab.gateway.runSync(['nft', 'list', 'table', 'inet', 'cthelper']), 'tproxy', 'its rules stand')
  const direct = await connect()
  t.equal(direct.far.remote.port, direct.client.local.port, 'as the client made it')
  await direct.client.send('hello')
  await direct.far.until(() => direct.far.text === 'hello')
  const successor = await lab.run()
  const again = await connect()
  t.not(again.far.remote.port, again.client.local.port)
  await direct.client.send(' again')
  await direct.far.until(() => direct.far.text === 'hello again')
  t.equal(await successor.end('SIGTERM'), 0)
  t.notMatch(await lab.lab.gateway.runSync(['ip', 'rule']), '5060')
})

/** Without the right to raise its own limits. */
const FEW = ['prlimit', '--nofile=260:260', 'setpriv', '--inh-caps=-sys_resource', '--bounding-set=-sys_resource']

t.test('no descriptors are left: it is said, and connections go straight', { skip }, async (t) => {
  const lab = new CliLab()
  t.teardown(() => lab.close())
  const [inside, registrar] = [lab.lab.phones[0]!.v4, lab.lab.registrar.v4]
  const server = await TcpListener.open(lab.lab.provider, { address: registrar, port: 5060 })
  t.teardown(() => server.close())
  const running = await lab.runUnder(FEW)
  t.match(
    await running.says(/ready /),
    /TCP helped on 30 connections at most \(260 descriptors are allowed; ulimit -n 20200\)/,
  )
  const text = 'GET / HTTP/1.0\r\n\r\n'
  let proxied = 0
  for (let i = 0; i < 60; i++) {
    const client = await TcpEndpoint.connect(lab.lab.phone, { address: inside, port: 0 }, server.local)
    const far = await server.accept()
    if (far.remote.port !== client.local.port) proxied++
    await client.send(text)
    await far.until(() => far.text === text)
  }
  t.equal(proxied, 30)
  t.equal(await running.end('SIGTERM'), 0)
})
