import t from 'tap'
import { componentsOf } from '../../lib/alg/path-expectations.js'
import { LocalStream, Path } from '../../lib/call/index.js'
import { anchorConntrack, anchorTuple } from '../../lib/conntrack/index.js'
import type { ConntrackOperation, Expectation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import {
  answeredCall,
  endpoint,
  flowOf,
  INSIDE,
  NOTHING,
  OUTSIDE,
  PEER,
  request,
  response,
  sdp,
  World,
} from '../call/world.js'

const [EBUSY, EINVAL] = [16, 22]
const anchor = anchorTuple(4, 0)

interface Spec {
  readonly source?: 'exact' | 'latch' | 'address'
  readonly outsideAddress?: string
  readonly outsidePort?: number
  readonly far?: { address: string | undefined; port: number }
  readonly farRtcp?: Endpoint
  readonly inbound?: boolean
  readonly outbound?: boolean
}

function pathOf(spec: Spec = {}): Path {
  const { source = 'latch', outsideAddress = OUTSIDE, outsidePort = 30000, far = endpoint(PEER, 6000) } = spec
  const local = new LocalStream(endpoint(INSIDE, 4000), outsideAddress, 4, {
    transport: 'udp',
    rtcpPort: 4001,
    count: 1,
  })
  local.outsidePort = outsideAddress === INSIDE ? 4000 : outsidePort
  const { farRtcp, inbound = true, outbound = true } = spec
  return Path.media(local, { far, farRtcp, source, inbound, outbound, early: false, owner: { callId: 'c' } })
}

/** An expectation in one line: class, flags, what comes and from where, where it goes. */
function line({ class: group, flags, tuple, mask, nat, function: fn }: Expectation): string {
  const port = mask.source.port === 0 ? '*' : tuple.source.port
  const from = mask.source.address === '0.0.0.0' ? '*' : tuple.source.address
  const to = nat ? ` => ${nat.direction} ${nat.to.address}:${nat.to.port} ${fn}` : ''
  return `${group}${flags?.permanent ? ' permanent' : ''} ${from}:${port} > ${tuple.destination.address}:${tuple.destination.port}${to}`
}

const linesOf = (path: Path): string[][] => componentsOf(path, anchor).map(({ expectations }) => expectations.map(line))

t.test('expectations', async (t) => {
  const out = `1 ${INSIDE}:4000 > ${PEER}:6000 => 0 ${PEER}:6000 sip`
  const to = `=> 1 ${INSIDE}:4000 sip`
  const holder = `2 permanent 127.66.0.1:1024 > ${OUTSIDE}:30000 ${to}`
  t.same(linesOf(pathOf()), [[`1 ${PEER}:* > ${OUTSIDE}:30000 ${to}`, out, holder]], 'latch, with a holder')
  t.same(linesOf(pathOf({ source: 'exact' })), [[`1 ${PEER}:6000 > ${OUTSIDE}:30000 ${to}`, out, holder]], 'exact')
  t.same(linesOf(pathOf({ source: 'address' })), [[`1 permanent ${PEER}:* > ${OUTSIDE}:30000 ${to}`, out]], 'address')
  t.same(linesOf(pathOf({ outbound: false })), [[`1 ${PEER}:* > ${OUTSIDE}:30000 ${to}`]], 'inwards only')
  t.same(linesOf(pathOf({ inbound: false })), [[out, holder]], 'outwards only: the holder is the pair')
  t.same(linesOf(pathOf({ far: endpoint(PEER, 0) })), [[`1 ${PEER}:* > ${OUTSIDE}:30000 ${to}`]], 'no far port yet')
  t.same(linesOf(pathOf({ source: 'exact', far: endpoint(PEER, 0) })), [[`1 ${PEER}:* > ${OUTSIDE}:30000 ${to}`]])
  t.same(linesOf(pathOf({ far: { address: undefined, port: 0 } })), [[`1 *:* > ${OUTSIDE}:30000 ${to}`]], 'anybody')
  t.same(
    linesOf(pathOf({ outsideAddress: INSIDE })),
    [[`1 ${PEER}:* > ${INSIDE}:4000`, `1 ${INSIDE}:4000 > ${PEER}:6000`]],
    'no translation: no NAT, no holder',
  )
  const [, rtcp] = linesOf(pathOf({ farRtcp: endpoint(PEER, 6009) }))
  t.same(rtcp, [
    `1 ${PEER}:* > ${OUTSIDE}:30001 => 1 ${INSIDE}:4001 sip`,
    `1 ${INSIDE}:4001 > ${PEER}:6009 => 0 ${PEER}:6009 sip`,
    `2 permanent 127.66.0.1:1024 > ${OUTSIDE}:30001 => 1 ${INSIDE}:4001 sip`,
  ])
  const nobody = { callId: undefined }
  const { binding } = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))
  const signalling = Path.signalling(4, binding, PEER, nobody)
  t.same(linesOf(signalling), [[`0 permanent ${PEER}:* > ${OUTSIDE}:40000 => 1 ${INSIDE}:5060 sip`]])
  const [tcp] = componentsOf(Path.signalling(4, { ...binding, transport: 'tcp' }, PEER, nobody), anchor)
  t.match(tcp!.expectations[0], { tuple: { protocol: 6 }, master: { protocol: 17 } })
  const far = flowOf(endpoint('fd00::1', 5060), endpoint('2001:db8::1', 4), endpoint('2001:db8::2', 5060))
  const [v6] = componentsOf(Path.signalling(6, far.binding, undefined, nobody), anchorTuple(6, 0))
  t.match(v6!.expectations[0], { tuple: { source: { address: '::' } }, mask: { source: { address: '::', port: 0 } } })
})

