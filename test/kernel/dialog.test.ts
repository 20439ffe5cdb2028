import t from 'tap'
import { expectations, pause, SipPeer, scaled, sdpText, whyNoLab } from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const SETTLED = { calls: 0, ports: 0, bindings: 0, pinholes: 0, flows: 0, deadlines: 0, waiting: 0 }

const media = (scene: Scene) => scene.sip.pinholes().filter(({ kind }) => kind === 'media')

/** A scene with a phone, a far phone, and sockets for their media. */
async function callers(options: Parameters<typeof Scene.open>[0] = {}) {
  const scene = await Scene.open({ helper: { media: { ports: [30000, 30100] }, ...options.helper }, ...options })
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000)]
  const to = bob.endpoint.local
  const setup = { caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: far.local }
  return { scene, alice, bob, audio, far, to, setup }
}

t.test('re-INVITE to a new port: the new way opens, the old one shuts', { skip }, async (t) => {
  const { scene, alice, bob, audio, far, to, setup } = await callers()
  t.teardown(() => scene.close())
  const { invite, arrived, answered } = await call(setup)
  t.match(await hears(far, target(arrived), audio), { packets: 5 })
  const [moved, farMoved] = [await scene.inside(4100), await scene.outside(6100)]
  const body = sdpText({ address: moved.local.address, ports: [4100], version: 2 })
  await alice.inDialog('INVITE', invite, answered, to, { body })
  const again = await bob.receiveRequest('INVITE')
  t.not(target(again).port, target(arrived).port)
  t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'until it is answered the old way stands')
  t.match(await hears(far, target(again), moved), { packets: 5 }, 'and the new one is open already')
  await bob.respond(again, 200, { body: sdpText({ address: farMoved.local.address, ports: [6100], version: 2 }) })
  await alice.response(200)
  t.match(await hears(farMoved, target(again), moved), { packets: 5 }, 'the new way in')
  t.match(await hears(moved, farMoved.local, farMoved), { packets: 5, from: target(again) }, 'the new way out')
  t.match(await hears(far, target(arrived), audio), { packets: 0 }, 'the old way is shut, its live flow too')
  t.equal(scene.sip.status().sizes.ports, 2, 'the old ports are free again')
})

t.test('a re-INVITE that is refused leaves everything as it was', { skip }, async (t) => {
  const { scene, alice, bob, audio, far, to, setup } = await callers()
  t.teardown(() => scene.close())
  const { invite, arrived, answered } = await call(setup)
  const body = sdpText({ address: audio.local.address, ports: [4200], version: 2 })
  await alice.inDialog('INVITE', invite, answered, to, { body })
  await bob.respond(await bob.receiveRequest('INVITE'), 488)
  await alice.response(488)
  t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'the call goes on')
  t.equal(scene.sip.status().sizes.ports, 2)
  t.equal(media(scene).length, 1)
})

for (const [how, hold] of [
  ['sendonly', { direction: 'sendonly' }],
  ['inactive', { direction: 'inactive' }],
  ['c=0.0.0.0', { address: '0.0.0.0' }],
] as const) {
  t.test(`hold by ${how} and resume keep their ports`, { skip }, async (t) => {
    const { scene, alice, bob, audio, far, to, setup } = await callers()
    t.teardown(() => scene.close())
    const states: string[] = []
    scene.sip.on('hold', () => states.push('hold')).on('resume', () => states.push('resume'))
    const { invite, arrived, answered } = await call(setup)
    const reinvite = async (sdp: object, cseq: number) => {
      const body = sdpText({ address: audio.local.address, ports: [4000], version: cseq, ...sdp })
      await alice.inDialog('INVITE', invite, answered, to, { body, cseq })
      const again = await bob.receiveRequest('INVITE')
      await bob.respond(again, 200, { body: sdpText({ address: far.local.address, ports: [6000] }) })
      await alice.response(200)
      return again
    }
    const held = await reinvite(hold, 2)
    t.equal(target(held).port, target(arrived).port)
    if (how === 'c=0.0.0.0') t.match(held.body, 'c=IN IP4 0.0.0.0')
    t.match(held.body, `o=- 1 2 IN IP4 ${'address' in hold ? '0.0.0.0' : scene.address('gatewayOutside')}`)
    t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'still open')
    const resumed = await reinvite({}, 3)
    t.same(target(resumed), target(arrived))
    t.match(await hears(far, target(arrived), audio), { packets: 5 })
    t.same(states, ['hold', 'resume'])
  })
}

