/** Trickle ICE (RFC 8840): candidates that come after their description, in INFO. */
import t from 'tap'
import { sipText } from '../../lib/testing/index.js'
import { INSIDE, NOTHING, OUTSIDE, PEER, request, response, World } from './world.js'

const FAR = '198.51.100.77'
const RELAY = '198.51.100.99'

/** A description before its addresses are known (RFC 8840 4.1.1). */
const description = (origin: string, ufrag: string, ...more: string[]): string =>
  [
    'v=0',
    `o=- 1 1 IN IP4 ${origin}`,
    's=-',
    'c=IN IP4 0.0.0.0',
    't=0 0',
    `a=ice-ufrag:${ufrag}`,
    'a=ice-options:trickle',
    'm=audio 9 RTP/SAVPF 0',
    'a=mid:1',
    'a=rtcp-mux',
    ...more,
    '',
  ].join('\r\n')

const candidate = (address: string, port: number, rest = 'typ host'): string =>
  `a=candidate:1 1 UDP 2130706431 ${address} ${port} ${rest}`

const fragment = (ufrag: string, ...candidates: string[]): string =>
  [`a=ice-ufrag:${ufrag}`, 'm=audio 9 RTP/AVP 0', 'a=mid:1', ...candidates, ''].join('\r\n')

interface Info {
  readonly cseq: number
  readonly from: string
  readonly to: string
  readonly body: string
  readonly type?: string
}

const info = ({ cseq, from, to, body, type = 'application/trickle-ice-sdpfrag' }: Info): string =>
  sipText(
    'INFO sip:two@test.invalid SIP/2.0',
    [
      ['Via', `SIP/2.0/UDP host.invalid;branch=z9hG4bKinfo.${cseq}`],
      ['From', `<sip:one@test.invalid>;tag=${from}`],
      ['To', `<sip:two@test.invalid>;tag=${to}`],
      ['Call-ID', 'c1'],
      ['CSeq', `${cseq} INFO`],
      ['Info-Package', 'trickle-ice'],
      ['Content-Type', type],
    ],
    body,
  )

const ours = (cseq: number, ...candidates: string[]): string =>
  info({ cseq, from: 'a', to: 'b', body: fragment('ours', ...candidates) })
const theirs = (cseq: number, ...candidates: string[]): string =>
  info({ cseq, from: 'b', to: 'a', body: fragment('theirs', ...candidates) })

const ranged = (early: 'peer' | 'none' = 'none') => new World({ ports: [30000, 30099], early })
const answer = (status: number) => response(status, 'INVITE', { to: 'b', body: description(FAR, 'theirs') })

/** A call that rings, with a description of each side and no candidate. */
async function ringing(world: World): Promise<void> {
  await world.out(request('INVITE', { body: description(INSIDE, 'ours') }))
  await world.in(answer(183))
}

