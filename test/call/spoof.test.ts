import t from 'tap'
import type { Flow } from '../../types/flow.js'
import { answeredCall, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const STRANGER = '198.51.100.66'
const strangerOf = (world: World): Flow =>
  world.flow(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 5060), endpoint(STRANGER, 5060))

/** A stranger who has the Call-ID and the CSeq numbers right, and none of the tags, says something; the phone refuses it. */
const attempts: Readonly<Record<string, (world: World, flow: Flow) => Promise<unknown>>> = {
  BYE: async (world, flow) => {
    await world.in(request('BYE', { from: 'x', to: 'y', cseq: 2 }), flow)
    return world.out(response(481, 'BYE', { from: 'x', to: 'y', cseq: 2 }), flow)
  },
  'BYE without tags': async (world, flow) => {
    await world.in(request('BYE', { from: '', cseq: 2 }), flow)
    return world.out(response(481, 'BYE', { from: '', cseq: 2 }), flow)
  },
  '200 to a BYE that nobody sent': (world, flow) =>
    world.in(response(200, 'BYE', { from: 'x', to: 'y', cseq: 2 }), flow),
  CANCEL: async (world, flow) => {
    await world.in(request('CANCEL', { from: 'x' }), flow)
    return world.out(response(481, 'CANCEL', { from: 'x', to: 'y' }), flow)
  },
  INVITE: async (world, flow) => {
    await world.in(request('INVITE', { from: 'x', cseq: 5, body: sdp(STRANGER, 9000) }), flow)
    return world.out(response(481, 'INVITE', { from: 'x', to: 'y', cseq: 5 }), flow)
  },
  're-INVITE': async (world, flow) => {
    await world.in(request('INVITE', { from: 'x', to: 'y', cseq: 5, body: sdp(STRANGER, 9000) }), flow)
    return world.out(response(481, 'INVITE', { from: 'x', to: 'y', cseq: 5 }), flow)
  },
  'UPDATE, refused': async (world, flow) => {
    await world.in(request('UPDATE', { from: 'x', to: 'y', cseq: 5, body: sdp(STRANGER, 9000) }), flow)
    return world.out(response(481, 'UPDATE', { from: 'x', to: 'y', cseq: 5 }), flow)
  },
  '200 to the INVITE': (world, flow) =>
    world.in(response(200, 'INVITE', { from: 'x', to: 'y', body: sdp(STRANGER, 9000) }), flow),
  '183 to the INVITE': (world, flow) =>
    world.in(response(183, 'INVITE', { from: 'x', to: 'y', body: sdp(STRANGER, 9000) }), flow),
  '603 to the INVITE': (world, flow) => world.in(response(603, 'INVITE', { from: 'x', to: 'y' }), flow),
  '200 without tags': (world, flow) => world.in(response(200, 'INVITE', { from: '', body: sdp(STRANGER, 9000) }), flow),
}

for (const [name, attempt] of Object.entries(attempts)) {
  t.test(`a stranger's ${name} changes nothing`, async (t) => {
    for (const phase of ['ringing', 'answered'] as const) {
      const world = new World()
      if (phase === 'answered') await answeredCall(world)
      else {
        await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
        await world.in(response(180, 'INVITE', { to: 'b' }))
      }
      const before = { ways: world.ways(), sizes: world.sizes(), calls: world.engine.calls() }
      await attempt(world, strangerOf(world))
      t.same({ ways: world.ways(), sizes: world.sizes(), calls: world.engine.calls() }, before, phase)
      await world.wait(60)
      t.same(world.ways(), before.ways, `${phase}, a minute later`)
    }
  })
}

t.test("another inside host's messages with the same Call-ID are another call's", async (t) => {
  const world = new World()
  await answeredCall(world)
  const ways = world.ways()
  const other = world.flow(endpoint('192.168.7.11', 5060), endpoint(OUTSIDE, 5062), endpoint(PEER, 5060))
  await world.out(request('BYE', { cseq: 2, to: 'b' }), other)
  await world.in(response(200, 'BYE', { cseq: 2, to: 'b' }), other)
  await world.out(request('CANCEL', {}), other)
  t.same(world.ways(), ways)
  await world.out(request('INVITE', { body: sdp('192.168.7.11', 4000) }), other)
  t.equal(world.engine.size.calls, 2)
})

