import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import ts from 'typescript'
import {
  conntrackEntries,
  gatewayLab,
  type Namespace,
  nftRuleset,
  SipPeer,
  sdpText,
  TcpEndpoint,
  TcpListener,
  UdpEndpoint,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import { builtCli, root } from '../cli/built.js'
import { CliLab, CliProcess, ring } from './cli-run.js'
import { answered, FirewallLab, sdpOf } from './firewall-lab.js'
import { call, hears, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

let programs: string | undefined

/** The examples as JavaScript, in a directory of this package, from where they resolve 'cthelper' as itself. */
function transpiled(): string {
  if (programs !== undefined) return programs
  mkdirSync(join(root, 'build'), { recursive: true })
  programs = mkdtempSync(join(root, 'build', 'examples-'))
  for (const name of readdirSync(join(root, 'examples'), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const { outputText } = ts.transpileModule(readFileSync(join(root, 'examples', name), 'utf8'), {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true },
    })
    const path = join(programs, name.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, outputText)
  }
  return programs
}
t.teardown(() => programs && rmSync(programs, { recursive: true }))

/** Starts examples/NAME and waits until it says that it is ready. */
async function runExample(namespace: Namespace, name: string): Promise<CliProcess> {
  builtCli()
  const path = join(transpiled(), name.replace(/\.ts$/, '.js'))
  const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, path]
  const running = new CliProcess(namespace.spawn(argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }))
  await running.says(/^ready$/)
  return running
}

async function stops(t: Test, running: CliProcess, namespace: Namespace, left: readonly string[]): Promise<void> {
  t.equal(await running.end('SIGTERM'), 0, 'it ends by itself once it has stopped')
  t.same(
    (await nftRuleset(namespace)).flatMap((it) => it.table?.name ?? []),
    left,
  )
}

const tried = new Set<string>()
const example = (name: string, test: (t: Test) => Promise<void>) => {
  tried.add(name)
  return t.test(`examples/${name}`, { skip }, test)
}

example('gateway.ts', async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const people = await cli.people()
  const running = await runExample(cli.lab.gateway, 'gateway.ts')

  const { invite, answered, media } = await ring(people)
  t.match(media, { address: cli.lab.gatewayOutside.v4, port: 30000 })
  t.match(await hears(people.far, media, people.audio), { packets: 5 }, 'audio in')
  t.match(await hears(people.audio, people.far.local, people.far), { packets: 5, from: media }, 'audio out')
  await people.alice.inDialog('BYE', invite, answered, people.bob.endpoint.local)
  await people.bob.respond(await people.bob.receiveRequest('BYE'), 200)
  await people.alice.response(200)

  await stops(t, running, cli.lab.gateway, ['lab'])
  const states = running.lines.slice(1).map((line) => line.replace(invite.get('Call-ID'), 'CALL'))
  t.same(states, ['CALL calling', 'CALL answered', 'CALL ending'])
})

example('firewall.ts', async (t) => {
  const lab = new FirewallLab({ layout: 'routed', family: 4 })
  t.teardown(() => lab.close())
  const running = await runExample(lab.filter, 'firewall.ts')
  const { phone, asterisk } = await lab.peers()
  const [audio, far] = [await lab.inside(10, 12000), await lab.outside(20, 6000)]
  await answered(phone, asterisk, sdpOf(far), sdpOf(audio))
  t.match(await hears(far, audio.local, audio), { packets: 5 }, 'audio in')
  t.match(await running.says(/^open/), 'open 198.51.100.20:6000 to 192.0.2.10:12000')
  await stops(t, running, lab.filter, ['filter'])
})

