import fc from 'fast-check'
import t from 'tap'
import type { Way } from '../../types/flow.js'
import { runs } from '../law.js'
import { endpoint, INSIDE, NOTHING, OUTSIDE, PEER, request, response, sdp, World } from './world.js'

const CALLS = ['w0', 'w1', 'w2']
const FAR = [PEER, '198.51.100.77', '10.1.1.1']
const EBUSY = 16
const EMFILE = 24

/** One thing that may happen; numbers are taken modulo what there is. */
interface Step {
  readonly what: 'request' | 'response' | 'repeat' | 'wait' | 'media' | 'refuse' | 'flush'
  readonly call: number
  readonly isOut: boolean
  readonly method: string
  readonly status: number
  readonly cseq: number
  readonly tag: number
  readonly far: number
  readonly port: number
  readonly hasSdp: boolean
  readonly seconds: number
}

const step: fc.Arbitrary<Step> = fc.record({
  what: fc.oneof(
    { weight: 10, arbitrary: fc.constant('request' as const) },
    { weight: 14, arbitrary: fc.constant('response' as const) },
    { weight: 4, arbitrary: fc.constant('repeat' as const) },
    { weight: 2, arbitrary: fc.constant('wait' as const) },
    { weight: 3, arbitrary: fc.constant('media' as const) },
    { weight: 1, arbitrary: fc.constant('refuse' as const) },
    { weight: 1, arbitrary: fc.constant('flush' as const) },
  ),
  call: fc.nat({ max: CALLS.length - 1 }),
  isOut: fc.boolean(),
  method: fc.constantFrom('INVITE', 'INVITE', 'INVITE', 'ACK', 'UPDATE', 'PRACK', 'BYE', 'CANCEL', 'INFO'),
  status: fc.constantFrom(100, 180, 183, 183, 200, 200, 200, 200, 302, 401, 408, 481, 487, 488, 491, 603),
  cseq: fc.integer({ min: 1, max: 4 }),
  tag: fc.nat({ max: 2 }),
  far: fc.nat({ max: FAR.length - 1 }),
  port: fc.integer({ min: 0, max: 4 }),
  hasSdp: fc.boolean(),
  seconds: fc.constantFrom(1, 2, 5, 35, 130),
})

/** Walks a world, and remembers what has been sent, so that it can be sent again. */
class Walk {
  readonly world: World
  readonly isCallerInside: boolean
  readonly sent = new Map<string, { way: Way; text: string }>()

  constructor(world: World, isCallerInside: boolean) {
    this.world = world
    this.isCallerInside = isCallerInside
    world.listen()
  }

  async step(it: Step): Promise<void> {
    const { world } = this
    switch (it.what) {
      case 'wait':
        return world.wait(it.seconds)
      case 'media':
        world.media(endpoint(FAR[it.far]!, 6000 + 2 * it.port), endpoint(OUTSIDE, 4000 + 2 * it.port))
        world.media(endpoint(INSIDE, 4000 + 2 * it.port), endpoint(FAR[it.far]!, 6000 + 2 * it.port))
        return
      case 'refuse':
        return world.kernel.refuseNext(it.isOut ? EBUSY : EMFILE, ({ kind }) => kind === 'create-expectation')
      case 'flush':
        return world.flush()
      case 'repeat': {
        const all = [...this.sent.values()]
        const again = all[it.port % (all.length || 1)]
        if (again) await world.pass(again.way, again.text)
        return
      }
      default:
        await this.say(it)
    }
  }

