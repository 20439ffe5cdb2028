import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { endpointText, expectations, pause, SipPeer, scaled, whyNoLab } from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
  [6, 'none'],
] as const) {
  t.test(`registration and calls in, IPv${family}, ${nat}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const { gateway } = scene.lab
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const registrar = new SipPeer(await scene.outside(5060), 'bob')
    const audio = await scene.inside(4000)
    const far = await scene.outside(6000, 'mediaServer')
    const to = registrar.endpoint.local

    await alice.register(to, 600)
    const register = await registrar.receiveRequest('REGISTER')
    t.same(scene.sip.registrations(), [], 'not before it is granted')
    await registrar.respond(register, 401)
    await alice.response(401)
    t.same(scene.sip.registrations(), [], 'a challenge grants nothing')

    await alice.register(to, 600)
    const second = await registrar.receiveRequest('REGISTER')
    await registrar.respond(second, 200, { headers: [['Contact', `${second.get('Contact')};expires=300`]] })
    const granted = await alice.response(200)
    t.match(granted.get('Contact'), alice.contact, 'the phone sees its own contact')
    const [registration] = scene.sip.registrations()
    const outside = nat === 'none' ? scene.phoneAddress() : scene.address('gatewayOutside')
    t.match(registration, { inside: alice.endpoint.local, outside: { address: outside, port: 5060 } })
    const seconds = (registration!.expiresAt - Date.now()) / 1000
    t.ok(seconds > 290 && seconds <= 300, `granted for ${seconds} s`)

    await t.test('the mapping is kept for the granted time', async (t) => {
      await pause(2500)
      const rows = (await gateway.exec(['conntrack', '-L', '-p', 'udp', '-f', family === 4 ? 'ipv4' : 'ipv6'])).stdout
      const row = rows.split('\n').find((line) => line.includes('sport=5060') && line.includes(to.address))
      const left = Number(/udp\s+17 (\d+)/.exec(row ?? '')?.[1])
      // The kernel's own timeouts are 30 and 120 s.
      t.ok(left > 200 && left <= 306, `conntrack has ${left} s left`)
    })

    const callIn = async (from: SipPeer, label: string) => {
      const { arrived, answered } = await call({
        caller: from,
        callee: alice,
        to: { address: outside, port: 5060 },
        callerMedia: far.local,
        calleeMedia: audio.local,
      })
      t.equal(arrived.uri, `sip:${endpointText(alice.endpoint.local)}`, `${label}: Request-URI is the phone's contact`)
      t.match(answered.get('Contact'), endpointText({ address: outside, port: 5060 }), `${label}: Contact is ours`)
      t.match(await hears(audio, far.local, far), { packets: 5, from: target(answered) }, `${label}: audio out`)
      t.match(await hears(far, target(answered), audio), { packets: 5, from: far.local }, `${label}: audio in`)
      t.equal(scene.sip.calls().length, 1)
      // The called phone hangs up.
      const bye = await alice.request('BYE', from.endpoint.local, {
        uri: /<([^>]+)>/.exec(arrived.get('Contact'))![1]!,
        callId: arrived.get('Call-ID'),
        fromTag: answered.tag('To'),
        toTag: arrived.tag('From'),
        cseq: 1,
      })
      const seen = await from.receiveRequest('BYE')
      t.equal(seen.get('Call-ID'), bye.get('Call-ID'))
      await from.respond(seen, 200)
      await alice.response(200)
      t.match(await hears(far, target(answered), audio), { packets: 0 }, `${label}: nothing after BYE`)
      t.same(scene.sip.calls(), [])
    }

    await callIn(registrar, 'from the registrar')
    await callIn(new SipPeer(await scene.outside(5070), 'carol'), 'from another port of the registrar')
    await gateway.exec([
      'conntrack',
      '-D',
      '-p',
      'udp',
      '-f',
      family === 4 ? 'ipv4' : 'ipv6',
      '--orig-port-dst',
      '5060',
    ])
    await callIn(registrar, 'after the death of the mapping')

    await t.test('a stranger may not call', async () => {
      const stranger = new SipPeer(await scene.outside(5060, 'stranger'), 'mallory')
      await stranger.request('OPTIONS', { address: outside, port: 5060 })
      await alice.endpoint.expectSilence(scaled(300))
    })

    await alice.register(to, 0)
    const last = await registrar.receiveRequest('REGISTER')
    await registrar.respond(last, 200, { headers: [['Contact', '']] })
    await alice.response(200)
    t.same(scene.sip.registrations(), [])
    t.same(await expectations(gateway), [])
    t.match(scene.sip.status().sizes, { calls: 0, ports: 0, bindings: 0, pinholes: 0, flows: 0, deadlines: 0 })
    t.same(scene.errors, [])
  })
}

t.test('a registration that runs out closes its way in', { skip }, async (t) => {
  const scene = await Scene.open()
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const registrar = new SipPeer(await scene.outside(5060), 'bob')
  const to = registrar.endpoint.local
  // Two seconds, and the grace of five.
  await alice.register(to, 2)
  const register = await registrar.receiveRequest('REGISTER')
  await registrar.respond(register, 200, { headers: [['Contact', register.get('Contact')]] })
  await alice.response(200)
  t.equal(scene.sip.registrations().length, 1)
  t.equal((await expectations(scene.lab.gateway)).length, 1)
  for (let i = 0; i < 100 && scene.sip.registrations().length > 0; i++) await sleep(100)
  t.same(scene.sip.registrations(), [])
  await pause(100)
  t.same(await expectations(scene.lab.gateway), [])
})

t.test('who knocked before the way stood, and goes on knocking, gets in', { skip }, async (t) => {
  const scene = await Scene.open({ nat: 'masquerade', helper: {} })
  t.teardown(() => scene.close())
  const gate = { address: scene.address('gatewayOutside'), port: 5060 }
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const registrar = new SipPeer(await scene.outside(5060), 'bob')
  // A neighbour of the registrar's asks whether anybody is there, again and again: the gateway itself is all that he meets.
  const neighbour = new SipPeer(await scene.outside(5070), 'carol')
  const knock = () => neighbour.request('OPTIONS', gate, { uri: `sip:alice@${endpointText(gate)}` })
  await knock()
  await alice.register(registrar.endpoint.local, 600)
  const asked = await registrar.receiveRequest('REGISTER')
  await knock()
  await registrar.respond(asked, 200, { headers: [['Contact', `${asked.get('Contact')};expires=300`]] })
  await alice.response(200)
  let isHeard = false
  for (let i = 0; i < 20 && !isHeard; i++) {
    await knock()
    isHeard = await alice.receiveRequest('OPTIONS').then(
      () => true,
      () => false,
    )
  }
  t.ok(isHeard)
  t.same(scene.errors, [])
})
