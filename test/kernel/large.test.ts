import t from 'tap'
import {
  Capture,
  conntrackEntries,
  pause,
  SipPeer,
  SipText,
  scaled,
  sdpText,
  whyNoLab,
} from '../../lib/testing/index.js'
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

for (const family of [4, 6] as const) {
  const flow = `IPv${family}`
  t.test(`an INVITE that just fits, and no longer once its ports are longer, ${flow}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const to = bob.endpoint.local
    const [link, headers] = [1500, family === 4 ? 28 : 48]
    const fragmented = family === 4 ? 'ip[6:2] & 0x3fff != 0' : 'ip6 proto 44'
    const capture = await Capture.start(scene.lab.provider, { device: 'eth0', filter: fragmented })
    t.teardown(() => capture.stop())
    const body = sdpText({ address: scene.phoneAddress(), ports: [4000] })
    // Names of the same length in every request.
    let number = 10
    const named = (filler: number) => {
      const name = `${number++}`
      const names = { callId: `${name}@test`, branch: `z9hG4bK${name}`, fromTag: name }
      return { ...names, headers: [['X-Filler', 'x'.repeat(filler)]] as const, body }
    }
    const identifications = new Set<string>()
    // The first packet of its flow, and a later one.
    for (const isFirst of [true, false]) {
      const alice = new SipPeer(await scene.inside(isFirst ? 5060 : 5070), 'alice')
      if (!isFirst) {
        await alice.request('INVITE', to, named(1))
        t.equal((await bob.receiveRequest('INVITE')).all('X-Filler')[0]!.length, 1)
      }
      const filler = 1 + link - headers - sizeOf(new SipText(alice.build('INVITE', to, named(1))))
      const sent = await alice.request('INVITE', to, named(filler))
      t.equal(sizeOf(sent) + headers, link, 'as large as the link takes')
      const large = await bob.receiveRequest('INVITE', { timeoutMs: scaled(3000) })
      t.ok(sizeOf(large) > sizeOf(sent), 'it has grown')
      t.equal(large.all('X-Filler')[0]!.length, filler)
      t.equal(target(large).address, scene.address('gatewayOutside'))
      await bob.respond(large, 486)
      await alice.response(486)
    }
    for (let i = 0; i < 100 && capture.packets().length < 4; i++) await pause(20)
    const packets = await capture.stop()
    t.equal(packets.length, 4, 'witness: two fragments each on the wire')
    for (const { ip, source } of packets) {
      t.equal(source.address, scene.address('gatewayOutside'), 'in their final form')
      t.ok(ip.length <= link)
      identifications.add(Buffer.from(family === 4 ? ip.subarray(4, 6) : ip.subarray(44, 48)).toString('hex'))
    }
    t.equal(identifications.size, 2, 'no two datagrams share an identification')
    t.notOk(identifications.has('0000'))
    const known = (await conntrackEntries(scene.lab.gateway)).filter(({ original: it }) => it.destination.port === 5060)
    t.equal(known.length, 2, 'witness: a conntrack a flow, and none of the fragments')
    t.same(scene.errors, [])
  })

  t.test(`a request of 64 KiB, ${flow}`, { skip }, async (t) => {
    const scene = await Scene.open({ family, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const filler = Array.from({ length: 64 }, (_, i) => [`X-Filler-${i}`, 'x'.repeat(1000)] as const)
    const body = sdpText({ address: scene.phoneAddress(), ports: [4000] })
    const sent = await alice.request('INVITE', bob.endpoint.local, { headers: filler, body })
    t.ok(sizeOf(sent) > 65_000 && sizeOf(sent) < 65_507, `${sizeOf(sent)} bytes`)
    const arrived = await bob.receiveRequest('INVITE', { timeoutMs: scaled(5000) })
    t.equal(arrived.all('X-Filler-63')[0], 'x'.repeat(1000))
    t.match(target(arrived), { address: scene.address('gatewayOutside'), port: 30000 })
    await bob.respond(arrived, 200, { body: sdpText({ address: scene.address('registrar'), ports: [6000] }) })
    t.match(await alice.response(200), { status: 200 })
    t.same([scene.refusals, scene.errors], [[], []])
  })
}