example('music-on-hold.ts', async (t) => {
  const lab = gatewayLab({ phones: 2 })
  t.teardown(() => lab.close())
  const running = await runExample(lab.gateway, 'music-on-hold.ts')
  const open = async (where: 'phone' | 'provider', address: string, port: number) => {
    const endpoint = await UdpEndpoint.open(lab[where], { address, port })
    t.teardown(() => endpoint.close())
    return endpoint
  }
  const alice = new SipPeer(await open('phone', lab.phones[0]!.v4, 5060), 'alice')
  const bob = new SipPeer(await open('provider', lab.registrar.v4, 5060), 'bob')
  const far = await open('provider', lab.mediaServer.v4, 6000)
  const to = bob.endpoint.local
  const [own, theirs] = [lab.phones[0]!.v4, lab.mediaServer.v4]
  const setup = { caller: alice, callee: bob, to, callerMedia: { address: own, port: 4000 } }
  const { invite, arrived, answered: ok } = await call({ ...setup, calleeMedia: far.local })
  const body = sdpText({ address: own, ports: [4000], version: 2, direction: 'sendonly' })
  await alice.inDialog('INVITE', invite, ok, to, { body, cseq: 2 })
  const again = await bob.receiveRequest('INVITE')
  await bob.respond(again, 200, { body: sdpText({ address: theirs, ports: [6000] }) })
  await alice.response(200)
  await running.says(/ held$/)
  const music = await open('phone', lab.phones[1]!.v4, 17000)
  await until(async () => (await hears(music, far.local, far, 1)).from?.port === target(arrived).port)
  await stops(t, running, lab.gateway, ['lab'])
})

example('mixed.ts', async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  lab.gateway.ip('link add dmz0 type veth peer name dmz1')
  const running = await runExample(lab.gateway, 'mixed.ts')
  const open = async (where: 'phone' | 'provider', address: string, port: number) => {
    const endpoint = await UdpEndpoint.open(lab[where], { address, port })
    t.teardown(() => endpoint.close())
    return endpoint
  }
  const alice = new SipPeer(await open('phone', lab.phones[0]!.v4, 5060), 'alice')
  for (const [who, isTrusted] of [
    [lab.registrar.v4, true],
    [lab.stranger.v4, false],
  ] as const) {
    const far = new SipPeer(await open('provider', who, 5080), 'far')
    await alice.request('OPTIONS', far.endpoint.local)
    const seen = await far.receiveRequest('OPTIONS')
    const contact = isTrusted ? lab.gatewayOutside.v4 : lab.phones[0]!.v4
    t.match(seen.get('Via'), contact, isTrusted ? 'the trusted one, at 5080' : 'another one: as it is')
  }
  await stops(t, running, lab.gateway, ['lab'])
})

example('cone.ts', async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const running = await runExample(lab.gateway, 'cone.ts')
  const host = await UdpEndpoint.open(lab.phone, { address: lab.phones[0]!.v4, port: 40000 })
  const server = await UdpEndpoint.open(lab.provider, { address: lab.registrar.v4, port: 3478 })
  const anybody = await UdpEndpoint.open(lab.provider, { address: lab.stranger.v4, port: 1234 })
  for (const it of [host, server, anybody]) t.teardown(() => it.close())
  await host.send('who am I', server.local)
  const { from } = await server.receive()
  t.equal(await running.says(/^open/), `open ${from.address}:${from.port} to ${host.local.address}:40000`)
  await anybody.send('hello', from)
  t.equal((await host.receive()).bytes.toString(), 'hello')
  await stops(t, running, lab.gateway, ['lab'])
})

example('rewrite-source.ts', async (t) => {
  const lab = gatewayLab({ phones: 2 })
  t.teardown(() => lab.close())
  const running = await runExample(lab.gateway, 'rewrite-source.ts')
  const music = await UdpEndpoint.open(lab.phone, { address: lab.phones[1]!.v4, port: 17000 })
  const far = await UdpEndpoint.open(lab.provider, { address: lab.mediaServer.v4, port: 6000 })
  for (const it of [music, far]) t.teardown(() => it.close())
  // Random payloads: whatever the checksums are, the receiver's kernel agrees with them.
  const from = { address: lab.gatewayOutside.v4, port: 30000 }
  for (let n = 0; n < 50; n++) {
    const sent = randomBytes(1 + n * 7)
    await music.send(sent, far.local)
    const heard = await far.receive()
    t.same(heard.from, from)
    t.ok(sent.equals(heard.bytes))
  }
  const entries = await conntrackEntries(lab.gateway)
  t.notOk(
    entries.some(({ original }) => original.source.port === 17000),
    'no conntrack',
  )
  await stops(t, running, lab.gateway, ['lab'])
})

