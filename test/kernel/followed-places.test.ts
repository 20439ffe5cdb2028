/** Mode firewall, SIP over TCP, where connections of the machine's own would not go: VRFs, zones; on the machine itself; and when nobody follows. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { SipHelper } from '../../lib/index.js'
import {
  conntrackEntries,
  expectations,
  type GatewayLab,
  gatewayLab,
  type Namespace,
  pause,
  runSipp,
  SipPeer,
  TcpEndpoint,
  TcpListener,
  timeScale,
  UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { builtCli } from '../cli/built.js'
import { CliProcess } from './cli-run.js'
import { type FirewallLab, sdpOf } from './firewall-lab.js'
import { connect, listen, openTcp, plain } from './followed-lab.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

interface Ends {
  readonly namespace: Namespace
  readonly address: string
}

/** Somebody calls somebody over TCP, with audio both ways, until BYE; then who is `behind` the filter hears nothing. */
async function talk(t: Test, caller: Ends, callee: Ends, behind: 'caller' | 'callee'): Promise<void> {
  const at = (address: string, port: number): Endpoint => ({ address, port })
  const listener = await TcpListener.open(callee.namespace, at(callee.address, 5060))
  t.teardown(() => listener.close())
  const line = await TcpEndpoint.connect(caller.namespace, at(caller.address, 0), listener.local)
  t.teardown(() => line.close())
  const [one, two] = [
    new SipPeer(line, 'caller', at(caller.address, 5060)),
    new SipPeer(await listener.accept(), 'callee', listener.local),
  ]
  const media = async ({ namespace, address }: Ends, port: number) => {
    const endpoint = await UdpEndpoint.open(namespace, { address, port })
    t.teardown(() => endpoint.close())
    return endpoint
  }
  const [near, far] = [await media(caller, 4000), await media(callee, 6000)]
  const invite = await one.request('INVITE', listener.local, { body: sdpOf(near) })
  const arrived = await two.receiveRequest('INVITE')
  await two.respond(arrived, 200, { body: sdpOf(far) })
  const ok = await one.response(200)
  await one.ack(invite, ok, listener.local)
  await two.receiveRequest('ACK')
  t.match(await hears(far, near.local, near), { packets: 5 }, 'audio to the caller')
  t.match(await hears(near, far.local, far), { packets: 5 }, 'and from him')
  await one.inDialog('BYE', invite, ok, listener.local)
  await two.respond(await two.receiveRequest('BYE'), 200)
  await one.response(200)
  const [from, to] = behind === 'caller' ? [far, near] : [near, far]
  t.match(await hears(from, to.local, to), { packets: 0 }, 'shut after BYE')
  listener.close()
}

async function start(t: Test, lab: GatewayLab, options: object): Promise<SipHelper> {
  const sip = new SipHelper({
    inside: ['lan0'],
    outside: ['wan0'],
    netns: lab.gateway.path,
    mode: 'firewall',
    ...options,
  })
  sip.on('error', (error) => t.fail(error.message))
  sip.on('refused', ({ detail }) => t.fail(detail))
  await sip.start()
  t.teardown(() => sip.stop())
  t.match(sip.status().tcp, { isFollowed: true, isProxied: false })
  return sip
}

const phoneOf = ({ phone, phones }: GatewayLab): Ends => ({ namespace: phone, address: phones[0]!.v4 })
const providerOf = ({ provider, registrar }: GatewayLab): Ends => ({ namespace: provider, address: registrar.v4 })

t.test('a conntrack zone', { skip }, async (t) => {
  const lab = gatewayLab({ nat: 'none' })
  t.teardown(() => lab.close())
  lab.gateway.nft(`table ip zones { chain raw {
    type filter hook prerouting priority -300;
    iifname { "lan0", "wan0" } ct zone set 7
  }; }`)
  const sip = await start(t, lab, { zone: 7 })
  await talk(t, phoneOf(lab), providerOf(lab), 'caller')
  t.match(sip.status().counters, { 'tcp-connections': 1 })
  const zones = (await conntrackEntries(lab.gateway)).map(({ zone = 0 }) => zone)
  t.same([...new Set(zones)], [7])
})

function whyNoVrf(): string | false {
  spawnSync('modprobe', ['vrf'])
  const namespace = `cthelper-${process.pid}-vrf`
  spawnSync('ip', ['netns', 'add', namespace])
  const { status } = spawnSync('ip', ['-n', namespace, 'link', 'add', 'tried', 'type', 'vrf', 'table', '4999'])
  spawnSync('ip', ['netns', 'delete', namespace])
  return status !== 0 && 'needs interfaces of type vrf'
}

t.test('a VRF', { skip: skip || whyNoVrf() }, async (t) => {
  const lab = gatewayLab({ nat: 'none' })
  t.teardown(() => lab.close())
  lab.gateway.ip(
    'link add blue type vrf table 10',
    'link set blue up',
    'link set lan0 master blue',
    'link set wan0 master blue',
  )
  lab.gateway.nft('insert rule inet lab forward iifname "blue" oifname { "wan0", "lan0" } tcp dport 5060 accept')
  const sip = await start(t, lab, {})
  await talk(t, phoneOf(lab), providerOf(lab), 'caller')
  t.match(sip.status().counters, { 'tcp-connections': 1 })
})