t.test('an inside host may not open a way to another', async (t) => {
  const cases: [string, string, string][] = [
    ['another inside host', sdp('192.168.7.11', 4000), 'address-foreign'],
    ['the gateway, inside', sdp('192.168.7.1', 4000), 'address-gateway'],
    ['the gateway, outside', sdp(OUTSIDE, 4000), 'address-gateway'],
    ['somebody outside', sdp('198.51.100.99', 4000), 'address-foreign'],
    ['loopback', sdp('127.0.0.1', 4000), 'address-foreign'],
    ['a port below 1024', sdp(INSIDE, 161), 'port-reserved'],
    ['RTCP to a port below 1024', `${sdp(INSIDE, 4000)}a=rtcp:161\r\n`, 'port-reserved'],
    ['RTCP to another host', `${sdp(INSIDE, 4000)}a=rtcp:4001 IN IP4 192.168.7.11\r\n`, 'address-foreign'],
    ['the other family', sdp('2001:db8::1', 4000), 'address-family'],
    ['SCTP', sdp(INSIDE, 4000).replace('RTP/AVP', 'SCTP'), 'transport-unsupported'],
  ]
  for (const [name, body, reason] of cases) {
    const world = new World()
    const sent = await world.out(request('INVITE', { body }))
    t.match(sent, /^INVITE /, `${name}: the message goes on`)
    t.same(world.refusals(), [reason], name)
    const reserved = world.ways().filter((way) => !/>203\.0\.113\.1:4000$/.test(way))
    t.same(reserved, [], `${name}: no pinhole`)
    for (const { nat } of world.kernel.expectationList()) t.same(nat?.to, endpoint(INSIDE, 4000), name)
    await world.shutdown()
    t.same(world.sizes(), NOTHING)
  }
})

t.test('configured media hosts may be named', async (t) => {
  const world = new World({ mediaHosts: ['192.168.7.20'] })
  const sent = await world.out(request('INVITE', { body: sdp('192.168.7.20', 4000) }))
  t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  t.same(world.refusals(), [])
  t.same(world.kernel.expectationList()[0]?.nat?.to.address, '192.168.7.20')
})

t.test('the port behind 65535 is no RTCP', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 65535) }))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 65535) }))
  for (const { tuple, nat } of world.kernel.expectationList()) {
    for (const port of [tuple.source.port, tuple.destination.port, nat?.to.port ?? 0])
      t.ok(port >= 0 && port <= 65535, `${port}`)
    t.not(nat?.to.port, 0)
  }
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('a description from outside that names the gateway or a group opens nothing', async (t) => {
  for (const far of [OUTSIDE, '192.168.7.1', '224.1.2.3', '255.255.255.255', '0.0.0.0']) {
    const world = new World({ early: 'none' })
    await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(far, 6000) }))
    t.same(world.ways(), [], far)
  }
})

t.test('an address that cannot be reached from here: the signalling peer, latching', async (t) => {
  const world = new World()
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  await world.in(response(200, 'INVITE', { to: 'b', body: sdp('10.9.9.9', 6000) }))
  t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:4000`, `${PEER}:0>${OUTSIDE}:4001`])
})

t.test('floods', async (t) => {
  t.test('of INVITEs with ever new Call-IDs: as many as the budget, then gone by their timers', async (t) => {
    for (const way of ['out', 'in'] as const) {
      const world = new World({ budgets: { calls: 50 }, ports: [30000, 30039] })
      for (let i = 0; i < 300; i++)
        await world[way](request('INVITE', { callId: `f${i}`, body: sdp(way === 'out' ? INSIDE : PEER, 4000 + i * 2) }))
      t.equal(world.engine.size.calls, 50, way)
      t.equal(world.refusals().filter((it) => it === 'calls-exhausted').length, 250)
      t.equal(world.refusals().filter((it) => it === 'ports-exhausted').length, way === 'out' ? 30 : 0)
      await world.wait(34)
      t.same(world.sizes(), NOTHING)
    }
  })

  t.test('of requests within one dialog', async (t) => {
    for (const method of ['INFO', 'OPTIONS', 'UPDATE', 'INVITE', 'PRACK', 'BYE']) {
      const world = new World()
      await answeredCall(world)
      for (let i = 0; i < 1000; i++) {
        const body = sdp(INSIDE, 10_000 + 2 * i)
        await world.out(request(method, { cseq: i + 2, to: 'b', ...(method === 'INFO' ? {} : { body }) }))
      }
      t.ok(world.engine.size.ports <= 66, `${method}: ${world.engine.size.ports} ports`)
      t.ok(world.pinholes.size.pinholes <= 33, `${method}: ${world.pinholes.size.pinholes} pinholes`)
      t.ok(world.ways().includes(`${PEER}:0>${OUTSIDE}:4000`), 'the call itself stands')
      await world.shutdown()
      t.same(world.sizes(), NOTHING)
    }
  })

  t.test('of streams in one description', async (t) => {
    const world = new World({ budgets: { streams: 8 } })
    const ports = Array.from({ length: 1000 }, (_, i) => 10_000 + 2 * i)
    await world.out(request('INVITE', { body: sdp(INSIDE, ...ports) }))
    t.same(world.refusals(), ['sdp-malformed'])
    t.same(world.ways(), [])
  })
})