t.test(
  'media flows through, both ways and in either order, from the port that speaks first and no other',
  async (t) => {
    const rtp = endpoint(OUTSIDE, 4000)
    for (const first of ['far', 'near'] as const) {
      const world = new World()
      await answeredCall(world)
      if (first === 'near') t.same(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6000)), endpoint(PEER, 6000))
      t.same(world.media(endpoint(PEER, 6000), rtp), endpoint(INSIDE, 4000))
      t.same(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6000)), endpoint(PEER, 6000))
      t.equal(world.media(endpoint('198.51.100.66', 6000), rtp), undefined, 'a stranger')
      if (first === 'far') t.equal(world.media(endpoint(PEER, 6666), rtp), undefined, 'a second port')
    }
  },
)

t.test('clashes', async (t) => {
  const occupy = async (world: World, port: number): Promise<void> => {
    const rival = anchorConntrack({ family: 4, n: 999, helper: 'cthelper', timeoutSec: 9999 })
    const source = endpoint(PEER, 0)
    const tuple = { family: 4 as const, protocol: 17, source, destination: endpoint(OUTSIDE, port) }
    const mask = { ...tuple, source: endpoint('255.255.255.255', 0), destination: endpoint('255.255.255.255', 65535) }
    await world.kernel.batch([
      { kind: 'create-conntrack', conntrack: rival },
      { kind: 'create-expectation', expectation: { master: rival.original, tuple, mask, class: 1 } },
    ])
  }
  const invite = request('INVITE', { body: sdp(INSIDE, 4000) })

  t.test('the next even pair, and the description says so', async (t) => {
    const world = new World({ ports: [30000, 30009] })
    await occupy(world, 30000)
    await occupy(world, 30003)
    const sent = await world.out(invite)
    t.match(sent, 'm=audio 30004 RTP/AVP 0')
    t.same(world.ways().length, 4)
    t.equal(world.engine.size.ports, 2)
    t.equal(await world.out(invite), sent, 'a retransmission says the same')
  })

  t.test('none left: refused, and nothing stays', async (t) => {
    const world = new World({ ports: [30000, 30003] })
    await occupy(world, 30000)
    await occupy(world, 30002)
    const sent = await world.out(invite)
    t.same(world.refusals(), ['ports-exhausted'])
    t.match(sent, 'm=audio 4000 RTP/AVP 0', 'not 0, which would refuse the stream')
    t.equal(world.pinholes.size.pinholes, 0)
    t.equal(world.kernel.entryList().length, 1, "the rival's anchor alone")
    await world.in(response(486, 'INVITE', { to: 'b' }))
    t.equal(world.engine.size.ports, 0)
  })

  t.test('after the ports have been told, they stay', async (t) => {
    const world = new World({ early: 'none', ports: [30000, 30009] })
    const sent = await world.out(invite)
    t.match(sent, 'm=audio 30000 ')
    await occupy(world, 30000)
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
    t.same(world.refusals(), ['ports-exhausted'])
    t.equal(await world.out(invite), sent)
  })

  t.test("a predecessor's way in to a contact gives way to ours", async (t) => {
    const world = new World()
    await occupy(world, 5060)
    await world.out(request('REGISTER', { headers: [['Contact', `<sip:a@${INSIDE}:5060>`]] }))
    await world.in(response(200, 'REGISTER', { headers: [['Contact', `<sip:a@${OUTSIDE}:5060>`]] }))
    t.same(world.refusals(), [])
    t.equal(world.kernel.expectationList().length, 1)
    t.same(world.kernel.expectationList()[0]!.nat?.to, endpoint(INSIDE, 5060))
  })

  t.test("a predecessor's anchor is left alone", async (t) => {
    const world = new World()
    const theirs = anchorConntrack({ family: 4, n: 0, helper: 'cthelper', timeoutSec: 9999 })
    await world.kernel.batch([{ kind: 'create-conntrack', conntrack: theirs }])
    const [before] = world.kernel.entryList()
    const sent = await world.out(invite)
    t.match(sent, 'm=audio 4000 ', 'the port is not to blame')
    t.same(world.refusals(), [])
    t.equal(
      world.kernel.entryList().find(({ original }) => original.source.port === theirs.original.source.port)?.id,
      before!.id,
    )
    await world.shutdown()
    t.equal(world.kernel.entryList().length, 1)
  })
})

