import t from 'tap'
import { SipPeer, sdpText, whyNoLab } from '../../lib/testing/index.js'
import { Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const RULES = `table inet marks {
  chain before {
    type filter hook forward priority 1
    udp dport 5060 meta mark set 0x2a
  }
  chain after {
    type filter hook postrouting priority 300
    udp dport 5060 meta mark 0x2a counter accept
    udp dport 5060 counter
  }
}`

// Policy routing, traffic shaping and other people's rules live on marks.
t.test('the mark a packet came with is the mark it leaves with, the first of a flow included', { skip }, async (t) => {
  const scene = await Scene.open()
  t.teardown(() => scene.close())
  const { gateway } = scene.lab
  t.equal((await gateway.exec(['nft', '-f', '-'], { input: RULES })).code, 0)
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  for (const port of [4000, 4002]) {
    await alice.request('INVITE', bob.endpoint.local, {
      body: sdpText({ address: scene.phoneAddress(), ports: [port] }),
    })
    const invite = await bob.receiveRequest('INVITE')
    t.equal(target(invite).address, scene.address('gatewayOutside'), 'rewritten')
    await bob.respond(invite, 200, { body: sdpText({ address: bob.endpoint.local.address, ports: [6000] }) })
    await alice.response(200)
  }
  const { stdout } = await gateway.exec(['nft', 'list', 'chain', 'inet', 'marks', 'after'])
  t.match(stdout, /0x0000002a counter packets 4 /, 'INVITE and 200, twice')
  t.match(stdout, /dport 5060 counter packets 0 /, 'none without its mark')
  t.equal(scene.sip.status().sizes.firstPackets, 0)
})
