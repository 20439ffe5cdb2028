import { existsSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { isAnchor } from '../../lib/conntrack/index.js'
import { openQueue } from '../../lib/nfqueue/index.js'
import { conntrackEntries, expectations, nftRuleset, pause, SipText, whyNoLab } from '../../lib/testing/index.js'
import { builtCli } from '../cli/built.js'
import { CliLab, type People, ring } from './cli-run.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

async function opened(t: Test): Promise<{ cli: CliLab; people: People }> {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  return { cli, people: await cli.people() }
}

const tables = async ({ lab }: CliLab): Promise<string[]> =>
  (await nftRuleset(lab.gateway)).flatMap((it) => (it.table ? [String(it.table.name)] : []))
const anchors = async ({ lab }: CliLab): Promise<number> =>
  (await conntrackEntries(lab.gateway)).filter(({ original }) => isAnchor(original)).length

t.test('its log loses its reader, and the calls go on', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  const { audio, far } = people
  const running = await cli.run('--media-ports', '30000-30099')
  running.child.stdout!.destroy()
  for (let i = 0; i < 3; i++) await ring(people)
  const { media } = await ring(people)
  t.match(await hears(far, media, audio), { packets: 5 })
  t.equal(running.child.exitCode, null)
  t.match(await cli.ask('calls'), { code: 0 })
  t.equal(await running.end('SIGTERM'), 0)
  t.same(await tables(cli), ['lab'])
})