t.test('refused and cancelled calls leave nothing open', { skip }, async (t) => {
  const { scene, alice, bob, audio, far, to } = await callers()
  t.teardown(() => scene.close())
  const ends: (string | undefined)[] = []
  scene.sip.on('end', ({ endReason }) => ends.push(endReason))
  const body = sdpText({ address: audio.local.address, ports: [4000] })
  for (const status of [401, 486]) {
    await alice.request('INVITE', to, { body })
    const invite = await bob.receiveRequest('INVITE')
    t.match(await hears(far, target(invite), audio), { packets: 5 }, 'early media passes')
    await bob.respond(invite, status)
    await alice.response(status)
    t.match(await hears(far, target(invite), audio), { packets: 0 }, `after ${status} nothing does`)
    t.match(scene.sip.status().sizes, SETTLED)
  }
  const branch = 'z9hG4bKcancel'
  const sent = await alice.request('INVITE', to, { body, branch })
  const invite = await bob.receiveRequest('INVITE')
  await bob.respond(invite, 180)
  await alice.response(180)
  await alice.request('CANCEL', to, {
    branch,
    callId: sent.get('Call-ID'),
    fromTag: sent.tag('From'),
    cseq: 1,
  })
  const cancel = await bob.receiveRequest('CANCEL')
  t.match(await hears(far, target(invite), audio), { packets: 0 }, 'shut with the CANCEL')
  await bob.respond(cancel, 200)
  await bob.respond(invite, 487)
  await alice.response(487)
  t.match(scene.sip.status().sizes, SETTLED)
  t.same(ends, ['challenged', 'refused', 'cancelled'])
  t.same(await expectations(scene.lab.gateway), [])
})

t.test('a 200 that crosses the CANCEL wins', { skip }, async (t) => {
  const { scene, alice, bob, audio, far, to } = await callers()
  t.teardown(() => scene.close())
  const body = sdpText({ address: audio.local.address, ports: [4000] })
  const sent = await alice.request('INVITE', to, { body })
  const invite = await bob.receiveRequest('INVITE')
  await alice.request('CANCEL', to, { callId: sent.get('Call-ID'), fromTag: sent.tag('From'), cseq: 1 })
  await bob.receiveRequest('CANCEL')
  await bob.respond(invite, 200, { body: sdpText({ address: far.local.address, ports: [6000] }) })
  await alice.response(200)
  t.match(await hears(far, target(invite), audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5, from: target(invite) })
})

t.test('183 with PRACK and UPDATE, delayed offer, early media from another host', { skip }, async (t) => {
  const { scene, alice, bob, audio, to } = await callers()
  t.teardown(() => scene.close())
  const server = await scene.outside(7000, 'mediaServer')
  const body = sdpText({ address: audio.local.address, ports: [4000] })
  const sent = await alice.request('INVITE', to, { body })
  const invite = await bob.receiveRequest('INVITE')
  t.match(await hears(server, target(invite), audio), { packets: 0 }, 'not announced yet')
  await bob.respond(invite, 183, {
    body: sdpText({ address: server.local.address, ports: [7000] }),
    headers: [
      ['RSeq', '1'],
      ['Require', '100rel'],
    ],
  })
  const progress = await alice.response(183)
  t.match(await hears(server, target(invite), audio), { packets: 5 }, 'early media')
  await alice.inDialog('PRACK', sent, progress, to, { headers: [['RAck', '1 1 INVITE']] })
  await bob.respond(await bob.receiveRequest('PRACK'), 200)
  await alice.response(200)
  await alice.inDialog('UPDATE', sent, progress, to, {
    cseq: 3,
    body: sdpText({ address: audio.local.address, ports: [4000], version: 2 }),
  })
  await bob.respond(await bob.receiveRequest('UPDATE'), 200, {
    body: sdpText({ address: server.local.address, ports: [7002] }),
  })
  await alice.response(200)
  const moved = await scene.outside(7002, 'mediaServer')
  t.match(await hears(moved, target(invite), audio), { packets: 5 }, 'moved by UPDATE')
  await bob.respond(invite, 200)
  await alice.response(200)
  t.match(await hears(audio, moved.local, moved), { packets: 5, from: target(invite) })

  // Delayed: the offer is in the 200, the answer in the ACK.
  const [late, farLate] = [await scene.inside(4300), await scene.outside(6300)]
  const empty = await alice.request('INVITE', to, {})
  const second = await bob.receiveRequest('INVITE')
  await bob.respond(second, 200, { body: sdpText({ address: farLate.local.address, ports: [6300] }) })
  const answered = await alice.response(200)
  await alice.ack(empty, answered, to, { body: sdpText({ address: late.local.address, ports: [4300] }) })
  const ack = await bob.receiveRequest('ACK')
  t.match(await hears(farLate, target(ack), late), { packets: 5 }, 'way in after a delayed offer')
  t.match(await hears(late, farLate.local, farLate), { packets: 5, from: target(ack) }, 'way out after a delayed offer')
})