example('script.ts', async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const people = await cli.people()
  const running = await runExample(cli.lab.gateway, 'script.ts')
  await people.alice.request('INVITE', people.bob.endpoint.local, { uri: 'sip:0900123@provider.example' })
  t.match(await people.alice.response(403), { startLine: 'SIP/2.0 403 Premium numbers are barred' })
  const { arrived, media } = await ring(people)
  t.equal(arrived.get('X-Gateway'), 'head office')
  t.match(await hears(people.far, media, people.audio), { packets: 5 })
  const marks = (await conntrackEntries(cli.lab.gateway)).filter(({ mark }) => mark === 0x2e)
  t.ok(marks.length > 0)
  await stops(t, running, cli.lab.gateway, ['lab'])
})

example('pbx.ts', async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const { gateway, provider, gatewayOutside, registrar } = lab
  const running = await runExample(gateway, 'pbx.ts')
  const endpoints = await Promise.all([
    UdpEndpoint.open(gateway, { address: gatewayOutside.v4, port: 5060 }),
    UdpEndpoint.open(gateway, { address: gatewayOutside.v4, port: 30000 }),
    UdpEndpoint.open(provider, { address: registrar.v4, port: 5060 }),
    UdpEndpoint.open(provider, { address: registrar.v4, port: 6000 }),
  ])
  t.teardown(() => endpoints.map((endpoint) => endpoint.close()))
  const [own, audio, other, far] = endpoints
  t.match(await hears(far, audio.local, audio), { packets: 0 }, 'media ports are shut')
  await answered(new SipPeer(other, 'phone'), new SipPeer(own, 'pbx'), sdpOf(far), sdpOf(audio))
  t.match(await hears(far, audio.local, audio), { packets: 5 }, 'audio in')
  t.match(await running.says(/answered/), `answered ${registrar.v4}:5060`)
  await stops(t, running, gateway, ['lab'])
})

example('tftp-helper.ts', async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const running = await runExample(lab.gateway, 'tftp-helper.ts')
  const { provider, registrar, stranger, phones } = lab
  const [client, well, transfer, other] = await Promise.all([
    UdpEndpoint.open(lab.phone, { address: phones[0]!.v4, port: 3000 }),
    UdpEndpoint.open(provider, { address: registrar.v4, port: 69 }),
    UdpEndpoint.open(provider, { address: registrar.v4, port: 40_100 }),
    UdpEndpoint.open(provider, { address: stranger.v4, port: 40_100 }),
  ])
  t.teardown(() => [client, well, transfer, other].map((endpoint) => endpoint.close()))
  await client.send('\0\x01file\0octet\0', well.local)
  const { from } = await well.receive()
  await other.send('intruder', from)
  await transfer.send('\0\x03\0\x01block', from)
  t.match(await client.receive(), { from: transfer.local, bytes: Buffer.from('\0\x03\0\x01block') })
  t.equal(client.count(), 1)
  t.match(await running.says(/^open/), `open ${registrar.v4} to ${phones[0]!.v4}`)
  await stops(t, running, lab.gateway, ['lab'])
})

example('rtsp-helper.ts', async (t) => {
  const lab = gatewayLab()
  t.teardown(() => lab.close())
  const running = await runExample(lab.gateway, 'rtsp-helper.ts')
  const { provider, registrar, phones } = lab
  const [phone, server] = [phones[0]!.v4, registrar.v4]
  const listener = await TcpListener.open(provider, { address: server, port: 554 })
  t.teardown(() => listener.close())
  const client = await TcpEndpoint.connect(lab.phone, { address: phone, port: 0 }, listener.local)
  t.teardown(() => client.close())
  const taken = await listener.accept()
  const audio = await UdpEndpoint.open(lab.phone, { address: phone, port: 4000 })
  const far = await UdpEndpoint.open(provider, { address: server, port: 6970 })
  t.teardown(() => [audio, far].map((endpoint) => endpoint.close()))
  await client.send('SETUP rtsp://h/a RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;client_port=4000-4001\r\n\r\n')
  const asked = (await taken.receive()).bytes.toString()
  const port = Number(/client_port=(\d+)/.exec(asked)?.[1])
  t.match(await hears(far, { address: lab.gatewayOutside.v4, port }, audio), { packets: 5, from: far.local })
  t.equal(await running.says(/^open/), `open ${server}:0 to ${phone}:4000 at ${port}`)
  await stops(t, running, lab.gateway, ['lab'])
})

t.test('every example is tried here', async (t) => {
  const files = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.ts'))
  t.same(
    files.filter((name) => !tried.has(name)),
    [],
  )
})