t.test('the table is full: refused with the reason, taken back, and the call goes on', async (t) => {
  const world = new World({ expectMax: 3 })
  const sent = await world.out(request('INVITE', { body: sdp(INSIDE, 4000, 4002) }))
  t.same(world.refusals(), ['expectation-table-full'])
  t.match(
    world.events.find(({ kind }) => kind === 'refused'),
    { refusal: { detail: /nf_conntrack_expect_max/ } },
  )
  t.equal(world.pinholes.size.pinholes, 1, 'the first stream has its own')
  t.equal(world.kernel.expectationList().length, 2)
  t.match(sent, `c=IN IP4 ${OUTSIDE}`)
  await world.in(response(486, 'INVITE', { to: 'b' }))
  t.same(world.sizes(), NOTHING)
})

t.test('any other refusal of the kernel', async (t) => {
  const world = new World()
  world.kernel.refuseNext(EINVAL, ({ kind }) => kind === 'create-conntrack')
  await world.out(request('INVITE', { body: sdp(INSIDE, 4000) }))
  t.same(world.refusals(), ['kernel-refused'])
  t.equal(world.pinholes.size.pinholes, 0)
})

t.test('a path that is closed while its clash is being solved stays closed', async (t) => {
  const world = new World()
  world.kernel.refuseNext(EBUSY, ({ kind }) => kind === 'create-expectation')
  const path = pathOf()
  let relocations = 0
  const relocate = () => ++relocations > 0
  const opening = world.pinholes.apply([path], [], world.now, relocate)
  await world.pinholes.apply([], [path], world.now, relocate)
  await opening
  t.same(world.pinholes.size, { pinholes: 0, flows: 0, settling: 0 })
  t.same(world.kernel.entryList(), [])
  t.same(world.kernel.expectationList(), [])
})

t.test('leases', async (t) => {
  t.test('are renewed while the path stands', async (t) => {
    const world = new World({ pinholes: { leaseSec: 30, carrier: { name: 'cthelper', timeoutSec: 30 } } })
    await answeredCall(world)
    const before = world.ways()
    await world.wait(300)
    t.same(world.ways(), before)
    t.ok(world.kernel.entryList().every(({ timeoutSec }) => timeoutSec! >= 19 && timeoutSec! <= 30))
  })
  t.test('put up again what they find gone, should nobody have told', async (t) => {
    const world = new World({ pinholes: { leaseSec: 30, carrier: { name: 'cthelper', timeoutSec: 30 } } })
    await answeredCall(world)
    const before = world.ways()
    await world.flush()
    t.same(world.ways(), [])
    await world.wait(11)
    t.same(world.ways(), before)
    await world.shutdown()
    t.same(world.sizes(), NOTHING)
  })
  t.test('run out when nobody renews them', async (t) => {
    const world = new World()
    await answeredCall(world)
    world.kernel.advance(121)
    t.same(world.kernel.entryList(), [])
    t.same(world.kernel.expectationList(), [])
  })
  t.test('hold for the expectations too, where the policy says another timeout', async (t) => {
    const world = new World({ pinholes: { leaseSec: 30, carrier: { name: 'cthelper', timeoutSec: undefined } } })
    await answeredCall(world)
    t.ok(world.kernel.expectationList().every(({ timeoutSec }) => timeoutSec === 30))
  })
})