t.test('media.source: who may send through a pinhole', { skip }, async (t) => {
  for (const [source, announced, another, third] of [
    ['exact', 5, 0, 0],
    ['latch', 0, 5, 0],
    ['address', 5, 5, 5],
  ] as const) {
    const { scene, alice, bob, audio, far, to } = await callers({
      helper: { media: { source, early: 'none', ports: [30000, 30100] } },
    })
    const [other, more] = [await scene.outside(6002), await scene.outside(6004)]
    const sent = await alice.request('INVITE', to, { body: sdpText({ address: audio.local.address, ports: [4000] }) })
    const invite = await bob.receiveRequest('INVITE')
    t.match(await hears(far, target(invite), audio), { packets: 0 }, `${source}: nothing early`)
    await bob.respond(invite, 200, { body: sdpText({ address: far.local.address, ports: [6000] }) })
    await alice.ack(sent, await alice.response(200), to)
    t.match(await hears(other, target(invite), audio), { packets: another }, `${source}: another port first`)
    t.match(await hears(more, target(invite), audio), { packets: third }, `${source}: a third port`)
    t.match(await hears(far, target(invite), audio), { packets: announced }, `${source}: the announced port`)
    t.match(
      await hears(audio, far.local, far),
      { packets: 5, from: target(invite) },
      `${source}: way out, advertised port`,
    )
    await scene.close()
  }
})

t.test(
  'when both directions have settled, expectations are given back; when the flow dies, they return',
  { skip },
  async (t) => {
    const { scene, audio, far, setup } = await callers()
    t.teardown(() => scene.close())
    const { gateway } = scene.lab
    const { arrived } = await call(setup)
    const onPort = async (port: number) =>
      (await expectations(gateway)).filter((it) => it.tuple.destination.port === port)
    const isMapped = scene.sip.status().translation === 'maps'
    t.equal((await onPort(target(arrived).port)).length, isMapped ? 1 : 2, 'way in, and the holder of the NAT function')
    t.match(await hears(audio, far.local, far), { packets: 5 })
    t.match(await hears(far, target(arrived), audio), { packets: 5 })
    await pause(2500)
    t.equal((await onPort(target(arrived).port)).length, 0)
    t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'the flow goes on')
    const other = await scene.outside(6002)
    t.match(await hears(other, target(arrived), audio), { packets: 0 }, 'another port comes too late')
    await gateway.exec(['conntrack', '-D', '-p', 'udp', '--orig-port-dst', '6000'])
    await pause(200)
    t.match(await hears(far, target(arrived), audio), { packets: 5 }, 'after its death the flow comes again')
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) })
  },
)

t.test('SDP that asks for what it may not: no pinhole, the message goes on', { skip }, async (t) => {
  const { scene, alice, bob, to } = await callers()
  t.teardown(() => scene.close())
  for (const [reason, address, port] of [
    ['port-reserved', scene.phoneAddress(), 22],
    ['address-foreign', '192.168.7.99', 4000],
    ['address-gateway', scene.address('gatewayInside'), 4000],
  ] as const) {
    await alice.request('INVITE', to, { body: sdpText({ address, ports: [port] }) })
    await bob.respond(await bob.receiveRequest('INVITE'), 200, {
      body: sdpText({ address: to.address, ports: [6000] }),
    })
    await alice.response(200)
    t.equal(scene.refusals.at(-1), reason)
    t.equal(media(scene).length, 0)
  }
  t.same(
    (await expectations(scene.lab.gateway)).filter((it) => it.class !== 0),
    [],
  )
})

t.test('what is not SIP passes, is counted, and opens nothing', { skip }, async (t) => {
  const { scene, alice, bob, to } = await callers()
  t.teardown(() => scene.close())
  const stun = Buffer.from('000100002112a442000102030405060708090a0b', 'hex')
  const invite = alice.build('INVITE', to, { body: sdpText({ address: scene.phoneAddress(), ports: [4000] }) })
  const cases: [string, Buffer][] = [
    ['keep-alive', Buffer.from('\r\n\r\n')],
    ['stun', stun],
    ['not-sip', Buffer.from([0, 1, 2, 255, 254])],
    ['headers-unterminated', Buffer.from(invite.slice(0, 200), 'latin1')],
    ['content-length-mismatch', Buffer.from(invite.replace(/Content-Length: \d+/, 'Content-Length: 9999'), 'latin1')],
  ]
  for (const [reason, bytes] of cases) {
    const before = scene.sip.status().counters[reason] ?? 0
    await alice.endpoint.send(bytes, to)
    const arrived = await bob.endpoint.receive({ timeoutMs: scaled(2000) })
    t.same(arrived.bytes, bytes, `${reason}: passes as it is`)
    t.equal(scene.sip.status().counters[reason], before + 1, `${reason}: counted`)
  }
  t.same(await expectations(scene.lab.gateway), [])
  t.same(scene.errors, [])
})
