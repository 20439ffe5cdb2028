import fc from 'fast-check'
import t from 'tap'
import type { MessagePolicy } from '../../lib/alg/judge.js'
import { locate } from '../../lib/packet/index.js'
import type { ConntrackOperation, OperationResult } from '../../types/conntrack.js'
import type { Way } from '../../types/flow.js'
import { INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp } from '../call/world.js'
import { samples } from '../corpus/messages.js'
import { runs } from '../law.js'
import { accepting, Box, PHONE, PROXY, packetOf } from './box.js'

const invite = request('INVITE', { by: PHONE, body: sdp(INSIDE, 4000) })

t.test('a message goes rewritten, after its pinholes', async (t) => {
  const box = new Box()
  const { kind, text } = await box.pass('out', invite)
  t.equal(kind, 'accept')
  t.match(text, `Contact: <sip:x@${OUTSIDE}:40000>`)
  t.match(text, `c=IN IP4 ${OUTSIDE}`)
  t.equal(box.world.kernel.expectationList().length, 2)
  const answer = await box.pass('in', response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }))
  t.equal(answer.options?.payload, undefined, 'nothing of ours in it: as it was')
  t.equal((await box.pass('out', invite)).text, text, 'a retransmission: the same bytes')
  t.match(box.counters.snapshot(), { requests: 2, responses: 1, rewritten: 2, 'pinholes-opened': 2 })
  t.equal(box.asked.length, 2, 'conntrack is asked once a flow and direction')
  t.equal(box.judge.waiting, 0)
})

t.test('a message over its budget: counted, reported, judged as malformed', async (t) => {
  const { length } = Buffer.from(invite)
  for (const [limits, reason] of [
    [{ maxBytes: length - 1 }, 'message-too-large'],
    [{ maxHeaders: 6 }, 'headers-too-many'],
  ] as const) {
    const box = new Box({ ...accepting, malformed: 'drop' }, limits)
    const { kind, text } = await box.pass('out', invite)
    t.equal(kind, 'drop', reason)
    t.equal(text, invite, 'as it came')
    t.same(box.world.refusals(), [reason])
    t.match(box.counters.snapshot(), { [reason]: 1, [`refused-${reason}`]: 1 })
  }
  const box = new Box(accepting, { maxHeaders: 600 })
  const many = Array.from({ length: 500 }, (_, i) => ['X-Header', `${i}`] as const)
  const sent = await box.pass('out', request('INVITE', { by: PHONE, body: sdp(INSIDE, 4000), headers: many }))
  t.match(sent.text, `c=IN IP4 ${OUTSIDE}`, 'a higher bound holds for what waits for the kernel, too')
})

t.test('the verdict waits for the kernel, and the call waits in order; others do not', async (t) => {
  const box = new Box()
  await box.pass('out', request('OPTIONS', { callId: 'x', by: PHONE }))
  const held: (() => void)[] = []
  const batch = box.world.kernel.batch.bind(box.world.kernel)
  box.world.kernel.batch = async (operations: readonly ConntrackOperation[]): Promise<OperationResult[]> => {
    await new Promise<void>((resolve) => held.push(resolve))
    return batch(operations)
  }
  const packets = [
    box.packet('out', invite),
    box.packet('out', invite),
    box.packet('out', request('OPTIONS', { callId: 'x', by: PHONE })),
    box.packet('out', request('CANCEL', { by: PHONE })),
  ]
  const [first, second, other, cancel] = packets.map(({ id }) => id)
  const done = box.judged.length
  for (const packet of packets) box.give(packet)
  await box.settle()
  t.same(
    box.judged.slice(done).map(({ id }) => id),
    [other],
  )
  t.equal(box.judge.waiting, 1)
  while (held.length > 0) {
    held.shift()!()
    await box.settle()
  }
  t.same(
    box.judged.slice(done).map(({ id }) => id),
    [other, first, second, cancel],
  )
  t.equal(box.judged.at(-2)!.text, box.judged.at(-3)!.text)
  t.equal(box.judge.waiting, 0)
})

