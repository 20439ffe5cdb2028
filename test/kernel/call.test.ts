import t from 'tap'
import { endpointText, expectations, SipPeer, whyNoLab } from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

for (const [family, nat] of [
  [4, 'masquerade'],
  [4, 'snat'],
  [6, 'nat66'],
  [4, 'none'],
  [6, 'none'],
] as const) {
  t.test(`a call out, IPv${family}, ${nat}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
    const [audioRtcp, farRtcp] = [await scene.inside(4001), await scene.outside(6001, 'mediaServer')]
    const stranger = await scene.outside(6000, 'stranger')
    const to = bob.endpoint.local

    const { invite, arrived, answered } = await call({
      caller: alice,
      callee: bob,
      to,
      callerMedia: audio.local,
      calleeMedia: far.local,
    })
    const outside = nat === 'none' ? scene.phoneAddress() : scene.address('gatewayOutside')
    t.match(arrived.get('Via'), endpointText({ address: outside, port: 5060 }))
    t.match(arrived.get('Contact'), endpointText({ address: outside, port: 5060 }))
    t.same(target(arrived), { address: outside, port: nat === 'none' ? 4000 : 30000 })
    t.equal(answered.get('Via').split(';')[0], invite.get('Via').split(';')[0], 'the phone gets its own Via back')

    t.match(await hears(far, target(arrived), audio), { packets: 5, from: far.local }, 'audio in')
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) }, 'audio out')
    const rtcp = { ...target(arrived), port: target(arrived).port + 1 }
    t.match(await hears(audioRtcp, farRtcp.local, farRtcp), { packets: 5, from: rtcp }, 'RTCP out')
    t.match(await hears(farRtcp, rtcp, audioRtcp), { packets: 5 }, 'RTCP in')
    t.match(await hears(stranger, target(arrived), audio), { packets: 0 }, 'a stranger is not heard')

    await alice.inDialog('BYE', invite, answered, to)
    const bye = await bob.receiveRequest('BYE')
    await bob.respond(bye, 200)
    await alice.response(200)
    t.match(await hears(far, target(arrived), audio), { packets: 0 }, 'after BYE nothing comes in')
    t.same(await expectations(scene.lab.gateway), [])
    t.match(scene.sip.status().sizes, { calls: 0, ports: 0, bindings: 0, pinholes: 0, flows: 0, deadlines: 0 })
    t.same(scene.refusals, [])
    t.same(scene.errors, [])
  })
}
