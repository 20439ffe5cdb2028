/** Signalling that does not come by the flow that went out: other ports, other hosts; let in for as long as it is due. */
import t from 'tap'
import {
  endpointText,
  expectations,
  SipPeer,
  scaled,
  sdpText,
  type UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

/** `text` sent from another socket than the peer's own. */
const sendFrom = (endpoint: UdpEndpoint, text: string, to: { address: string; port: number }) =>
  endpoint.send(Buffer.from(text, 'latin1'), to)

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
  [4, 'none'],
] as const) {
  t.test(`IPv${family}, ${nat}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const other = await scene.outside(5099)
    const mallory = await scene.outside(5060, 'stranger')
    const [audio, far] = [await scene.inside(4000), await scene.outside(6000)]
    const outside = { address: nat === 'none' ? scene.phoneAddress() : scene.address('gatewayOutside'), port: 5060 }
    const body = sdpText({ address: audio.local.address, ports: [4000] })

    await t.test('a 200 from another port of the right server', async (t) => {
      const sent = await alice.request('INVITE', bob.endpoint.local, { body })
      const invite = await bob.receiveRequest('INVITE')
      const headers = [['Contact', `<sip:bob@${endpointText(bob.endpoint.local)}>`]] as const
      const answer = sdpText({ address: far.local.address, ports: [6000] })
      const text = bob.answer(invite, 200, { body: answer, headers })
      await sendFrom(mallory, text, outside)
      await alice.endpoint.expectSilence(scaled(200))
      await sendFrom(other, text, outside)
      const ok = await alice.response(200)
      t.same(ok.from, other.local, 'and its source is what it was')
      t.match(ok.get('Via'), endpointText(alice.endpoint.local), 'in the phone’s own words')
      await alice.ack(sent, ok, bob.endpoint.local)
      await bob.receiveRequest('ACK')
      t.match(await hears(far, target(invite), audio), { packets: 5 })
      t.match(await hears(audio, far.local, far), { packets: 5, from: target(invite) })
      await alice.inDialog('BYE', sent, ok, bob.endpoint.local)
      await bob.respond(await bob.receiveRequest('BYE'), 200)
      await alice.response(200)
      t.same(await expectations(scene.lab.gateway), [], 'shut with the call')
    })

    await t.test('a BYE straight from the far phone, elsewhere than the proxy', async (t) => {
      const carol = new SipPeer(await scene.outside(5062, 'mediaServer'), 'carol')
      const sent = await alice.request('INVITE', bob.endpoint.local, { body })
      const invite = await bob.receiveRequest('INVITE')
      const bye = (from: string) =>
        carol.build('BYE', outside, {
          uri: `sip:alice@${endpointText(outside)}`,
          callId: sent.get('Call-ID'),
          fromTag: from,
          toTag: sent.tag('From'),
          cseq: 1,
        })
      // From another port: what the gateway itself has got leaves a conntrack that shadows the way to come.
      await sendFrom(await scene.outside(5064, 'mediaServer'), bye('early'), outside)
      await alice.endpoint.expectSilence(scaled(200))
      await bob.respond(invite, 200, {
        body: sdpText({ address: far.local.address, ports: [6000] }),
        headers: [['Contact', `<sip:carol@${endpointText(carol.endpoint.local)}>`]],
      })
      const ok = await alice.response(200)
      await alice.ack(sent, ok, bob.endpoint.local)
      await sendFrom(carol.endpoint, bye(ok.tag('To')), outside)
      const arrived = await alice.receiveRequest('BYE')
      t.equal(arrived.uri, `sip:alice@${endpointText(alice.endpoint.local)}`)
      t.equal(scene.sip.calls()[0]?.state, 'ending')
      await alice.respond(arrived, 200)
      await carol.response(200)
      t.same(scene.sip.calls(), [])
      t.match(await hears(far, target(invite), audio), { packets: 0 })
      t.same(await expectations(scene.lab.gateway), [])
    })

    await t.test('an answer to OPTIONS from another port', async () => {
      await alice.request('OPTIONS', bob.endpoint.local)
      const options = await bob.receiveRequest('OPTIONS')
      const text = bob.answer(options, 200)
      await sendFrom(mallory, text, outside)
      await alice.endpoint.expectSilence(scaled(200))
      await sendFrom(other, text, outside)
      await alice.response(200)
    })
    t.same(scene.errors, [])
    t.same(scene.refusals, [])
  })
}

t.test('callers: a network may call a registered phone, others may not', { skip }, async (t) => {
  const scene = await Scene.open({
    helper: { signalling: { callers: ['198.51.100.0/27'] }, media: { ports: [30000, 30100] } },
  })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const registrar = new SipPeer(await scene.outside(5060), 'registrar')
  const node = new SipPeer(await scene.outside(5070, 'mediaServer'), 'node')
  const stranger = new SipPeer(await scene.outside(5060, 'stranger'), 'mallory')
  const outside = { address: scene.address('gatewayOutside'), port: 5060 }
  await alice.register(registrar.endpoint.local, 600)
  const register = await registrar.receiveRequest('REGISTER')
  await registrar.respond(register, 200, { headers: [['Contact', register.get('Contact')]] })
  await alice.response(200)
  await stranger.request('OPTIONS', outside)
  await alice.endpoint.expectSilence(scaled(300))
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
  const { arrived, answered } = await call({
    caller: node,
    callee: alice,
    to: outside,
    callerMedia: far.local,
    calleeMedia: audio.local,
  })
  t.equal(arrived.from?.address, node.endpoint.local.address, 'another host of the cluster')
  t.match(await hears(far, target(answered), audio), { packets: 5 })
  t.same(scene.refusals, [])
  const [way] = (await expectations(scene.lab.gateway)).filter((it) => it.class === 0)
  t.match(way, { mask: { source: { address: '255.255.255.224', port: 0 } } })
})

t.test('a phone that sends from 50000 and listens at 5060, without rport', { skip }, async (t) => {
  const scene = await Scene.open({ helper: { media: { ports: [30000, 30100] } } })
  t.teardown(() => scene.close())
  const phone = new SipPeer(await scene.inside(5060), 'alice')
  const source = await scene.inside(50_000)
  const registrar = new SipPeer(await scene.outside(5060), 'registrar')
  const to = registrar.endpoint.local
  const via = ['Via', `SIP/2.0/UDP ${endpointText(phone.endpoint.local)};branch=z9hG4bKold`] as const
  const contact = ['Contact', `<sip:alice@${endpointText(phone.endpoint.local)}>`] as const
  await sendFrom(source, phone.build('REGISTER', to, { headers: [via, contact, ['Expires', '600']] }), to)
  const register = await registrar.receiveRequest('REGISTER')
  t.same(register.from?.port, 50_000)
  const port = Number(/:(\d+);branch/.exec(register.get('Via'))?.[1])
  t.ok(port >= 30_000 && port <= 30_100, 'its Via names a port of its own')
  const told = { address: scene.address('gatewayOutside'), port }
  // RFC 3261 18.2.2: without rport the answer goes to the sent-by's port.
  const granted = registrar.answer(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=600`]] })
  await sendFrom(registrar.endpoint, granted, told)
  const ok = await phone.response(200)
  t.equal(ok.get('Via'), via[1], 'the phone sees its own words')
  t.match(ok.get('Contact'), contact[1])
  t.match(scene.sip.registrations(), [{ inside: phone.endpoint.local, outside: told }])
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000)]
  const { arrived, answered } = await call({
    caller: registrar,
    callee: phone,
    to: told,
    callerMedia: far.local,
    calleeMedia: audio.local,
  })
  t.equal(arrived.uri, `sip:${endpointText(phone.endpoint.local)}`, 'a call in reaches port 5060')
  t.match(answered.get('Contact'), endpointText(told))
  t.match(await hears(far, target(answered), audio), { packets: 5 })
  t.same(scene.refusals, [])
  t.same(scene.errors, [])
})

