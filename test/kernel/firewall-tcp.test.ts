/** Mode firewall with SIP over TCP: ways for the media of a call and for nothing else, and nothing gets around the filter. */
import t from 'tap'
import { expectations, pause, SipPeer, type SipText, sipText, TcpEndpoint, whyNoLab } from '../../lib/testing/index.js'
import { sdpOf } from './firewall-lab.js'
import { listen, openTcp } from './followed-lab.js'
import { hears } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

const asText = ({ startLine, headers, body }: SipText): string => sipText(startLine, headers.slice(0, -1), body)

const rows = (['routed', 'bridged'] as const).flatMap((layout) =>
  ([4, 6] as const).flatMap((family) => (['in', 'out'] as const).map((way) => ({ layout, family, way }))),
)

for (const { layout, family, way } of rows) {
  t.test(
    `IPv${family}, ${layout}, a connection ${way}: nothing is changed, media has its ways`,
    { skip },
    async (t) => {
      const lab = await openTcp(t, { layout, family })
      const server = await listen(t, lab, way === 'in' ? 'cluster' : 'internet')
      const [namespace, address] = way === 'in' ? [lab.internet, lab.far(20)] : [lab.cluster, lab.host(10)]
      const line = await TcpEndpoint.connect(namespace, { address, port: 0 }, server.local)
      const taken = await server.accept()
      t.same(taken.remote, line.local, 'nobody is between')
      // Both name where they listen, as phones do.
      const caller = new SipPeer(line, 'caller', { address, port: 5060 })
      const callee = new SipPeer(taken, 'callee', server.local)
      const [inside, far, stranger] = [
        await lab.inside(10, 12000),
        await lab.outside(20, 6000),
        await lab.outside(66, 6000),
      ]
      const [callerMedia, calleeMedia] = way === 'in' ? [far, inside] : [inside, far]
      t.match(await hears(far, inside.local, inside), { packets: 0 }, 'before the call the range is closed')
      const invite = await caller.request('INVITE', server.local, { body: sdpOf(callerMedia) })
      const arrived = await callee.receiveRequest('INVITE')
      t.equal(asText(arrived), asText(invite), 'the INVITE arrives as it was sent')
      t.same(await expectations(lab.filter), [], 'an offer alone opens nothing')
      const ok = await callee.respond(arrived, 200, { body: sdpOf(calleeMedia) })
      const heard = await caller.response(200)
      t.equal(asText(heard), asText(ok), 'so does the answer')
      t.match(lab.sip.status().sizes, { connections: 1, calls: 1 })
      await caller.ack(invite, heard, server.local)
      await callee.receiveRequest('ACK')
      t.match(await hears(far, inside.local, inside), { packets: 5, from: far.local }, 'audio in')
      t.match(await hears(inside, far.local, far), { packets: 5, from: inside.local }, 'audio out')
      t.equal(await lab.sweep(stranger), 0, 'the range is closed to a stranger')
      await caller.inDialog('BYE', invite, heard, server.local)
      await callee.respond(await callee.receiveRequest('BYE'), 200)
      await caller.response(200)
      t.match(await hears(far, inside.local, inside), { packets: 0 }, 'after BYE the live flow is shut')
      t.same(await expectations(lab.filter), [])
      line.end()
      t.equal(await taken.ended, 'end')
      taken.end()
      t.equal(await line.ended, 'end')
      for (let i = 0; i < 100 && lab.sip.status().sizes.connections !== 0; i++) await pause(20)
      t.match(lab.sip.status().sizes, { connections: 0, connecting: 0, calls: 0, bindings: 0, pinholes: 0 })
      t.same([lab.refusals, lab.errors], [[], []])
    },
  )
}

t.test('whom the filter does not let in, nobody does', { skip }, async (t) => {
  const lab = await openTcp(t, { layout: 'routed', family: 4 })
  const server = await listen(t, lab, 'cluster')
  lab.filter.nft('add rule inet filter forward tcp dport 5060 reject with icmpx admin-prohibited')
  const stranger = { address: lab.far(66), port: 0 }
  await t.rejects(TcpEndpoint.connect(lab.internet, stranger, server.local), { code: 'EHOSTUNREACH' })
  t.equal(server.count, 0)
  t.match(lab.sip.status().sizes, { connections: 0, connecting: 0 })
  const phone = await TcpEndpoint.connect(lab.internet, { address: lab.far(20), port: 0 }, server.local)
  t.ok(await server.accept(), 'whom it lets in, is let in')
  phone.close()
})

t.test('a connection whose destination was translated all the same is left alone', { skip }, async (t) => {
  const lab = await openTcp(t, { layout: 'routed', family: 4 })
  const server = await listen(t, lab, 'cluster')
  lab.filter.nft(`table ip forwarded { chain c {
    type nat hook prerouting priority -100;
    ip daddr ${lab.far(1)} tcp dport 5060 dnat to ${lab.host(10)}
  }; }`)
  const phone = await TcpEndpoint.connect(
    lab.internet,
    { address: lab.far(20), port: 0 },
    { address: lab.far(1), port: 5060 },
  )
  const taken = await server.accept()
  t.equal(taken.remote.port, phone.local.port, 'nobody is between')
  phone.close()
})