t.test('from ready to SIGTERM', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  const { alice, bob, audio, far } = people
  const running = await cli.run('--media-ports', '30000-30099', '--metrics', '127.0.0.1:9100')
  t.match(running.lines[0], /^\S+Z ready lan0 to wan0, queue 5060/)
  t.equal(statSync(cli.socket).mode & 0o777, 0o600)

  await alice.register(bob.endpoint.local, 600)
  const register = await bob.receiveRequest('REGISTER')
  await bob.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=300`]] })
  await alice.response(200)
  const { invite, media } = await ring(people)
  t.equal(media.port, 30000)
  t.match(await hears(far, media, audio), { packets: 5 }, 'audio in')
  t.match(await hears(audio, far.local, far), { packets: 5 }, 'audio out')

  const callId = invite.get('Call-ID')
  t.match(await cli.ask('calls'), {
    code: 0,
    stdout: new RegExp(`answered .*192.168.7.10:4000 as 198.51.100.1:30000 .*${callId}`),
  })
  t.match(await cli.ask('pinholes'), {
    code: 0,
    stdout: /media +198\.51\.100\.20:6000 +198\.51\.100\.1:30000 +192\.168\.7\.10:4000/,
  })
  t.match(await cli.ask('registrations'), {
    code: 0,
    stdout: /sip:alice@.* 192\.168\.7\.10:5060 +198\.51\.100\.1:5060/,
  })
  const json = await cli.ask('calls', '--json')
  t.match(JSON.parse(json.stdout), { callId, state: 'answered', caller: 'inside', streams: [{ type: 'audio' }] })
  const metrics = await cli.lab.gateway.exec([
    process.execPath,
    '-e',
    "fetch('http://127.0.0.1:9100/metrics').then((it) => it.text()).then((it) => process.stdout.write(it))",
  ])
  t.match(metrics.stdout, /^cthelper_calls 1$/m)
  t.match(metrics.stdout, /^cthelper_messages_total\{kind="request"\} [3-9]$/m)

  const second = await cli.ask('run', '--inside', 'lan0', '--outside', 'wan0')
  t.match(second, { code: 2, stderr: new RegExp(`runs already, pid ${running.child.pid}\\b`) })
  const other = await cli.cli('run', '--inside', 'lan0', '--outside', 'wan0', '--socket', `${cli.socket}2`)
  t.match(other, {
    code: 2,
    stderr: /another cthelper serves the table inet cthelper here \(its queue 506[01] is bound\): stop it first/,
  })
  t.match(await cli.ask('calls'), { code: 0, stdout: callId }, 'which disturbs nobody')

  t.ok((await anchors(cli)) > 0)
  t.ok((await tables(cli)).includes('cthelper'))
  t.equal(await running.end('SIGTERM'), 0)
  t.match(
    running.lines.map((line) => line.split(' ')[1]),
    ['ready', 'registration', 'call', 'call'],
  )
  t.match(running.lines.at(-1), /stopped/)
  t.equal(running.stderr, '')
  t.same(await tables(cli), ['lab'])
  t.equal(await anchors(cli), 0)
  t.same(await expectations(cli.lab.gateway), [])
  t.notOk(existsSync(cli.socket))
  t.match(await hears(far, media, audio), { packets: 0 }, 'the media of the call is closed too')
  t.match(await cli.ask('calls'), { code: 2, stderr: /no cthelper is running/ })
})

t.test('watch, and logs for machines', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  const running = await cli.run('--log', 'json', '--mode', 'gateway')
  const watching = cli.cli('calls', '--watch', '--json', '--socket', cli.socket)
  await cli.connected()
  const { invite, answered } = await ring(people)
  await people.alice.inDialog('BYE', invite, answered, people.bob.endpoint.local)
  await people.bob.respond(await people.bob.receiveRequest('BYE'), 200)
  await people.alice.response(200)
  await running.says(/"event":"end"/)
  t.equal(await running.end('SIGINT'), 0)
  const { code, stdout, stderr } = await watching
  t.equal(code, 0)
  t.match(stderr, /has ended/)
  const changes = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(changes.at(-1).event, 'end')
  t.match(changes.at(-1).item, { callId: invite.get('Call-ID'), endReason: 'bye' })
  const events = running.lines.map((line) => JSON.parse(line))
  t.match(events[0], { event: 'ready', message: /lan0/ })
  t.ok(events.every((it) => !Number.isNaN(Date.parse(it.time))))
  t.match(
    events.find((it) => it.event === 'end'),
    { endReason: 'bye', callId: invite.get('Call-ID') },
  )
})

t.test('killed: calls go on, SIP passes, pinholes close with the lease, a new run takes over', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  const { alice, bob, audio, far } = people
  const running = await cli.run('--lease', '3', '--media-ports', '30000-30099')
  const standing = await ring(people)
  t.match(await hears(far, standing.media, audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5 })
  // A second call that nobody has spoken in yet: its pinholes must not outlive the lease.
  const silent = { ...people, audio: await cli.inside(4100), far: await cli.outside(6100, 'mediaServer') }
  const { media } = await ring(silent)
  t.ok((await expectations(cli.lab.gateway)).length > 0)

  t.equal(await running.end('SIGKILL'), null)
  t.match(await hears(far, standing.media, audio, 10), { packets: 10 }, 'audio in goes on')
  t.match(await hears(audio, far.local, far, 10), { packets: 10 }, 'audio out goes on')
  await alice.request('OPTIONS', bob.endpoint.local)
  const options = await bob.receiveRequest('OPTIONS')
  t.match(options.get('Via'), '192.168.7.10:5060', 'SIP passes unchanged')
  await pause(4000)
  t.same(await expectations(cli.lab.gateway), [], 'the lease is over')
  t.equal(await anchors(cli), 0)
  t.match(await hears(silent.far, media, silent.audio), { packets: 0 })
  t.match(await cli.ask('calls'), { code: 2 })
  t.match(await cli.ask('check'), {
    stdout: /warn +running +our table inet cthelper is there, and no cthelper answers/,
  })

  const next = await cli.run('--lease', '3', '--media-ports', '30000-30099')
  const third = { ...people, audio: await cli.inside(4200), far: await cli.outside(6200, 'mediaServer') }
  const again = await ring(third)
  t.match(await hears(third.far, again.media, third.audio), { packets: 5 }, 'a new call is helped')
  t.match(await hears(third.audio, third.far.local, third.far), { packets: 5, from: again.media })
  t.match(await cli.ask('check'), { stdout: new RegExp(`ok +running +a cthelper runs, pid ${next.child.pid}`) })
  t.match(await cli.ask('calls'), { code: 0, stdout: again.invite.get('Call-ID') }, 'check disturbs nothing')
  t.equal(await next.end('SIGTERM'), 0)
  t.same(await tables(cli), ['lab'])
})

t.test('what others flush is put back, and told', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  const running = await cli.run('--media-ports', '30000-30099')
  const { media } = await ring(people)
  await cli.lab.gateway.exec(['conntrack', '-F'])
  await running.says(/ repair .*pinholes were removed by somebody/)
  t.match(await hears(people.far, media, people.audio), { packets: 5 }, 'pinholes stand again')

  const before = cli.lab.gateway.runSync(['nft', 'list', 'table', 'inet', 'lab'])
  cli.lab.gateway.nft(`flush ruleset\n${before}`)
  await running.says(/ repair .*table was removed by somebody/)
  t.same((await tables(cli)).sort(), ['cthelper', 'lab'])
  const other = { ...people, audio: await cli.inside(4100), far: await cli.outside(6100, 'mediaServer') }
  const again = await ring(other)
  t.match(await hears(other.far, again.media, other.audio), { packets: 5 }, 'and the next call is helped')
  t.equal(await running.end('SIGTERM'), 0)
})

t.test('what keeps it from running', { skip }, async (t) => {
  const { cli } = await opened(t)
  const ends = ['--inside', 'lan0', '--outside', 'wan0']
  const queue = await openQueue({ number: 5060, netns: cli.lab.gateway.path, onBatch: () => {} })
  t.match(await cli.ask('run', ...ends), { code: 2, stderr: /another program has queue 5060; .*--queue/ })
  t.same(await tables(cli), ['lab'], 'nothing is left of the attempt')
  const other = await cli.run('--queue', '5070')
  t.match(await cli.cli('run', ...ends, '--queue', '5080', '--socket', `${cli.socket}2`), {
    code: 2,
    stderr: /stop it first/,
  })
  t.match(
    await cli.cli('run', ...ends, '--netns', cli.lab.gateway.path, '--queue', '5080', '--socket', `${cli.socket}2`),
    {
      code: 2,
      stderr: /another cthelper serves/,
    },
  )
  t.equal(await other.end('SIGHUP'), 0)
  queue.close()
  t.match(await cli.ask('run', '--inside', 'lan0', '--outside', 'wan7'), {
    code: 2,
    stderr: /interface wan7 does not exist; there are: lan0, wan0/,
  })
  t.match(await cli.ask('run', ...ends, '--metrics', '192.0.2.1:9100'), {
    code: 2,
    stderr: /cannot serve metrics at 192\.0\.2\.1/,
  })
  t.same(await tables(cli), ['lab'])
  t.notOk(existsSync(cli.socket))
})

t.test('an exception that nobody catches takes everything back', { skip }, async (t) => {
  const { cli } = await opened(t)
  const code = "setTimeout(() => { throw new Error('a fault of ours') }, 1500)"
  const hook = `--import=data:text/javascript,${encodeURIComponent(code)}`
  const argv = [
    'env',
    `NODE_OPTIONS=${hook}`,
    process.execPath,
    builtCli(),
    'run',
    '--inside',
    'lan0',
    '--outside',
    'wan0',
  ]
  const done = await cli.lab.gateway.exec([...argv, '--socket', cli.socket])
  t.match(done, {
    code: 3,
    stdout: /ready[\s\S]*stopped/,
    stderr: /internal error: a fault of ours\nError: a fault of ours\n +at /,
  })
  t.same(await tables(cli), ['lab'])
  t.notOk(existsSync(cli.socket))
})

t.test('a second signal ends it at once', { skip }, async (t) => {
  const { cli } = await opened(t)
  const running = await cli.run()
  running.child.kill('SIGTERM')
  const code = await running.end('SIGINT')
  // Both are pending, and the kernel chooses which is the second.
  t.ok(code === 128 + 2 || code === 128 + 15, `exit ${code}`)
})

t.test('masquerade and forwarding come and go with the process', { skip }, async (t) => {
  const { cli, people } = await opened(t)
  cli.lab.gateway.nft('delete chain inet lab source')
  cli.lab.gateway.sysctl({ 'net.ipv4.ip_forward': 0 })
  t.match(await cli.ask('check'), { code: 1, stdout: /fail +forwarding +IPv4 is not forwarded/ })
  const running = await cli.run('--masquerade')
  t.match(await hears(people.far, (await ring(people)).media, people.audio), { packets: 5 })
  t.equal(await running.end('SIGTERM'), 0)
  t.equal(cli.lab.gateway.runSync(['cat', '/proc/sys/net/ipv4/ip_forward']).trim(), '0')
})

for (const options of [
  ['--masquerade', '--sip-port', '5060,5080', '--translation', 'maps'],
  ['--mode', 'firewall', '--inside', 'lo'],
])
  t.test(`ruleset prints what run installs: ${options.join(' ')}`, { skip }, async (t) => {
    const { cli } = await opened(t)
    const { stdout } = await cli.cli('ruleset', '--inside', 'lan0', '--outside', 'wan0', ...options)
    const running = await cli.run(...options)
    const listed = cli.lab.gateway.runSync(['nft', 'list', 'table', 'inet', 'cthelper'])
    t.equal(
      stdout,
      listed.replaceAll(' packets 0 bytes 0', '').replaceAll(/queue (flags bypass )?to (\d+)/g, 'queue num $2 bypass'),
    )
    await running.end('SIGTERM')
  })

t.test('check sees what is in the way', { skip }, async (t) => {
  const { cli } = await opened(t)
  const { gateway } = cli.lab
  const all = await cli.ask('check', '--inside', 'lan0', '--outside', 'wan0')
  t.equal(all.code, 0, all.stdout)
  t.notMatch(all.stdout, /^fail/m)
  t.match(all.stdout, /ok +interfaces +wan0 is up/)
  t.match(all.stdout, /ok +tcp +SIP over TCP can be helped/)
  t.match(all.stdout, /ok +tcp +TLS is not inspected/)
  const firewall = await cli.ask('check', '--inside', 'lan0', '--outside', 'wan0', '--mode', 'firewall', '--zone', '3')
  t.match(firewall.stdout, /ok +tcp +SIP over TCP is helped as it goes by/)
  const zone = await cli.ask('check', '--inside', 'lan0', '--outside', 'wan0', '--zone', '3')
  t.match(zone.stdout, /ok +tcp +SIP over TCP passes as it is: conntracks are in zone 3/)
  t.match((await cli.ask('check', '--tcp', 'off')).stdout, /ok +tcp +SIP over TCP passes as it is: switched off/)
  const before = gateway.runSync(['nft', 'list', 'ruleset'])
  t.equal(
    (await cli.ask('check', '--json')).stdout
      .split('\n')
      .filter((it) => it !== '')
      .every((it) => JSON.parse(it).subject),
    true,
  )
  t.equal(gateway.runSync(['nft', 'list', 'ruleset']), before, 'and leaves nothing behind')
  t.same(await expectations(gateway), [])
  t.equal(await anchors(cli), 0)

  t.match(await cli.ask('check', '--inside', 'lan7'), {
    code: 1,
    stdout: /fail +interfaces +lan7 does not exist\n +-> choose among .*lan0/,
  })
  gateway.nft(
    'table ip x {\n ct helper s {\n type "sip" protocol udp\n }\n chain p {\n type filter hook prerouting priority 0\n udp dport 5060 ct helper set "s"\n }\n }',
  )
  t.match(await cli.ask('check'), {
    code: 1,
    stdout: /fail +second ALG +the kernel's SIP helper is attached: ip x p: udp dport 5060 ct helper set "s"/,
  })
  gateway.nft('delete table ip x')
  gateway.nft('table ip x {\n chain p {\n type filter hook input priority 10; policy drop\n }\n }')
  t.match((await cli.ask('check')).stdout, /warn +tcp +ip x p drops by policy, and proxied SIP over TCP/)
  gateway.nft('delete table ip x')
  gateway.nft(
    'table ip x {\n chain p {\n type filter hook forward priority 10; policy drop\n ct state established accept\n }\n }',
  )
  t.match(await cli.ask('check'), {
    code: 1,
    stdout: /fail +filter +ip x p drops by policy and accepts no related flows/,
  })
  gateway.nft('flush chain ip x p\nadd rule ip x p ct state vmap { established : accept, related : accept }')
  t.match(await cli.ask('check'), { code: 0 })
})

t.test(
  "check sees iptables' helper and the flows that have it",
  { skip: skip || whyNoLab('iptables-nft') },
  async (t) => {
    const { cli, people } = await opened(t)
    const rule = [
      'iptables-nft',
      '-t',
      'raw',
      '-A',
      'PREROUTING',
      '-p',
      'udp',
      '--dport',
      '5060',
      '-j',
      'CT',
      '--helper',
      'sip',
    ]
    const added = await cli.lab.gateway.exec(rule)
    if (added.code !== 0) return t.plan(0, `no CT target here: ${added.stderr.trim()}`)
    t.match(await cli.ask('check'), {
      code: 1,
      stdout: /the kernel's SIP helper is attached: iptables -t raw: -A PREROUTING/,
    })
    await people.alice.request('OPTIONS', people.bob.endpoint.local)
    t.ok(SipText.of(await people.bob.endpoint.receive()))
    t.match(await cli.ask('check'), { stdout: /fail +second ALG +1 SIP flows have the kernel's SIP helper/ })
  },
)

t.test('run --script asks a module of the user', { skip }, async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const script = join(cli.directory, 'script.mjs')
  writeFileSync(script, "export default (message, context) => context.addHeader('X-Way', context.way)")
  const running = await cli.run('--script', script)
  const { arrived, answered } = await ring(await cli.people())
  t.same(
    [arrived, answered].map((it) => it.get('X-Way')),
    ['out', 'in'],
  )
  t.equal(await running.end('SIGTERM'), 0)
})