const strange: readonly [string, string, keyof MessagePolicy][] = [
  ['\r\n\r\n', 'keep-alive', 'notSip'],
  ['\0\x01\0\0\x21\x12\xa4\x42aaaaaaaaaaaa', 'stun', 'notSip'],
  ['GET / HTTP/1.1\r\n\r\n', 'not-sip', 'notSip'],
  ['', 'empty', 'notSip'],
  [invite.slice(0, 100), 'headers-unterminated', 'malformed'],
  [invite.replace('Content-Length: ', 'Content-Length: 9'), 'content-length-mismatch', 'malformed'],
  [invite.replace('SIP/2.0\r\n', 'SIP/3.0\r\n'), 'sip-version', 'malformed'],
]
for (const policy of ['accept', 'drop'] as const) {
  t.test(`what is no message, or a broken one: ${policy}, counted, and nothing opens`, async (t) => {
    for (const [text, reason, kind] of strange) {
      const box = new Box({ ...accepting, [kind]: policy })
      const verdict = await box.pass('out', text)
      t.equal(verdict.kind, policy, reason)
      if (policy === 'accept') t.equal(verdict.text, text, 'as it was')
      t.same(box.counters.snapshot(), { [reason]: 1 })
      t.same(box.world.sizes(), NOTHING)
    }
  })
}

t.test('packets that are no UDP datagram, or a part of one, pass', async (t) => {
  const box = new Box({ notSip: 'drop', malformed: 'drop', failure: 'drop' })
  for (const change of [
    (bytes: Uint8Array) => bytes.fill(6, 9, 10),
    (bytes: Uint8Array) => bytes.fill(0x20, 6, 7),
    (bytes: Uint8Array) => bytes.fill(0xff, 2, 4),
    (bytes: Uint8Array) => bytes.fill(0x75, 0, 1),
  ]) {
    const packet = box.packet('out', invite)
    change(packet.payload)
    box.give(packet)
    t.equal(box.judged.at(-1)?.kind, 'accept')
  }
  t.same(box.world.sizes(), NOTHING)
})

t.test('a refused pinhole: the message goes on, or not, by policy', async (t) => {
  for (const failure of ['accept', 'drop'] as const) {
    const box = new Box({ ...accepting, failure })
    box.world.kernel.refuseNext(24, ({ kind }) => kind === 'create-expectation')
    t.equal((await box.pass('out', invite)).kind, failure)
    t.match(box.counters.snapshot(), { 'refused-expectation-table-full': 1 })
    const again = await box.pass('out', invite)
    t.equal(again.kind, 'accept')
    t.equal(box.world.kernel.expectationList().length, 2, 'a retransmission tries again')
  }
})

t.test('a kernel that fails costs a packet its help, not the process its life', async (t) => {
  for (const failure of ['accept', 'drop'] as const) {
    const box = new Box({ ...accepting, failure })
    const batch = box.world.kernel.batch.bind(box.world.kernel)
    box.world.kernel.batch = () => Promise.reject(new Error('the socket is closed'))
    t.equal((await box.pass('out', invite)).kind, failure)
    t.match(box.errors, [{ message: 'the socket is closed' }])
    box.world.kernel.batch = batch
    t.equal((await box.pass('in', response(486, 'INVITE', { to: 'b' }))).kind, 'accept')
    t.equal(box.judge.waiting, 0)
    t.same(box.world.engine.size.calls, 0)
  }
})

t.test('a listener that throws is reported, and no packet suffers', async (t) => {
  const box = new Box()
  box.listenerFails = true
  t.match(await box.pass('out', invite), { kind: 'accept', text: /c=IN IP4 203\.0\.113\.1/ })
  t.match(await box.pass('in', response(486, 'INVITE')), { kind: 'accept' })
  t.same(
    box.errors.map(({ message }) => message),
    box.world.events.map(() => 'listener'),
  )
  t.ok(box.errors.length >= 2)
})