t.test('what the inside trickles gets ports, is mapped, and comes back as it went', async (t) => {
  const world = ranged()
  await ringing(world)
  t.same(world.ways(), [])
  const text = ours(
    2,
    candidate(INSIDE, 4000),
    candidate('203.0.113.200', 4000, `typ srflx raddr ${INSIDE} rport 4000`),
  )
  const out = await world.out(text)
  t.match(out, `${candidate(OUTSIDE, 30000)}\r\n`)
  t.match(out, `typ srflx raddr ${OUTSIDE} rport 30000`)
  t.equal(Number(/Content-Length: (\d+)/.exec(out)?.[1]), out.split('\r\n\r\n')[1]!.length)
  t.equal(await world.out(text), out, 'a retransmission is the same')
  t.equal(await world.in(out), text)
  t.same(world.ways(), [], 'nobody may send yet')
  await world.in(theirs(7, candidate(FAR, 6000)))
  t.same(world.ways(), [`${FAR}:0>${OUTSIDE}:30000`, `${INSIDE}:4000>${FAR}:6000`].sort())
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('candidates add up, and each way stays as it is', async (t) => {
  const world = ranged()
  await ringing(world)
  await world.out(ours(2, candidate(INSIDE, 4000)))
  await world.in(theirs(7, candidate(FAR, 6000)))
  const before = world.opened.length
  await world.in(theirs(8, candidate(FAR, 6000), candidate(RELAY, 7000)))
  t.equal(world.opened.length, before + 1)
  t.ok(world.ways().includes(`${RELAY}:0>${OUTSIDE}:30000`))
  t.same(world.closed, [])
  await world.out(ours(3, candidate(INSIDE, 4000), candidate(INSIDE, 4100)))
  t.ok(world.ways().includes(`${INSIDE}:4100>${RELAY}:7000`))
  await world.shutdown()
})

t.test('the 200 repeats the description of the 183: what was trickled stands', async (t) => {
  const world = ranged()
  await ringing(world)
  await world.out(ours(2, candidate(INSIDE, 4000)))
  await world.in(theirs(7, candidate(FAR, 6000)))
  const ways = world.ways()
  await world.in(answer(200))
  await world.out(request('ACK', { to: 'b' }))
  t.same(world.ways(), ways)
  t.same(world.closed, [])
  t.notOk(
    world.events.some(({ kind }) => kind === 'hold'),
    'an address that is not known yet is no hold',
  )
  await world.out(request('BYE', { cseq: 4, to: 'b' }))
  await world.in(response(200, 'BYE', { cseq: 4, to: 'b' }))
  t.same(world.ways(), [])
  t.same(world.sizes(), NOTHING)
})

t.test('another ICE session, another line, another dialog, another type: nothing opens', async (t) => {
  const world = ranged()
  await ringing(world)
  await world.out(ours(2, candidate(INSIDE, 4000)))
  const strays = [
    info({ cseq: 7, from: 'b', to: 'a', body: fragment('before', candidate(FAR, 6000)) }),
    info({ cseq: 8, from: 'b', to: 'a', body: fragment('theirs', candidate(FAR, 6000)).replace('mid:1', 'mid:2') }),
    info({ cseq: 9, from: 'z', to: 'a', body: fragment('theirs', candidate(FAR, 6000)) }),
    info({ cseq: 10, from: 'b', to: 'a', body: fragment('theirs', candidate(FAR, 6000)), type: 'application/dtmf' }),
  ]
  for (const stray of strays) t.equal(await world.in(stray), stray)
  t.same(world.ways(), [])
  await world.in(theirs(11, candidate(FAR, 6000)))
  t.equal(world.ways().length, 2)
  await world.shutdown()
})

t.test('only ends that a description may name', async (t) => {
  const world = ranged()
  await ringing(world)
  const text = ours(2, candidate('10.8.0.5', 4000), candidate(INSIDE, 80), candidate('203.0.113.1', 4000))
  t.equal(await world.out(text), text)
  await world.in(theirs(7, candidate('192.168.7.1', 6000), candidate('10.0.0.9', 6000), candidate('x.local', 6000)))
  t.same(world.ways(), [])
  for (let n = 0; n < 12; n++)
    await world.out(ours(3 + n, ...Array.from({ length: n + 1 }, (_, i) => candidate(INSIDE, 4000 + 2 * i))))
  t.ok(world.refusals().includes('candidates-exhausted'))
  t.equal(world.sizes().streams, 8)
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('the caller outside trickles, and forks have candidates of their own', async (t) => {
  const world = ranged()
  await world.out(request('INVITE', { body: description(INSIDE, 'ours') }))
  await world.in(answer(183))
  await world.in(response(183, 'INVITE', { to: 'c', body: description(RELAY, 'other') }))
  await world.out(ours(2, candidate(INSIDE, 4000)))
  await world.in(theirs(7, candidate(FAR, 6000)))
  await world.in(info({ cseq: 3, from: 'c', to: 'a', body: fragment('other', candidate(RELAY, 7000)) }))
  t.equal(world.ways().length, 4)
  await world.in(answer(200))
  t.same(world.ways(), [`${FAR}:0>${OUTSIDE}:30000`, `${INSIDE}:4000>${FAR}:6000`].sort(), "the loser's are shut")
  await world.shutdown()

  const called = ranged()
  await called.in(request('INVITE', { from: 'x', callId: 'c1', body: description(PEER, 'theirs') }))
  await called.out(response(183, 'INVITE', { from: 'x', to: 'y', body: description(INSIDE, 'ours') }))
  await called.out(info({ cseq: 2, from: 'y', to: 'x', body: fragment('ours', candidate(INSIDE, 4000)) }))
  await called.in(info({ cseq: 5, from: 'x', to: 'y', body: fragment('theirs', candidate(PEER, 6000)) }))
  t.same(called.ways(), [`${PEER}:0>${OUTSIDE}:30000`, `${INSIDE}:4000>${PEER}:6000`].sort())
  await called.shutdown()
  t.same(called.sizes(), NOTHING)
})

t.test('early media may come to what was trickled', async (t) => {
  const world = ranged('peer')
  await ringing(world)
  await world.out(ours(2, candidate(INSIDE, 4000)))
  t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:30000`])
  await world.shutdown()
})
