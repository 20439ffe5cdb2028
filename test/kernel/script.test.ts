import t, { type Test } from 'tap'
import {
  conntrackEntries,
  endpointText,
  expectations,
  SipPeer,
  sdpText,
  TcpEndpoint,
  TcpListener,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { OnMessage } from '../../types/script.js'
import { call, hears, Scene, type SceneOptions, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

async function open(t: Test, onMessage: OnMessage, options: SceneOptions = {}) {
  const scene = await Scene.open({ ...options, helper: { onMessage, ...options.helper } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
  const setup = {
    caller: alice,
    callee: bob,
    to: bob.endpoint.local,
    callerMedia: audio.local,
    calleeMedia: far.local,
  }
  return { scene, alice, bob, audio, far, setup }
}

t.test("a script's edits go together with ours", { skip }, async (t) => {
  const seen: string[] = []
  const { scene, alice, bob, audio, far } = await open(t, (message, context) => {
    seen.push(`${context.way} ${message.method} ${message.statusCode} ${context.call?.state ?? '-'}`)
    if (message.kind === 'response') return
    context.addHeader('X-Gateway', 'Büro')
    context.removeHeader('user-agent')
    const codecs = context.find('RTP/AVP 0', message.body)
    if (codecs) context.replace(codecs, 'RTP/AVP 0 8 101')
  })
  const to = bob.endpoint.local
  const body = sdpText({ address: audio.local.address, ports: [4000] })
  const invite = await alice.request('INVITE', to, { body, headers: [['User-Agent', 'Phone/1']] })
  const arrived = await bob.receiveRequest('INVITE')
  t.equal(Buffer.from(arrived.get('X-Gateway'), 'latin1').toString(), 'Büro')
  t.equal(arrived.get('User-Agent'), '')
  t.match(arrived.body, 'RTP/AVP 0 8 101')
  t.equal(Number(arrived.get('Content-Length')), arrived.body.length)
  t.equal(target(arrived).address, scene.address('gatewayOutside'))
  await bob.respond(arrived, 200, { body: sdpText({ address: far.local.address, ports: [6000] }) })
  await alice.ack(invite, await alice.response(200), to)
  await bob.receiveRequest('ACK')
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  t.same(seen, ['out INVITE 0 -', 'in INVITE 200 calling', 'out ACK 0 answered'])
  t.same([scene.refusals, scene.errors], [[], []])
})

t.test('edits where ours are: refused together, and ours are made', { skip }, async (t) => {
  const { scene, audio, far, setup } = await open(t, (message, context) => {
    const via = message.headers.find(({ header }) => header === 'via')
    if (via && message.kind === 'request') context.replace(via.value, 'SIP/2.0/UDP nonsense')
    context.addHeader('X-Gateway', 'never seen')
  })
  const { arrived } = await call(setup)
  t.match(arrived.get('Via'), endpointText({ address: scene.address('gatewayOutside'), port: 5060 }))
  t.equal(arrived.get('X-Gateway'), '')
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  t.same(scene.refusals, ['edits-overlap', 'edits-overlap'], 'INVITE and ACK')
})

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
  [4, 'none'],
] as const) {
  t.test(`rejected on the way out, IPv${family}, ${nat}`, { skip }, async (t) => {
    let isBarred = true
    const { scene, alice, bob, audio, far, setup } = await open(
      t,
      (message, context) => {
        if (isBarred && message.method === 'INVITE') context.reject(403, 'Barred')
      },
      { family, nat },
    )
    const to = bob.endpoint.local
    const body = sdpText({ address: audio.local.address, ports: [4000] })
    const invite = await alice.request('INVITE', to, { body })
    const refused = await alice.response(403)
    t.same(refused.from, to, 'in the name of the one who was asked')
    t.equal(refused.startLine, 'SIP/2.0 403 Barred')
    for (const header of ['From', 'Call-ID', 'CSeq']) t.equal(refused.get(header), invite.get(header), header)
    t.match(refused.get('Via'), `rport=5060;received=${alice.endpoint.local.address}`)
    t.ok(refused.tag('To'))
    await alice.ack(invite, refused, to)
    await bob.endpoint.expectSilence(200)
    t.same([scene.sip.calls(), await expectations(scene.lab.gateway)], [[], []], 'nothing was opened')
    isBarred = false
    const { arrived } = await call(setup)
    const outside = nat === 'none' ? scene.phoneAddress() : scene.address('gatewayOutside')
    t.equal(arrived.from?.address, outside, 'the answer left nothing behind that the next call would trip over')
    t.match(await hears(far, target(arrived), audio), { packets: 5 })
  })
}

t.test('rejected on the way in; dropped', { skip }, async (t) => {
  let isDropped = false
  const { scene, alice, bob } = await open(t, (message, context) => {
    if (context.way !== 'in' || message.method !== 'INVITE') return
    if (isDropped) context.drop()
    else context.reject(486)
  })
  await alice.register(bob.endpoint.local)
  const register = await bob.receiveRequest('REGISTER')
  await bob.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=300`]] })
  await alice.response(200)
  await bob.request('INVITE', register.from!, {
    body: sdpText({ address: scene.address('mediaServer'), ports: [6000] }),
  })
  const refused = await bob.response(486)
  t.same(refused.from, register.from)
  isDropped = true
  await bob.request('INVITE', register.from!, {})
  await alice.endpoint.expectSilence(200)
  await bob.endpoint.expectSilence(100)
  t.match(scene.sip.status().counters, { 'script-rejected': 1, 'script-dropped': 1 })
})

t.test("a mark is that of the call's media, for rules to go by", { skip }, async (t) => {
  const { scene, audio, far, setup } = await open(t, (_, context) => context.mark(0x2e))
  scene.lab.gateway.nft(
    'table ip qos { chain c { type filter hook postrouting priority 200; ct mark 0x2e ip dscp set ef; }; }',
  )
  scene.lab.provider.nft(
    'table ip seen { chain c { type filter hook input priority 0; udp dport 6000 ip dscp ef counter; }; }',
  )
  const { arrived } = await call(setup)
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5 })
  const media = (await conntrackEntries(scene.lab.gateway)).filter(({ original: { source, destination } }) =>
    [source.port, destination.port].includes(6000),
  )
  t.same(new Set(media.map(({ mark }) => mark)), new Set([0x2e]))
  t.match(scene.lab.provider.runSync(['nft', 'list', 'table', 'ip', 'seen']), /counter packets 5 /)
})

t.test('a script that fails costs no call its help', { skip }, async (t) => {
  const kinds = [
    () => {
      throw new Error('a slip')
    },
    async () => {},
    (_, context) => context.replace({ start: 0, end: 10 }, ''),
    (_, context) => context.reject(200),
    (_, context) => context.addHeader('X', 'a\r\nVia: b'),
  ] satisfies OnMessage[]
  let script: OnMessage = kinds[0]!
  const { scene, alice, bob, audio, far } = await open(t, (message, context) => script(message, context))
  for (const kind of kinds) {
    script = kind
    const body = sdpText({ address: audio.local.address, ports: [4000] })
    await alice.request('INVITE', bob.endpoint.local, { body })
    const arrived = await bob.receiveRequest('INVITE')
    t.equal(target(arrived).address, scene.address('gatewayOutside'))
    await bob.respond(arrived, 486)
    await alice.response(486)
  }
  t.equal(scene.errors.length, 2 * kinds.length)
  t.match(scene.errors[2]?.message, /returned a promise/)
  t.ok(far)
})

t.test('rejected by TCP', { skip }, async (t) => {
  const scene = await Scene.open({
    helper: { onMessage: (message, context) => void (message.method === 'INVITE' && context.reject(403)) },
  })
  t.teardown(() => scene.close())
  const registrar = await TcpListener.open(scene.lab.provider, { address: scene.address('registrar'), port: 5060 })
  t.teardown(() => registrar.close())
  const line = await TcpEndpoint.connect(scene.lab.phone, { address: scene.phoneAddress(), port: 0 }, registrar.local)
  const far = await registrar.accept()
  const alice = new SipPeer(line, 'alice', line.local)
  const invite = await alice.request('INVITE', registrar.local, {
    body: sdpText({ address: scene.phoneAddress(), ports: [4000] }),
  })
  const refused = await alice.response(403)
  await alice.ack(invite, refused, registrar.local)
  await alice.request('OPTIONS', registrar.local)
  const first = await far.receive()
  t.match(first.bytes.toString(), /^OPTIONS /, 'nothing of the INVITE, nor of its ACK, came before')
})
