import t from 'tap'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import { edited, endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, scanned, World } from './world.js'

const contact = (at: Endpoint, parameters = ''): readonly [string, string] => [
  'Contact',
  `<sip:one@${at.address}:${at.port}>${parameters}`,
]
const phone = endpoint(INSIDE, 5060)
const outside = endpoint(OUTSIDE, 40000)

interface Options {
  readonly flow?: Flow
  readonly asked?: readonly (readonly [string, string])[]
  /** Headers of the answer; without them what was asked comes back. */
  readonly answer?: readonly (readonly [string, string])[]
  readonly status?: number
  readonly callId?: string
  readonly cseq?: number
  readonly aor?: string
}

const natted = (world: World): Flow => world.flow(phone, outside, endpoint(PEER, 5060))

/** REGISTER out, its answer in; returns both as they arrive. */
async function register(world: World, options: Options = {}): Promise<{ sent: string; back: string }> {
  const {
    flow = natted(world),
    asked = [contact(phone)],
    status = 200,
    aor = 'sip:one@test.invalid',
    ...line
  } = options
  const common = { ...line, headers: [] }
  const swap = (text: string) => text.replace('<sip:two@test.invalid>', `<${aor}>`)
  const sent = await world.out(swap(request('REGISTER', { ...common, headers: asked })), flow)
  const contacts = [...sent.matchAll(/^Contact: (.*?)\r$/gm)].map(([, value]) => ['Contact', value!] as const)
  const headers = options.answer ?? contacts
  const back = await world.in(swap(response(status, 'REGISTER', { ...common, headers })), flow)
  return { sent, back }
}

const expiry = (world: World): (number | string)[] =>
  world.engine.registered().map(({ expiresAt }) => (expiresAt - world.now) / 1000)

t.test('binds on the 2xx, and opens the way in from the registrar', async (t) => {
  const world = new World()
  const { sent, back } = await register(world, { asked: [contact(phone, ';expires=600')] })
  t.match(sent, `<sip:one@${OUTSIDE}:40000>;expires=600`)
  t.match(back, `<sip:one@${INSIDE}:5060>;expires=600`)
  t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:40000`])
  t.same(world.engine.registered(), [
    {
      aor: 'sip:one@test.invalid',
      transport: 'udp',
      inside: phone,
      outside,
      registrar: endpoint(PEER, 5060),
      expiresAt: world.now + 600_000,
    },
  ])
  const way = world.kernel.expectationList()[0]!
  t.match(way, {
    class: 0,
    flags: { permanent: true },
    nat: { direction: 1, to: phone },
    mask: { source: { port: 0 } },
  })
})

t.test('what is granted: the own entry, then Expires, then what was asked, then an hour', async (t) => {
  const mine = `<sip:one@${OUTSIDE}:40000>`
  const other = `<sip:one@198.51.100.9:5060>;expires=900`
  const cases: [string, Options, (number | string)[]][] = [
    [
      'entry',
      {
        answer: [
          ['Contact', `${other}, ${mine};expires=300`],
          ['Expires', '200'],
        ],
      },
      [300],
    ],
    [
      'Expires',
      {
        answer: [
          ['Contact', mine],
          ['Expires', '200'],
        ],
      },
      [200],
    ],
    ['asked in Contact', { asked: [contact(phone, ';expires=700')], answer: [['Contact', mine]] }, [700]],
    ['asked in Expires', { asked: [contact(phone), ['Expires', '800']], answer: [['Contact', mine]] }, [800]],
    ['nothing said', { answer: [['Contact', mine]] }, [3600]],
    ['no list at all', { answer: [['Expires', '120']] }, [120]],
    ['a list without ours', { answer: [['Contact', other]] }, []],
    ['entry of 0', { answer: [['Contact', `${mine};expires=0`]] }, []],
    ['Expires: 0 asked', { asked: [contact(phone), ['Expires', '0']], answer: [] }, []],
    ['401', { status: 401 }, []],
    ['423', { status: 423 }, []],
    ['503', { status: 503 }, []],
    ['100', { status: 100 }, []],
  ]
  for (const [name, options, expected] of cases) {
    const world = new World()
    await register(world, options)
    t.same(expiry(world), expected, name)
    await world.shutdown()
    t.same(world.sizes(), NOTHING, name)
  }
})

t.test('a refusal leaves the standing registration as it is', async (t) => {
  const world = new World()
  await register(world)
  for (const [i, status] of [401, 423, 500].entries()) await register(world, { status, cseq: i + 2 })
  t.same(expiry(world), [3600])
})

t.test('refreshes keep the way, the last value counts', async (t) => {
  const world = new World()
  await register(world, { asked: [contact(phone, ';expires=600')] })
  await world.wait(100)
  await register(world, { cseq: 2, asked: [contact(phone, ';expires=60')] })
  t.equal(world.opened.length, 1)
  t.same(expiry(world), [60])
  await world.wait(66)
  t.same(world.sizes(), NOTHING, 'gone when it has run out')
  t.equal(world.events.filter(({ kind }) => kind === 'unregistration').length, 1)
})

t.test('ends by Expires: 0, and by *', async (t) => {
  for (const asked of [
    [contact(phone), ['Expires', '0'] as const],
    [['Contact', '*'] as const, ['Expires', '0'] as const],
  ]) {
    const world = new World()
    await register(world)
    await register(world, { cseq: 2, asked, answer: [] })
    t.same(world.sizes(), NOTHING)
    t.equal(world.closed.length, 1)
  }
})

t.test('* ends all contacts of the address of record, and of no other', async (t) => {
  const world = new World()
  const second = world.flow(endpoint(INSIDE, 5070), endpoint(OUTSIDE, 40002), endpoint(PEER, 5060))
  await register(world)
  await register(world, { flow: second, callId: 'c2', asked: [contact(endpoint(INSIDE, 5070))] })
  await register(world, { callId: 'c3', aor: 'sip:other@test.invalid' })
  t.equal(world.engine.size.registrations, 3)
  await register(world, {
    cseq: 5,
    asked: [
      ['Contact', '*'],
      ['Expires', '0'],
    ],
    answer: [],
  })
  t.same(
    world.engine.registered().map(({ aor }) => aor),
    ['sip:other@test.invalid'],
  )
  t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:40000`])
})