/** Both directions of the RTP (and RTCP) of a call have flowed. */
function talk(world: World, ports: readonly number[] = [0, 1]): void {
  for (const i of ports) {
    world.media(endpoint(PEER, 6000 + i), endpoint(OUTSIDE, 4000 + i))
    world.media(endpoint(INSIDE, 4000 + i), endpoint(PEER, 6000 + i))
  }
}

t.test('settling', async (t) => {
  t.test('gives the expectations back when both directions have found each other', async (t) => {
    const world = new World()
    world.listen()
    await answeredCall(world)
    world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000))
    await world.wait(3)
    t.ok(world.ways().includes(`${INSIDE}:4000>${PEER}:6000`), 'one direction does not settle')
    talk(world, [0])
    await world.wait(4)
    t.same(world.ways(), [`${INSIDE}:4001>${PEER}:6001`, `${PEER}:0>${OUTSIDE}:4001`], 'RTCP is still to come')
    talk(world, [1])
    await world.wait(2)
    t.same(world.kernel.expectationList(), [])
    t.same(world.pinholes.list()[0], {
      kind: 'media',
      transport: 'udp',
      family: 4,
      inside: endpoint(INSIDE, 4000),
      outside: endpoint(OUTSIDE, 4000),
      far: endpoint(PEER, 6000),
      expectations: 0,
      flows: 2,
      early: false,
      callId: 'c1',
    })
    await world.wait(100)
    t.ok(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)), 'the flow goes on')
    t.equal(world.media(endpoint(PEER, 7777), endpoint(OUTSIDE, 4000)), undefined)
  })

  t.test('not for a far end that came from elsewhere, nor with source address', async (t) => {
    for (const source of ['latch', 'address'] as const) {
      const world = new World({ source })
      world.listen()
      await answeredCall(world)
      const port = source === 'latch' ? 6100 : 6000
      world.media(endpoint(PEER, port), endpoint(OUTSIDE, 4000))
      world.media(endpoint(INSIDE, 4000), endpoint(PEER, port))
      await world.wait(5)
      t.ok(world.kernel.expectationList().length >= 3, source)
    }
  })

  t.test('a flow that dies opens its way again', async (t) => {
    const world = new World()
    world.listen()
    await answeredCall(world)
    talk(world)
    await world.wait(3)
    t.same(world.kernel.expectationList(), [])
    await world.wait(125)
    t.equal(world.pinholes.size.flows, 0, 'silence: the flows have run out')
    t.equal(world.ways().length, 4, 'and their expectations are back')
    talk(world)
    await world.wait(3)
    t.same(world.kernel.expectationList(), [])
  })
})

t.test('conntrack -F: everything is put up again', async (t) => {
  const world = new World()
  world.listen()
  await answeredCall(world)
  talk(world, [0])
  await world.wait(3)
  await world.flush()
  await world.wait(1)
  t.equal(world.ways().length, 4)
  t.ok(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)), 'and media passes')
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('an anchor that somebody deleted is put up again', async (t) => {
  const world = new World()
  world.listen()
  await answeredCall(world)
  const tuple = world.kernel.entryList()[0]!.original
  await world.kernel.batch([{ kind: 'delete-conntrack', tuple }])
  await world.wait(1)
  t.equal(world.ways().length, 4)
})

t.test('flows end with their path', async (t) => {
  t.test('known ones at once', async (t) => {
    const world = new World()
    await answeredCall(world)
    talk(world)
    t.equal(world.kernel.entryList().length, 3)
    await world.shutdown()
    t.same(world.kernel.entryList(), [])
  })
  t.test('one whose news comes after the end', async (t) => {
    const world = new World()
    await answeredCall(world)
    const tuple = {
      family: 4 as const,
      protocol: 17,
      source: endpoint(PEER, 6000),
      destination: endpoint(OUTSIDE, 4000),
    }
    const admitted = world.kernel.packet(tuple)
    if (admitted.state !== 'related') throw new Error(admitted.state)
    await world.shutdown()
    t.equal(world.kernel.entryList().length, 1)
    const operations = world.pinholes.onExpectedFlow(admitted.entry, world.now)
    t.same(operations, [{ kind: 'delete-conntrack', tuple, id: admitted.entry.id }])
    world.now += 11_000
    await world.pinholes.tick(world.now)
    t.same(world.pinholes.onExpectedFlow(admitted.entry, world.now), [], 'forgotten after a while')
  })
  t.test("a successor with the same tuple is not the old one's to forget", async (t) => {
    const world = new World()
    await answeredCall(world)
    talk(world, [0])
    const flow = world.kernel.entryList().find(({ master }) => master)!
    t.same(world.pinholes.onDestroyed(flow.original, flow.id! + 1), [])
    t.equal(world.pinholes.size.flows, 1)
    world.pinholes.onDestroyed(flow.original, flow.id)
    t.equal(world.pinholes.size.flows, 0)
  })
  t.test('a repair that comes after its path was closed is not wanted', async (t) => {
    const world = new World()
    await answeredCall(world)
    const lost = world.kernel.entryList()[0]!
    const repair = world.pinholes.onDestroyed(lost.original, lost.id)
    t.ok(repair.some((it) => it.kind === 'create-conntrack'))
    const created = repair.filter((it) => it.kind.startsWith('create'))
    t.ok(created.every((it) => world.pinholes.isWanted(it)))
    await world.shutdown()
    t.notOk(created.some((it) => world.pinholes.isWanted(it)))
  })
  t.test('other conntracks are nobody of ours', async (t) => {
    const world = new World()
    const entry = { original: anchor, reply: anchor, id: 1 }
    t.same(world.pinholes.onExpectedFlow(entry, 0), [])
    t.same(world.pinholes.onExpectedFlow({ ...entry, master: { ...anchor, source: endpoint(PEER, 1) } }, 0), [])
    t.same(world.pinholes.onDestroyed(anchor, 1), [])
  })
})

