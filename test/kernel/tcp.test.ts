import t from 'tap'
import {
  endpointText,
  expectations,
  pause,
  SipPeer,
  sdpText,
  TcpEndpoint,
  TcpListener,
  whyNoLab,
} from '../../lib/testing/index.js'
import { hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
  [6, 'none'],
] as const) {
  t.test(`registration and calls by TCP, IPv${family}, ${nat}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: nat === 'none' ? {} : { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    t.match(scene.sip.status().tcp, { isProxied: true })
    const { phone, provider } = scene.lab
    const registrar = await TcpListener.open(provider, { address: scene.address('registrar'), port: 5060 })
    t.teardown(() => registrar.close())
    const listens = await TcpListener.open(phone, { address: scene.phoneAddress(), port: 5070 })
    t.teardown(() => listens.close())
    const line = await TcpEndpoint.connect(phone, { address: scene.phoneAddress(), port: 0 }, registrar.local)
    t.same(line.remote, registrar.local, 'the phone sees the server')
    const far = await registrar.accept()
    const outside = nat === 'none' ? scene.phoneAddress() : scene.address('gatewayOutside')
    t.equal(far.remote.address, outside, "the server sees the phone's address, or its NAT's")
    const alice = new SipPeer(line, 'alice', listens.local)
    const bob = new SipPeer(far, 'bob', registrar.local)

    await alice.register(registrar.local, 600)
    const register = await bob.receiveRequest('REGISTER')
    const named = endpointText({ address: outside, port: 5070 })
    t.match(register.get('Contact'), `<sip:alice@${named};transport=tcp>`)
    t.match(register.get('Via'), `SIP/2.0/TCP ${named};`)
    await bob.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=300`]] })
    const granted = await alice.response(200)
    t.match(granted.get('Contact'), alice.contact, 'the phone sees its own contact')
    t.match(granted.get('Via'), `SIP/2.0/TCP ${endpointText(listens.local)};`)
    t.match(scene.sip.registrations(), [{ transport: 'tcp', inside: listens.local }])

    const media = await scene.inside(4000)
    const farMedia = await scene.outside(6000, 'mediaServer')
    await t.test('a call out', async (t) => {
      const body = sdpText({ address: media.local.address, ports: [4000] })
      const invite = await alice.request('INVITE', registrar.local, { body })
      const arrived = await bob.receiveRequest('INVITE')
      t.equal(target(arrived).address, outside)
      await bob.respond(arrived, 200, { body: sdpText({ address: farMedia.local.address, ports: [6000] }) })
      const ok = await alice.response(200)
      await alice.ack(invite, ok, registrar.local)
      await bob.receiveRequest('ACK')
      t.match(await hears(media, farMedia.local, farMedia), { packets: 5, from: target(arrived) }, 'audio out')
      t.match(await hears(farMedia, target(arrived), media), { packets: 5, from: farMedia.local }, 'audio in')
      t.match(scene.sip.calls(), [{ state: 'answered', transport: 'tcp', inside: line.local }])
      await alice.inDialog('BYE', invite, ok, registrar.local)
      await bob.respond(await bob.receiveRequest('BYE'), 200)
      await alice.response(200)
      t.same(scene.sip.calls(), [])
      t.match(await hears(farMedia, target(arrived), media), { packets: 0 }, 'nothing after BYE')
    })

    const callIn = async (caller: SipPeer<TcpEndpoint>, takes: () => Promise<SipPeer<TcpEndpoint>>) => {
      const body = sdpText({ address: farMedia.local.address, ports: [6000] })
      const uri = `sip:alice@${named};transport=tcp`
      const invite = await caller.request('INVITE', registrar.local, { body, uri })
      const callee = await takes()
      const arrived = await callee.receiveRequest('INVITE')
      t.equal(arrived.uri, `sip:alice@${endpointText(listens.local)};transport=tcp`, "the phone's own contact")
      await callee.respond(arrived, 200, { body: sdpText({ address: media.local.address, ports: [4000] }) })
      const ok = await caller.response(200)
      t.match(ok.get('Contact'), named)
      await caller.ack(invite, ok, registrar.local, { uri })
      await callee.receiveRequest('ACK')
      t.match(await hears(media, farMedia.local, farMedia), { packets: 5, from: target(ok) }, 'audio out')
      t.match(await hears(farMedia, target(ok), media), { packets: 5, from: farMedia.local }, 'audio in')
      await caller.inDialog('BYE', invite, ok, registrar.local, { uri })
      await callee.respond(await callee.receiveRequest('BYE'), 200)
      await caller.response(200)
      t.same(scene.sip.calls(), [])
    }
    await callIn(bob, () => Promise.resolve(alice))
    const back = await TcpEndpoint.connect(
      provider,
      { address: scene.address('registrar'), port: 0 },
      { address: outside, port: 5070 },
    )
    await callIn(new SipPeer(back, 'carol', registrar.local), async () => {
      const taken = await listens.accept()
      t.equal(taken.remote.address, scene.address('registrar'), 'the phone sees who calls')
      return new SipPeer(taken, 'alice', listens.local)
    })

    await alice.register(registrar.local, 0)
    const last = await bob.receiveRequest('REGISTER')
    await bob.respond(last, 200, { headers: [['Contact', '']] })
    await alice.response(200)
    t.same(scene.sip.registrations(), [])
    t.same(await expectations(scene.lab.gateway), [])
    back.end()
    line.end()
    t.equal(await far.ended, 'end')
    far.end()
    t.equal(await line.ended, 'end')
    for (const accepted of [await listens.accept(1).catch(() => undefined)]) t.equal(accepted, undefined)
    listens.close()
    for (let i = 0; i < 100 && scene.sip.status().sizes.connections !== 0; i++) await pause(20)
    t.match(scene.sip.status().sizes, { connections: 0, calls: 0, listening: 0, bindings: 0, pinholes: 0, ports: 0 })
    t.same(scene.errors, [])
  })
}