t.test('several addresses of record on one flow share the way', async (t) => {
  const world = new World()
  await register(world, { asked: [contact(phone, ';expires=600')] })
  await register(world, { callId: 'c2', aor: 'sip:b@test.invalid', asked: [contact(phone, ';expires=60')] })
  t.equal(world.pinholes.size.pinholes, 1)
  t.equal(world.engine.size.registrations, 2)
  await world.wait(70)
  t.equal(world.engine.size.registrations, 1)
  t.equal(world.pinholes.size.pinholes, 1, 'the way is there for the other')
})

t.test('the flow is kept for the longest registration, and let go with the last', async (t) => {
  const world = new World()
  const flow = natted(world)
  const kept: number[] = []
  const say = async (text: string, way: 'out' | 'in') => {
    const plan = world.engine.plan(scanned(text), flow, way, world.now)
    kept.push(...plan.keepAlive.map(({ seconds }) => seconds))
    edited(text, plan)
    await world.enact(plan)
  }
  const both = async (line: { callId: string; cseq?: number; aor: string; seconds: number }) => {
    const { aor, seconds, ...rest } = line
    const swap = (text: string) => text.replace('<sip:two@test.invalid>', `<sip:${aor}@test.invalid>`)
    const headers = [
      ['Contact', `<sip:x@${INSIDE}:5060>`],
      ['Expires', String(seconds)],
    ] as const
    const answer = [
      ['Contact', `<sip:x@${OUTSIDE}:40000>`],
      ['Expires', String(seconds)],
    ] as const
    await say(swap(request('REGISTER', { ...rest, headers })), 'out')
    await say(swap(response(200, 'REGISTER', { ...rest, headers: seconds ? answer : [] })), 'in')
  }
  await both({ callId: 'r1', aor: 'a', seconds: 600 })
  await both({ callId: 'r2', aor: 'b', seconds: 60 })
  t.same(kept, [605, 605])
  await both({ callId: 'r1', cseq: 2, aor: 'a', seconds: 0 })
  t.same(kept, [605, 605])
  await both({ callId: 'r2', cseq: 2, aor: 'b', seconds: 0 })
  t.same(kept, [605, 605, 0])
})

