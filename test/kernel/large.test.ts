import t from 'tap'
import { Capture, SipPeer, scaled, sdpText, whyNoLab } from '../../lib/testing/index.js'
import { hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack', 'tcpdump')

for (const [family, nat] of [
  [4, 'masquerade'],
  [6, 'nat66'],
] as const) {
  t.test(`an INVITE of 20 kB crosses in fragments, rewritten, IPv${family}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const [audio, far] = [await scene.inside(4000), await scene.outside(6000)]
    const capture = await Capture.start(scene.lab.provider, {
      device: 'eth0',
      filter: 'ip[6:2] & 0x3fff != 0 or ip6 proto 44',
    })
    const filler = Array.from({ length: 20 }, (_, i) => [`X-Filler-${i}`, 'x'.repeat(1000)] as const)
    const body = sdpText({ address: audio.local.address, ports: [4000] })
    const sent = await alice.request('INVITE', bob.endpoint.local, { headers: filler, body })
    const arrived = await bob.receiveRequest('INVITE', { timeoutMs: scaled(3000) })
    const packets = await capture.stop()
    t.ok(packets.length > 10, `${packets.length} packets on the wire`)
    t.equal(arrived.all('X-Filler-19')[0], 'x'.repeat(1000))
    t.match(target(arrived), { address: scene.address('gatewayOutside'), port: 30000 })
    t.equal(Number(arrived.get('Content-Length')), arrived.body.length)
    await bob.respond(arrived, 200, { body: sdpText({ address: far.local.address, ports: [6000] }) })
    await alice.ack(sent, await alice.response(200), bob.endpoint.local)
    t.match(await hears(far, target(arrived), audio), { packets: 5 })
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) })
  })
}
