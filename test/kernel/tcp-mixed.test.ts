/** Transports mixed in one dialog: it is one call, whatever carries its messages (RFC 3261 18.1.1). */
import t, { type Test } from 'tap'
import {
  endpointText,
  expectations,
  pause,
  SipPeer,
  type SipText,
  sdpText,
  TcpEndpoint,
  TcpListener,
  type UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Family } from '../../types/endpoint.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

const sdpOf = ({ local }: UdpEndpoint): string => sdpText({ address: local.address, ports: [local.port] })

/** A phone and a server that both have a UDP socket at 5060, and a connection between them. */
async function open(t: Test, family: Family) {
  const scene = await Scene.open({ family, helper: { media: { ports: [30000, 30100] } } })
  t.teardown(() => scene.close())
  const { phone, provider } = scene.lab
  const [alice, bob] = [new SipPeer(await scene.inside(5060), 'alice'), new SipPeer(await scene.outside(5060), 'bob')]
  const server = bob.endpoint.local
  const listens = await TcpListener.open(provider, server)
  t.teardown(() => listens.close())
  const line = await TcpEndpoint.connect(phone, { address: scene.phoneAddress(), port: 0 }, server)
  const far = await listens.accept()
  const aliceTcp = new SipPeer(line, 'alice', alice.endpoint.local)
  const bobTcp = new SipPeer(far, 'bob', server)
  const end = async () => {
    line.end()
    await far.ended
    far.end()
    await line.ended
    for (let i = 0; i < 100 && scene.sip.status().sizes.connections !== 0; i++) await pause(20)
    t.same([scene.refusals, scene.errors], [[], []])
    t.same(await expectations(scene.lab.gateway), [])
    t.match(scene.sip.status().sizes, { calls: 0, bindings: 0, pinholes: 0, ports: 0, listening: 0, connections: 0 })
  }
  return { scene, alice, bob, aliceTcp, bobTcp, server, end }
}

const grant = (peer: SipPeer<UdpEndpoint> | SipPeer<TcpEndpoint>, register: SipText, expires: number) =>
  peer.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=${expires}`]] })

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: an INVITE too large for UDP, all that follows by UDP`, { skip }, async (t) => {
    const { scene, alice, bob, aliceTcp, bobTcp, server, end } = await open(t, family)
    await alice.register(server, 600)
    const register = await bob.receiveRequest('REGISTER')
    const known = register.get('Contact')
    await grant(bob, register, 300)
    await alice.response(200)

    const [audio, second, far] = [
      await scene.inside(4000),
      await scene.inside(4010),
      await scene.outside(6000, 'mediaServer'),
    ]
    const filler = Array.from({ length: 3 }, (_, i) => [`X-Filler-${i}`, 'x'.repeat(1000)] as const)
    const headers = [...filler, ['Contact', alice.contact] as const]
    const invite = await aliceTcp.request('INVITE', server, { body: sdpOf(audio), headers })
    const arrived = await bobTcp.receiveRequest('INVITE')
    t.match(arrived.get('Via'), 'SIP/2.0/TCP')
    t.equal(arrived.get('Contact'), known, 'the contact of UDP, as registered')
    await bobTcp.respond(arrived, 200, { body: sdpOf(far), headers: [['Contact', bob.contact]] })
    const ok = await aliceTcp.response(200)
    t.match(scene.sip.calls(), [{ state: 'answered', transport: 'tcp' }])
    await alice.ack(invite, ok, server)
    await bob.receiveRequest('ACK')
    const first = target(arrived)
    t.match(await hears(audio, far.local, far), { packets: 5, from: first }, 'audio out')
    t.match(await hears(far, first, audio), { packets: 5, from: far.local }, 'audio in')

    // The far side asks again, by UDP, where the contact says.
    const uri = /<([^>]+)>/.exec(known)![1]!
    const back = {
      callId: invite.get('Call-ID'),
      uri,
      headers: [
        ['From', ok.get('To')],
        ['To', ok.get('From')],
      ] as const,
    }
    await bob.request('INVITE', register.from!, { ...back, cseq: 7, body: sdpOf(far) })
    const again = await alice.receiveRequest('INVITE')
    t.equal(again.uri, /<([^>]+)>/.exec(alice.contact)![1])
    await alice.respond(again, 200, { body: sdpOf(second) })
    const moved = await bob.response(200)
    await bob.request('ACK', register.from!, { ...back, cseq: 7 })
    await alice.receiveRequest('ACK')
    t.equal(scene.sip.calls().length, 1, 'it is the same call')
    t.notSame(target(moved), first)
    t.match(await hears(far, target(moved), second), { packets: 5 }, 'the new stream')
    t.match(await hears(far, first, audio), { packets: 0 }, 'the old one is shut')

    await alice.inDialog('BYE', invite, ok, server, { cseq: 2 })
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.same(scene.sip.calls(), [])
    t.match(await hears(far, target(moved), second), { packets: 0 }, 'nothing after BYE')
    await alice.register(server, 0)
    await bob.respond(await bob.receiveRequest('REGISTER'), 200)
    await alice.response(200)
    await end()
  })

  t.test(`IPv${family}: registered by TCP, a call with a peer that speaks UDP`, { skip }, async (t) => {
    const { scene, alice, aliceTcp, bobTcp, server, end } = await open(t, family)
    const carol = new SipPeer(await scene.outside(5060, 'stranger'), 'carol')
    await aliceTcp.register(server, 600)
    const register = await bobTcp.receiveRequest('REGISTER')
    const outside = scene.address('gatewayOutside')
    t.match(register.get('Contact'), `@${endpointText({ address: outside, port: 5060 })};transport=tcp`)
    await grant(bobTcp, register, 300)
    t.match((await aliceTcp.response(200)).get('Contact'), aliceTcp.contact)

    const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
    const to = carol.endpoint.local
    const setup = { caller: alice, callee: carol, to, callerMedia: audio.local, calleeMedia: far.local }
    const { invite, arrived, answered } = await call(setup)
    t.match(arrived.get('Via'), 'SIP/2.0/UDP')
    t.notMatch(arrived.get('Contact'), 'tcp')
    t.match(scene.sip.calls(), [{ state: 'answered', transport: 'udp' }])
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) }, 'audio out')
    t.match(await hears(far, target(arrived), audio), { packets: 5, from: far.local }, 'audio in')
    // An INVITE from the registrar comes by the connection meanwhile, as another call.
    const uri = /<([^>]+)>/.exec(register.get('Contact'))![1]!
    const second = await bobTcp.request('INVITE', server, { uri, body: sdpOf(far) })
    const rung = await aliceTcp.receiveRequest('INVITE')
    t.equal(scene.sip.calls().length, 2)
    await aliceTcp.respond(rung, 486)
    const busy = await bobTcp.response(486)
    await bobTcp.ack(second, busy, server, { uri })
    await aliceTcp.receiveRequest('ACK')
    await alice.inDialog('BYE', invite, answered, to)
    await carol.respond(await carol.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.match(await hears(far, target(arrived), audio), { packets: 0 }, 'nothing after BYE')
    await aliceTcp.register(server, 0)
    await bobTcp.respond(await bobTcp.receiveRequest('REGISTER'), 200)
    await aliceTcp.response(200)
    await end()
  })
}
