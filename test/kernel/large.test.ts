import t from 'tap'
import { Capture, SipPeer, type SipText, scaled, sdpText, whyNoLab } from '../../lib/testing/index.js'
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

/** Bytes of a message as it is on the wire. */
function sizeOf({ startLine, headers, body }: SipText): number {
  const lines = headers.reduce((sum, [name, value]) => sum + name.length + value.length + 4, 0)
  return startLine.length + 2 + lines + 2 + body.length
}

t.test(
  'an INVITE that just fits, and no longer once its ports are longer, crosses in fragments',
  { skip },
  async (t) => {
    const scene = await Scene.open({ helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const to = bob.endpoint.local
    const body = sdpText({ address: scene.phoneAddress(), ports: [4000] })
    const invite = (filler: number) =>
      alice.request('INVITE', to, { headers: [['X-Filler', 'x'.repeat(filler)]], body })
    // Call-ID, tag and branch have the same length in every request.
    const short = await invite(1)
    const arrived = await bob.receiveRequest('INVITE')
    const [link, headers] = [1500, 28]
    const room = link - headers - sizeOf(short)
    t.ok(sizeOf(arrived) > sizeOf(short), 'it grows')
    const capture = await Capture.start(scene.lab.provider, { device: 'eth0', filter: 'ip[6:2] & 0x3fff != 0' })
    const sent = await invite(1 + room)
    t.equal(sizeOf(sent) + headers, link, 'as large as the link takes, with DF, as Linux sends')
    const large = await bob.receiveRequest('INVITE', { timeoutMs: scaled(3000) })
    t.equal(large.all('X-Filler')[0]!.length, 1 + room)
    t.match(target(large), { address: scene.address('gatewayOutside'), port: 30000 }, 'the same stream')
    t.equal((await capture.stop()).length, 2, 'witness: two fragments on the wire')
  },
)