  /** In-dialog requests of the called side have the tags the other way round. */
  private async say({ what, call, isOut, method, status, cseq, tag, far, port, hasSdp }: Step): Promise<void> {
    const isRequest = what === 'request'
    const isByCaller = isRequest === (isOut === this.isCallerInside)
    const other = ['b', 'c', 'd'][tag]!
    const isInitial = isRequest && method === 'INVITE' && cseq === 1
    const tags = isByCaller ? { from: 'a', to: isInitial ? '' : other } : { from: other, to: 'a' }
    const canDescribe = /INVITE|UPDATE|PRACK|ACK/.test(method)
    const body = isOut ? sdp(INSIDE, 4000 + 2 * port) : sdp(FAR[far]!, 6000 + 2 * port)
    const line = { callId: CALLS[call]!, cseq, ...tags, ...(hasSdp && canDescribe ? { body } : {}) }
    const text = isRequest ? request(method, line) : response(status, method, line)
    const way: Way = isOut ? 'out' : 'in'
    this.sent.set(`${this.sent.size % 20}`, { way, text })
    await this.world.pass(way, text)
  }
}

async function invariants(world: World): Promise<void> {
  const standing = new Set(world.opened)
  for (const path of world.closed) standing.delete(path)
  if (standing.size !== world.pinholes.size.pinholes) throw new Error('a way is neither closed nor standing')
  const { calls, ports } = world.engine.size
  if (calls > CALLS.length) throw new Error('calls without end')
  if (ports > 2 * 5 * CALLS.length) throw new Error(`${ports} ports for ${CALLS.length} calls`)
}

const policies = fc.record({
  source: fc.constantFrom<'latch' | 'exact' | 'address'>('latch', 'exact', 'address'),
  early: fc.constantFrom<'peer' | 'none' | 'any'>('peer', 'none', 'any'),
})

t.test('law: whatever is said, in whatever order, shutdown leaves nothing and every way was closed once', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 60 }),
      policies,
      fc.boolean(),
      async (steps, policy, isCallerInside) => {
        const world = new World({ ...policy, idleMs: 100_000 })
        const walk = new Walk(world, isCallerInside)
        for (const it of steps) {
          await walk.step(it)
          await invariants(world)
        }
        await world.shutdown()
        check(world)
      },
    ),
    runs(150),
  )
  t.pass()
})

t.test('law: left to time alone, everything goes', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 40 }),
      policies,
      fc.boolean(),
      async (steps, policy, isCallerInside) => {
        const world = new World({ ...policy, idleMs: 100_000 })
        const walk = new Walk(world, isCallerInside)
        for (const it of steps) await walk.step(it)
        await world.wait(640)
        check(world)
      },
    ),
    runs(30),
  )
  t.pass()
})

function check(world: World): void {
  const left = Object.entries(world.sizes()).filter(([name, size]) => size !== NOTHING[name])
  if (left.length > 0) throw new Error(`left: ${JSON.stringify(left)}`)
  const opened = new Set(world.opened)
  if (opened.size !== world.opened.length) throw new Error('a way was opened twice')
  if (new Set(world.closed).size !== world.closed.length) throw new Error('a way was closed twice')
  for (const path of world.closed) if (!opened.has(path)) throw new Error('a way was closed that never was open')
  if (opened.size !== world.closed.length) throw new Error('a way was not closed')
}

t.test('ten thousand calls leave nothing', async (t) => {
  const world = new World({ ports: [30000, 30099] })
  for (let i = 0; i < 10_000; i++) {
    const callId = `n${i}`
    await world.out(request('INVITE', { callId, body: sdp(INSIDE, 4000 + (i % 1000) * 2) }))
    if (i % 3 === 0) {
      await world.in(response(486, 'INVITE', { callId, to: 'b' }))
      continue
    }
    await world.in(response(200, 'INVITE', { callId, to: 'b', body: sdp(PEER, 6000) }))
    await world.out(request('ACK', { callId, to: 'b' }))
    await world.in(request('BYE', { callId, from: 'b', to: 'a', cseq: 2 }))
    await world.out(response(200, 'BYE', { callId, from: 'b', to: 'a', cseq: 2 }))
    world.events.length = 0
  }
  t.same(world.sizes(), NOTHING)
  t.equal(world.opened.length, world.closed.length)
})