t.test('a flow that conntrack does not know, or cannot tell', async (t) => {
  const box = new Box()
  box.get = () => Promise.resolve(undefined)
  t.equal((await box.pass('out', invite)).text, invite)
  t.match(box.counters.snapshot(), { 'flow-unknown': 1 })
  box.get = () => Promise.reject(new Error('no answer'))
  t.equal((await box.pass('out', invite)).text, invite)
  t.equal(box.errors.length, 1)
  t.same(box.world.sizes(), NOTHING)
})

t.test("a flow's first packet: known by its token, its mark put back", async (t) => {
  const box = new Box()
  box.get = () => Promise.reject(new Error('it is in no table yet'))
  const before = box.packet('out', invite, 0x1234)
  before.payload.set(packetOf(invite, PHONE, PROXY))
  const tokens: number[] = []
  box.pipeline.handleFirst(before, { verdict: (_packet, _kind, options) => void tokens.push(options!.mark!) })
  const token = tokens[0]!
  t.not(token, 0x1234)
  const after = box.packet('out', invite, token)
  box.give(after)
  await box.settle()
  const { options, text } = box.judged.at(-1)!
  t.equal(options?.mark, 0x1234)
  t.match(text, `Contact: <sip:x@${OUTSIDE}:40000>`)
  t.same(box.flows.size, { flows: 0, first: 0 })
  t.same(box.errors, [])
})

t.test('first packets that never come to postrouting do not pile up', async (t) => {
  const box = new Box()
  const location = locate(packetOf(invite, PHONE, PROXY))
  if (location.state !== 'found') throw new Error(location.state)
  const tokens = new Set<number>()
  for (let i = 0; i < 20_000; i++) tokens.add(box.flows.first(box.packet('out', 'x', i), location))
  t.equal(tokens.size, 20_000)
  t.equal(box.flows.size.first, 8192)
})

t.test('a flow is forgotten with its conntrack', async (t) => {
  const box = new Box()
  await box.pass('out', invite)
  await box.pass('in', response(180, 'INVITE', { to: 'b' }))
  t.equal(box.flows.size.flows, 2)
  t.ok(box.flows.knows(7))
  box.flows.forget(7)
  t.notOk(box.flows.knows(7))
  t.equal(box.flows.size.flows, 0)
  await box.pass('in', response(180, 'INVITE', { to: 'b' }))
  t.equal(box.asked.length, 3)
  box.flows.clear()
  t.equal(box.flows.size.flows, 0)
})

t.test('law: every packet gets one verdict, whatever is in it', async (t) => {
  const text = fc.oneof(
    fc.string({ maxLength: 60 }),
    fc.tuple(fc.constantFrom(...samples), fc.nat(), fc.nat({ max: 255 })).map(([{ bytes }, at, byte]) => {
      const copy = Buffer.from(bytes)
      copy[at % copy.length] = byte
      return copy.toString('latin1')
    }),
    fc.constantFrom(
      invite,
      response(200, 'INVITE', { to: 'b', body: sdp(PEER, 6000) }),
      request('BYE', { to: 'b', cseq: 2 }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.constantFrom<Way>('out', 'in'), text), { maxLength: 12 }),
      async (messages) => {
        const box = new Box()
        for (const [way, it] of messages) box.give(box.packet(way, it))
        await box.settle()
        await box.settle()
        const ids = box.judged.map(({ id }) => id)
        if (new Set(ids).size !== ids.length || ids.length !== messages.length) throw new Error(`${ids}`)
        if (box.errors.length > 0) throw box.errors[0]!
        if (box.judge.waiting !== 0) throw new Error('a call waits')
        await box.world.shutdown()
        const { pinholes, expectations, ports } = box.world.sizes()
        if (pinholes || expectations || ports) throw new Error('something is left')
      },
    ),
    runs(150),
  )
  t.pass()
})
