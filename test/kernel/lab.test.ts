import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import t from 'tap'
import { anchorConntrack, inboundPinhole, openConntrack } from '../../lib/conntrack/index.js'
import {
  Capture,
  conntrackEntries,
  endpointText,
  expectations,
  gatewayLab,
  Lab,
  nftRuleset,
  RtpMeter,
  runSipp,
  SipPeer,
  sdpTarget,
  sdpText,
  sendRtp,
  UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'

const skip = whyNoLab('nft', 'conntrack')

t.test('a lab removes its namespaces and ends what runs in them', { skip }, async (t) => {
  const lab = new Lab()
  const [left, right] = [lab.namespace('left'), lab.namespace('right')]
  lab.link(left, 'a0', ['10.1.0.1/24', 'fd00::1/64'], right, 'b0', ['10.1.0.2/24', 'fd00::2/64'])
  const sleeper = left.spawn(['sleep', '600'])
  t.match(right.runSync(['ip', '-br', 'addr', 'show', 'dev', 'b0']), /10\.1\.0\.2\/24 fd00::2\/64/)
  t.throws(() => left.runSync(['false']), { code: 'ERR_KERNEL' })
  t.equal((await left.exec(['sh', '-c', 'cat; exit 3'], { input: 'x' })).code, 3)
  await t.rejects(left.exec(['sleep', '600'], { timeoutMs: 50 }), /still running/)
  lab.close()
  lab.close()
  t.notOk(existsSync(left.path), 'namespace removed')
  await new Promise((resolve) => sleeper.once('exit', resolve))
  t.equal(sleeper.signalCode, 'SIGKILL')
})

t.test('a lab that is never closed goes with its process', { skip }, async (t) => {
  const lab = new URL('../../lib/testing/netns.js', import.meta.url).href
  for (const end of ['throw new Error("test")', 'process.kill(process.pid, "SIGTERM"); setInterval(() => {}, 1000)']) {
    const script = `const { Lab } = await import(${JSON.stringify(lab)}); console.log(new Lab().namespace('x').path); ${end}`
    // The same loaders as this process has: TypeScript is compiled on the way.
    const child = spawnSync(process.execPath, [...process.execArgv, '--input-type=module', '-e', script], {
      encoding: 'utf8',
    })
    const path = /\/run\/netns\/\S+/.exec(child.stdout)?.[0]
    t.ok(path, `it made a namespace ${child.stderr}`)
    t.not(child.status, 0, 'it ended badly')
    t.notOk(existsSync(path!), 'nothing is left')
  }
})

for (const [family, nat] of [
  [4, 'masquerade'],
  [4, 'snat'],
  [6, 'nat66'],
  [4, 'none'],
  [6, 'none'],
] as const) {
  t.test(`gateway, IPv${family}, ${nat}`, { skip }, async (t) => {
    const net = gatewayLab({ family, nat, phones: 2 })
    t.teardown(() => net.close())
    const of = (addresses: { v4: string; v6: string }) => (family === 4 ? addresses.v4 : addresses.v6)
    const phone = await UdpEndpoint.open(net.phone, { address: of(net.phones[1]!), port: 5060 })
    const registrar = await UdpEndpoint.open(net.provider, { address: of(net.registrar), port: 5060 })
    const stranger = await UdpEndpoint.open(net.provider, { address: of(net.stranger), port: 5060 })
    for (const endpoint of [phone, registrar, stranger]) t.teardown(() => endpoint.close())

    await phone.send('out', registrar.local)
    const heard = await registrar.receive()
    t.equal(heard.from.address, nat === 'none' ? phone.local.address : of(net.gatewayOutside), 'source as translated')
    await registrar.send('back', heard.from)
    t.equal((await phone.receive()).bytes.toString(), 'back')

    const target = nat === 'none' ? phone.local : heard.from
    await stranger.send('unasked', target)
    await phone.expectSilence(150)
    t.equal(phone.count(registrar.local), 1)
    t.equal(phone.count(), 1)

    const [entry] = (await conntrackEntries(net.gateway)).filter(
      ({ original }) => original.destination.port === 5060 && original.source.address === phone.local.address,
    )
    t.match(entry, { original: { source: phone.local, destination: registrar.local }, unreplied: false })
    t.equal(entry?.reply.destination.address, heard.from.address)
  })
}

t.test('both families, open forward policy', { skip }, async (t) => {
  const net = gatewayLab({ family: 'both', forwardPolicy: 'accept', nat: 'none' })
  t.teardown(() => net.close())
  for (const version of ['v4', 'v6'] as const) {
    const phone = await UdpEndpoint.open(net.phone, { address: net.phones[0]![version], port: 0 })
    const far = await UdpEndpoint.open(net.provider, { address: net.stranger[version], port: 0 })
    await far.send(version, phone.local)
    t.same((await phone.receive()).from, far.local)
    phone.close()
    far.close()
  }
  const chains = (await nftRuleset(net.gateway)).flatMap(({ chain }) => (chain ? [chain.name] : []))
  t.same(chains, ['forward'])
})

t.test('expectations as conntrack(8) shows them', { skip }, async (t) => {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const namespace = lab.namespace('expect')
  const conntrack = await openConntrack({ netns: namespace.path })
  t.teardown(() => conntrack.close())
  for (const [n, family, address] of [
    [0, 4, '198.51.100.1'],
    [1, 6, '2001:db8::1'],
  ] as const) {
    const anchor = anchorConntrack({ family, n, helper: 'sip', timeoutSec: 60 })
    await conntrack.create(anchor)
    const ends = { from: { address, port: 6000 }, to: { address, port: 30000 }, mapTo: { address, port: 4000 } }
    const expectation = inboundPinhole({ anchor: anchor.original, ...ends, source: 'address' })
    await conntrack.expectations.create(expectation)
    const [seen] = (await expectations(namespace)).filter(({ tuple }) => tuple.family === family)
    const { master, tuple, mask, flags } = expectation
    t.match(seen, { master, tuple, flags, class: 1, helper: 'sip', mask: { source: mask.source } }, `IPv${family}`)
    t.ok(seen!.timeoutSec! > 170)
  }
})

t.test(
  'a call by scripted peers, its RTP metered, its packets witnessed',
  { skip: skip || whyNoLab('tcpdump') },
  async (t) => {
    const net = gatewayLab({ nat: 'none', forwardPolicy: 'accept' })
    t.teardown(() => net.close())
    const open = (where: 'phone' | 'provider', address: string, port: number) =>
      UdpEndpoint.open(net[where], { address, port })
    const [inside, outside] = [net.phones[0]!.v4, net.registrar.v4]
    const alice = new SipPeer(await open('phone', inside, 5060), 'alice')
    const bob = new SipPeer(await open('provider', outside, 5060), 'bob')
    const [aliceMedia, bobMedia] = [await open('phone', inside, 4000), await open('provider', outside, 6000)]
    for (const endpoint of [alice.endpoint, bob.endpoint, aliceMedia, bobMedia]) t.teardown(() => endpoint.close())
    const witness = await Capture.start(net.gateway, { device: 'wan0', filter: 'udp' })

    const invite = await alice.request('INVITE', bob.endpoint.local, {
      body: sdpText({ address: inside, ports: [4000] }),
    })
    const asked = await bob.receiveRequest('INVITE')
    t.same(sdpTarget(asked.body), aliceMedia.local)
    await bob.respond(asked, 200, { body: sdpText({ address: outside, ports: [6000] }) })
    const answer = await alice.response(200)
    await alice.ack(invite, answer, bob.endpoint.local)
    t.equal((await bob.receiveRequest('ACK')).tag('To'), answer.tag('To'))

    const meter = new RtpMeter(bobMedia)
    t.equal(await sendRtp(aliceMedia, sdpTarget(answer.body)!, { count: 10, ssrc: 7, sequence: 65530 }), 10)
    await bobMedia.receive({ where: ({ bytes }) => bytes.readUInt16BE(2) === 3 })
    t.equal(meter.received(7, aliceMedia.local), 10)
    t.same(meter.sources(7), [endpointText(aliceMedia.local)])

    await alice.inDialog('BYE', invite, answer, bob.endpoint.local)
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
    const packets = await witness.stop()
    t.equal(packets.filter(({ destination }) => destination.port === 6000).length, 10, 'RTP on the wire')
    const methods = packets
      .filter(({ destination }) => destination.port === 5060)
      .map(({ payload }) => Buffer.from(payload).toString().split(' ')[0])
    t.same(methods, ['INVITE', 'SIP/2.0', 'ACK', 'BYE', 'SIP/2.0'])
  },
)

t.test('tcpdump that cannot start says why', { skip: skip || whyNoLab('tcpdump') }, async (t) => {
  const lab = new Lab()
  t.teardown(() => lab.close())
  await t.rejects(Capture.start(lab.namespace('x'), { device: 'nosuch0' }), /nosuch0/)
})

t.test('SIPp calls SIPp', { skip: skip || whyNoLab('sipp') }, async (t) => {
  const net = gatewayLab({ nat: 'none', forwardPolicy: 'accept' })
  t.teardown(() => net.close())
  const [caller, called] = [
    { address: net.phones[0]!.v4, port: 5060 },
    { address: net.registrar.v4, port: 5060 },
  ]
  const answering = runSipp(net.provider, { scenario: 'uas', local: called, calls: 3 })
  const calling = await runSipp(net.phone, { scenario: 'uac', local: caller, remote: called, calls: 3 })
  t.match(calling, { code: 0, successful: 3, failed: 0 })
  t.equal((await answering).successful, 3)

  const deaf = '<?xml version="1.0"?><scenario name="deaf"><recv request="INVITE" timeout="200"/></scenario>'
  const unanswered = await runSipp(net.provider, { scenario: deaf, local: called, timeoutSec: 1 })
  t.not(unanswered.code, 0)
  t.equal(unanswered.successful, 0)
})