t.test('both phones inside, the proxy outside: media goes straight', { skip }, async (t) => {
  const scene = await Scene.open({ phones: 2, helper: { media: { ports: [30000, 30100] } } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.inside(5060, 1), 'bob')
  const proxy = new SipPeer(await scene.outside(5060), 'proxy')
  const to = proxy.endpoint.local
  const homes = []
  for (const phone of [alice, bob]) {
    await phone.register(to, 600)
    const register = await proxy.receiveRequest('REGISTER')
    homes.push(register.from!)
    await proxy.respond(register, 200, { headers: [['Contact', register.get('Contact')]] })
    await phone.response(200)
  }
  const [audio, other] = [await scene.inside(4000), await scene.inside(4000, 1)]
  const offer = sdpText({ address: audio.local.address, ports: [4000] })
  const sent = await alice.request('INVITE', to, { body: offer })
  const atProxy = await proxy.receiveRequest('INVITE')
  t.equal(target(atProxy).address, scene.address('gatewayOutside'), 'outside they are the gateway')
  const relay = (message: { startLine: string; headers: readonly (readonly [string, string])[]; body: string }) =>
    [message.startLine, ...message.headers.map(([name, value]) => `${name}: ${value}`), '', message.body].join('\r\n')
  await sendFrom(proxy.endpoint, relay(atProxy), homes[1]!)
  const atBob = await bob.receiveRequest('INVITE')
  t.same(target(atBob), audio.local, 'the other phone is told where the first one really is')
  t.equal(atBob.body, offer)
  await bob.respond(atBob, 200, { body: sdpText({ address: other.local.address, ports: [4000] }) })
  const back = await proxy.response(200)
  await sendFrom(proxy.endpoint, relay(back), homes[0]!)
  const ok = await alice.response(200)
  t.same(target(ok), other.local)
  t.equal(ok.get('Call-ID'), sent.get('Call-ID'))
  t.match(await hears(audio, target(ok), other), { packets: 5, from: audio.local }, 'straight there')
  t.match(await hears(other, target(atBob), audio), { packets: 5, from: other.local }, 'and back')
  const media = (await expectations(scene.lab.gateway)).filter((it) => it.class !== 0)
  t.same(media, [], 'nothing is open for it at the gateway')
  t.same(scene.errors, [])
})