t.test('several contacts of one phone', async (t) => {
  const world = new World()
  const second = world.flow(endpoint(INSIDE, 5070), endpoint(OUTSIDE, 40002), endpoint(PEER, 5060))
  await register(world, { flow: second, callId: 'c2', asked: [contact(endpoint(INSIDE, 5070))] })
  const { sent, back } = await register(world, {
    asked: [['Contact', `<sip:one@${INSIDE}>;expires=100, <sip:one@${INSIDE}:5070>;expires=200`]],
  })
  t.match(sent, `<sip:one@${OUTSIDE}:40000>;expires=100, <sip:one@${OUTSIDE}:40002>;expires=200`)
  t.match(back, `<sip:one@${INSIDE}>;expires=100, <sip:one@${INSIDE}:5070>;expires=200`)
  t.same(expiry(world).sort(), [100, 200])
})

t.test('a contact that comes back under another outside end', async (t) => {
  const other = '203.0.113.99'
  for (const [name, at, peer, left] of [
    ['another address at the same registrar: the old one is gone', endpoint(other, 40000), PEER, [other]],
    ['another port: both lead to the phone', endpoint(OUTSIDE, 40002), PEER, [OUTSIDE, OUTSIDE]],
    ['another registrar by another line: both stand', endpoint(other, 40000), '198.51.100.30', [OUTSIDE, other]],
  ] as const) {
    const world = new World()
    await register(world)
    await register(world, { flow: world.flow(phone, at, endpoint(peer, 5060)), callId: 'c2' })
    t.same(
      world.engine.registered().map((it) => it.outside.address),
      left,
      name,
    )
    t.equal(world.ways().length, left.length, name)
  }
})

t.test('outbound (RFC 5626): two flows of one instance, both registered, and calls come by either', async (t) => {
  const world = new World()
  const flows = [1, 2].map((id) => {
    const at = endpoint(INSIDE, 5060 + id)
    const instance = `;reg-id=${id};+sip.instance="<urn:uuid:00000000-0000-1000-8000-aabbccddeeff>"`
    return {
      id,
      at,
      instance,
      flow: world.flow(at, endpoint(OUTSIDE, 40_000 + id), endpoint(`198.51.100.2${id}`, 5060)),
    }
  })
  for (const { id, at, instance, flow } of flows) {
    const asked = [
      contact(at, instance),
      ['Supported', 'path, outbound'],
      ['Route', `<sip:198.51.100.2${id};lr>`],
    ] as const
    const granted = [contact(flow.binding.outside, `${instance};expires=600`), ['Flow-Timer', '120']] as const
    const answer = [...granted, ['Path', `<sip:flow${id}@198.51.100.2${id};lr;ob>`]] as const
    const { sent, back } = await register(world, { flow, callId: 'one', cseq: id, asked, answer })
    t.match(sent, `Contact: <sip:one@${OUTSIDE}:4000${id}>${instance}\r\n`, 'what identifies the instance stays')
    t.match(sent, `Route: <sip:198.51.100.2${id};lr>`)
    t.match(back, `Contact: <sip:one@${INSIDE}:506${id}>${instance};expires=600\r\n`)
    t.match(back, `Path: <sip:flow${id}@198.51.100.2${id};lr;ob>`)
  }
  t.equal(world.engine.size.registrations, 2)
  t.same(world.ways().sort(), [`198.51.100.21:0>${OUTSIDE}:40001`, `198.51.100.22:0>${OUTSIDE}:40002`])
  for (const { at, flow } of flows) {
    const uri = `sip:one@${OUTSIDE}:${flow.binding.outside.port};ob`
    const arrived = await world.in(request('INVITE', { by: flow.peer, uri, callId: `in${at.port}` }), flow)
    t.match(arrived, `INVITE sip:one@${INSIDE}:${at.port};ob SIP/2.0`)
  }
})