t.test('the machine itself: who is called, who calls, and whose connection is ended', { skip }, async (t) => {
  const lab = gatewayLab({ nat: 'none' })
  t.teardown(() => lab.close())
  lab.gateway.nft(`table inet admin { chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    tcp dport 5060 accept
  }; }`)
  const sip = await start(t, lab, { inside: ['lo'], policy: { notSip: 'drop' } })
  const own = { namespace: lab.gateway, address: lab.gatewayOutside.v4 }
  await talk(t, providerOf(lab), own, 'callee')
  await talk(t, own, providerOf(lab), 'caller')
  t.match(sip.status().counters, { 'tcp-connections': 2, requests: 6, responses: 4 })
  for (const [from, to] of [
    [own, providerOf(lab)],
    [providerOf(lab), own],
  ] as const) {
    const listener = await TcpListener.open(to.namespace, { address: to.address, port: 5060 })
    const line = await TcpEndpoint.connect(from.namespace, { address: from.address, port: 0 }, listener.local)
    const taken = await listener.accept()
    await line.send('GET / HTTP/1.0\r\n\r\n')
    t.same(await Promise.all([line.ended, taken.ended]), ['reset', 'reset'])
    t.equal(taken.text, '')
    listener.close()
  }
})

t.test('killed: connections and calls go on untouched; a new process helps new connections', { skip }, async (t) => {
  const lab = await openTcp(t, { layout: 'bridged', family: 4 }, false)
  const directory = mkdtempSync(join(tmpdir(), 'cthelper-run-'))
  t.teardown(() => rmSync(directory, { recursive: true, force: true }))
  const run = async () => {
    const given = [
      'run',
      '--inside',
      'lan0',
      '--outside',
      'wan0',
      '--mode',
      'firewall',
      '--socket',
      join(directory, 'c'),
    ]
    // tap would load its own modules into every Node process that is started.
    const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, builtCli(), ...given]
    const running = new CliProcess(lab.filter.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] }))
    t.teardown(() => running.end('SIGKILL'))
    t.match(await running.says(/ready/), /TCP followed/)
    return running
  }
  const first = await run()
  const server = await listen(t, lab, 'cluster')
  const { client, far: taken } = await connect(t, lab, server)
  const phone = new SipPeer(client, 'phone', { address: lab.far(20), port: 5060 })
  const asterisk = new SipPeer(taken, 'asterisk', server.local)
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  const ring = async () => {
    const invite = await phone.request('INVITE', server.local, { body: sdpOf(far) })
    const arrived = await asterisk.receiveRequest('INVITE')
    await asterisk.respond(arrived, 200, { body: sdpOf(audio) })
    const ok = await phone.response(200)
    await phone.ack(invite, ok, server.local)
    await asterisk.receiveRequest('ACK')
    return { invite, ok }
  }
  const { invite, ok } = await ring()
  t.match(await hears(far, audio.local, audio), { packets: 5 })
  await client.send(plain(1).slice(0, 40))
  t.equal(await first.end('SIGKILL'), null)
  await client.send(plain(1).slice(40))
  await taken.until(() => taken.text.includes('Call-ID: plain-1'))
  await asterisk.receiveRequest('MESSAGE')
  t.match(await hears(far, audio.local, audio), { packets: 5 }, 'the call goes on')
  const second = await run()
  await phone.inDialog('BYE', invite, ok, server.local)
  await asterisk.respond(await asterisk.receiveRequest('BYE'), 200)
  await phone.response(200)
  const next = await connect(t, lab, server)
  const [other, answering] = [
    new SipPeer(next.client, 'other', { address: lab.far(20), port: 5060 }),
    new SipPeer(next.far, 'asterisk', server.local),
  ]
  const [sound, there] = [await lab.inside(10, 14000), await lab.outside(20, 7000)]
  const again = await other.request('INVITE', server.local, { body: sdpOf(there) })
  await answering.respond(await answering.receiveRequest('INVITE'), 200, { body: sdpOf(sound) })
  await other.ack(again, await other.response(200), server.local)
  t.match(await hears(there, sound.local, sound), { packets: 5 }, 'a call on a new connection')
  t.equal(await second.end('SIGTERM'), 0)
  t.notMatch(lab.filter.runSync(['nft', 'list', 'ruleset']), 'cthelper')
})

const scenario = await readFile(new URL('../fixtures/sipp/caller.xml', import.meta.url), 'utf8')

for (const [family, mode] of [
  [4, 't1'],
  [6, 't1'],
  [4, 'tn'],
] as const)
  t.test(
    `SIPp calls SIPp through a bridge, IPv${family}, -t ${mode}`,
    { skip: skip || whyNoLab('sipp') },
    async (t) => {
      const lab: FirewallLab = await openTcp(t, { layout: 'bridged', family })
      const called = { address: lab.host(10), port: 5060 }
      const local = { address: lab.far(20), port: 5070 }
      // Under emulation a call takes seconds.
      const calls = timeScale > 1 ? 10 : 50
      const many = { calls, rate: 25 }
      const answering = runSipp(lab.cluster, { scenario: 'uas', local: called, ...many, extra: ['-t', 't1'] })
      const isThere = async () => (await lab.cluster.exec(['ss', '-Hltn', 'sport = :5060'])).stdout !== ''
      for (let i = 0; i < 100 && !(await isThere()); i++) await pause(50)
      const extra = ['-t', mode, '-max_socket', '300', '-d', '500']
      const keys = { rtp_port: '4000' }
      const calling = await runSipp(lab.internet, { scenario, local, remote: called, keys, ...many, extra })
      t.match(calling, { code: 0, successful: calls, failed: 0 })
      t.ok((await answering).successful >= calls - 1)
      t.match(lab.sip.status().counters, { requests: 3 * calls, 'tcp-connections': mode === 't1' ? 1 : calls })
      t.ok(lab.opened.length >= 1, `${lab.opened.length} ways were opened`)
      t.same(await expectations(lab.filter), [])
      t.match(lab.sip.status().sizes, { calls: 0, pinholes: 0, flows: 0 })
      t.same([lab.refusals, lab.errors], [[], []])
    },
  )
