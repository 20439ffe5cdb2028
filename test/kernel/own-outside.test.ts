import t from 'tap'
import { SipPeer, sdpText, whyNoLab } from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

t.test('a phone that knows its outside endpoint names it in a re-INVITE', { skip }, async (t) => {
  const scene = await Scene.open({ helper: { media: { ports: [30000, 30100] } } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000)]
  const to = bob.endpoint.local
  const { invite, arrived, answered } = await call({
    caller: alice,
    callee: bob,
    to,
    callerMedia: audio.local,
    calleeMedia: far.local,
  })
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  // What an ICE or STUN client learns from its checks: RFC 8445 8.1.2, RFC 8839 4.4.1.2.2.
  const { address, port } = target(arrived)
  await alice.inDialog('INVITE', invite, answered, to, { body: sdpText({ address, ports: [port], version: 2 }) })
  const again = await bob.receiveRequest('INVITE')
  t.same(target(again), target(arrived), 'left as it is')
  await bob.respond(again, 200, { body: sdpText({ address: far.local.address, ports: [6000], version: 2 }) })
  await alice.response(200)
  t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'audio in')
  t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) }, 'audio out')
  t.same(scene.refusals, [])
})