t.test('strangers', async (t) => {
  const stranger = (world: World): Flow => world.flow(phone, outside, endpoint('198.51.100.66', 5060))
  t.test('an answer from elsewhere grants nothing', async (t) => {
    const world = new World()
    await world.out(request('REGISTER', { headers: [contact(phone)] }), natted(world))
    await world.in(response(200, 'REGISTER', { headers: [contact(outside)] }), stranger(world))
    t.same(world.ways(), [])
    await world.in(response(200, 'REGISTER', { from: 'x', headers: [contact(outside)] }), natted(world))
    t.same(world.ways(), [], 'nor one with another tag')
    await world.in(response(200, 'REGISTER', { headers: [contact(outside)] }), natted(world))
    t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:40000`], 'the true one still does')
  })
  t.test("nobody registers another host's contact", async (t) => {
    const world = new World()
    const other = endpoint('192.168.7.11', 5060)
    const theirs = world.flow(other, endpoint(OUTSIDE, 40010), endpoint(PEER, 5060))
    await register(world, { flow: theirs, asked: [contact(other)] })
    const evil = world.flow(phone, outside, endpoint('198.51.100.66', 5060))
    await register(world, { flow: evil, callId: 'e', asked: [contact(other)] })
    t.same(world.ways(), [`${PEER}:0>${OUTSIDE}:40010`])
    t.equal(world.engine.size.registrations, 1)
  })
  t.test('a REGISTER from outside, and an answer from inside, are nothing to us', async (t) => {
    const world = new World()
    await world.in(request('REGISTER', { headers: [contact(outside)] }), natted(world))
    await world.out(response(200, 'REGISTER', { headers: [contact(phone)] }), natted(world))
    t.same(world.sizes(), NOTHING)
  })
})

t.test('callers', async (t) => {
  const ways = async (callers: 'registrar' | 'any' | string[]): Promise<string[]> => {
    const world = new World({ callers })
    await register(world)
    return world.kernel.expectationList().map(({ tuple, mask }) => `${tuple.source.address}/${mask.source.address}`)
  }
  t.same(await ways('registrar'), [`${PEER}/255.255.255.255`])
  t.same(await ways('any'), ['0.0.0.0/0.0.0.0'])
  t.same((await ways(['198.51.100.1', '198.51.100.2'])).sort(), [
    '198.51.100.1/255.255.255.255',
    '198.51.100.2/255.255.255.255',
  ])
})

t.test('budgets', async (t) => {
  t.test('of registrations; a refresh is not refused', async (t) => {
    const world = new World({ budgets: { registrations: 2 } })
    for (const aor of ['a', 'b', 'c']) await register(world, { callId: aor, aor: `sip:${aor}@test.invalid` })
    t.equal(world.engine.size.registrations, 2)
    t.same(world.refusals(), ['registrations-exhausted'])
    await register(world, { callId: 'a', cseq: 2, aor: 'sip:a@test.invalid', asked: [contact(phone, ';expires=77')] })
    t.ok(expiry(world).includes(77))
  })
  t.test('of REGISTERs without an answer', async (t) => {
    const world = new World({ budgets: { registrations: 20 } })
    await world.out(request('REGISTER', { callId: 'early', headers: [contact(phone)] }), natted(world))
    for (let i = 0; i < 500; i++)
      await world.out(request('REGISTER', { callId: `f${i}`, headers: [contact(phone)] }), natted(world))
    t.equal(world.engine.registrations.pending, 20)
    await register(world, { callId: 'honest' })
    t.equal(world.engine.size.registrations, 1, 'who is answered is bound')
    await world.wait(40)
    t.equal(world.engine.registrations.pending, 0)
  })
  t.test('of contacts in one REGISTER', async (t) => {
    const world = new World()
    const many = Array.from({ length: 2000 }, (_, i) => `<sip:u${i}@${INSIDE}:5060>`).join(',')
    await register(world, { asked: [['Contact', many]] })
    t.equal(world.engine.size.registrations, 1)
    t.equal(world.pinholes.size.pinholes, 1)
  })
})

t.test('a call in reaches the registered contact under its own name', async (t) => {
  const world = new World()
  await register(world, { asked: [['Contact', `<sip:one@${INSIDE}>`]] })
  const other = world.flow(phone, endpoint(OUTSIDE, 40000), endpoint(PEER, 5080))
  const arrived = await world.in(request('INVITE', { callId: 'in', uri: `sip:one@${OUTSIDE}:40000` }), other)
  t.match(arrived, `INVITE sip:one@${INSIDE} SIP/2.0`)
})