t.test('heirs: a path that takes the place of another keeps the flows it would admit', async (t) => {
  const invite = request('INVITE', { body: sdp(INSIDE, 4000) })
  const deletedFlows = (world: World): ConntrackOperation[] =>
    world.kernel.recorded.filter((it) => it.kind === 'delete-conntrack' && it.id !== undefined)
  const rtp = endpoint(OUTSIDE, 4000)

  t.test('early media of the peer goes on after the answer', async (t) => {
    const world = new World()
    await world.out(invite)
    t.ok(world.media(endpoint(PEER, 6000), rtp))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
    t.same(deletedFlows(world), [])
    t.equal(world.pinholes.size.flows, 1)
    t.same(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6000)), endpoint(PEER, 6000))
    await world.shutdown()
    t.same(world.sizes(), NOTHING)
  })
  t.test('not when the answer comes from elsewhere', async (t) => {
    const world = new World()
    await world.out(invite)
    t.ok(world.media(endpoint(PEER, 6000), rtp))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp('198.51.100.77', 6000) }))
    t.equal(deletedFlows(world).length, 1)
    t.equal(world.media(endpoint(PEER, 6000), rtp), undefined)
  })
  t.test('nor when the policy is exact and the port is another', async (t) => {
    const world = new World({ source: 'exact' })
    await world.out(invite)
    t.ok(world.media(endpoint(PEER, 6002), rtp))
    await world.in(response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
    t.equal(deletedFlows(world).length, 1)
    t.equal(world.media(endpoint(PEER, 6002), rtp), undefined)
    t.ok(world.media(endpoint(PEER, 6000), rtp))
  })
})

t.test('a conntrack that was there too early does not keep the stream from its pinhole', async (t) => {
  const world = new World()
  const tuple = { family: 4 as const, protocol: 17, source: endpoint(INSIDE, 4000), destination: endpoint(PEER, 6000) }
  const reply = { ...tuple, source: tuple.destination, destination: endpoint(OUTSIDE, 12345) }
  await world.kernel.batch([{ kind: 'create-conntrack', conntrack: { original: tuple, reply, timeoutSec: 30 } }])
  await answeredCall(world)
  t.same(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6000)), endpoint(PEER, 6000))
  t.same(world.media(endpoint(PEER, 6000), endpoint(OUTSIDE, 4000)), endpoint(INSIDE, 4000))
})

t.test('two calls of one socket share its ports; the last one shuts them', async (t) => {
  const world = new World()
  await answeredCall(world, 'c1', 4000, 6000)
  await answeredCall(world, 'c2', 4000, 6100)
  t.equal(world.engine.size.ports, 2)
  t.ok(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6000)))
  t.ok(world.media(endpoint(INSIDE, 4000), endpoint(PEER, 6100)))
  for (const callId of ['c1', 'c2']) {
    await world.out(request('BYE', { callId, cseq: 2, to: 'b' }))
    await world.in(response(200, 'BYE', { callId, cseq: 2, to: 'b' }))
    if (callId === 'c1') t.same(world.media(endpoint(PEER, 6100), endpoint(OUTSIDE, 4000)), endpoint(INSIDE, 4000))
  }
  t.same(world.sizes(), NOTHING)
})
