import t from 'tap'
import { attendFollowed } from '../../lib/alg/followed-messages.js'
import type { MessageHook } from '../../lib/alg/message-hook.js'
import { MessageTurn } from '../../lib/alg/message-turn.js'
import type { Way } from '../../types/flow.js'
import { endpoint, INSIDE, NOTHING, PEER, request, response, scanned, sdp, World } from '../call/world.js'
import { judgeOver } from './judge-over.js'

const CLIENT = endpoint(PEER, 40_100)
const SERVER = endpoint(INSIDE, 5060)

/** What a connection from outside says is judged over the fake kernel. */
function attended({ failure = 'accept' as 'accept' | 'drop', says = (_: MessageTurn): void => {} } = {}) {
  const world = new World({ early: 'none' })
  const hook: Pick<MessageHook, 'ask'> = {
    ask: (message, flow, way) => {
      const turn = new MessageTurn(message, flow, way, undefined)
      says(turn)
      return turn
    },
  }
  const { judge, counters, contacts } = judgeOver(world, failure, { hook: hook as MessageHook })
  const { engine } = world
  const attendant = attendFollowed(
    { engine, judge, counters, contacts },
    { family: 4, way: 'in', client: CLIENT, server: SERVER },
  )
  const pass = (way: Way, text: string) =>
    new Promise<string>((resolve) => attendant.judge(scanned(text), way, (verdict) => resolve(verdict)))
  return { world, counters, attendant, pass }
}

const invite = request('INVITE', { by: CLIENT, body: sdp(PEER, 6000) })
const answer = response(200, 'INVITE', { to: 'b', by: SERVER, body: sdp(INSIDE, 4000) })

t.test('the ends of the flow are those of the connection; an answer goes on when its pinholes stand', async (t) => {
  const { world, counters, attendant, pass } = attended()
  t.equal(await pass('in', invite), 'pass')
  t.same(world.ways(), [], 'nothing for an offer')
  t.equal(await pass('out', answer), 'pass')
  t.same(world.ways(), [
    `${INSIDE}:4000>${PEER}:6000`,
    `${INSIDE}:4001>${PEER}:6001`,
    `${PEER}:0>${INSIDE}:4000`,
    `${PEER}:0>${INSIDE}:4001`,
  ])
  t.match(world.engine.calls(), [{ transport: 'tcp', inside: { address: INSIDE }, peer: CLIENT }])
  t.same(counters.snapshot(), { requests: 1, responses: 1, 'pinholes-opened': 1, 'pinholes-closed': 0 })
  attendant.close()
  await world.shutdown()
  t.same(world.sizes(), NOTHING)
})

t.test('a refused pinhole: the message goes on, or the connection ends', async (t) => {
  for (const failure of ['accept', 'drop'] as const) {
    const { world, counters, pass } = attended({ failure })
    await pass('in', invite)
    world.kernel.refuseNext(24, ({ kind }) => kind === 'create-expectation')
    t.equal(await pass('out', answer), failure === 'accept' ? 'pass' : 'reset')
    t.equal(counters.snapshot()['pinhole-refused'], failure === 'accept' ? undefined : 1)
  }
})

t.test('a script may end a connection, and may not change what is said on it', async (t) => {
  const rejecting = attended({ says: (turn) => turn.reject(403) })
  t.equal(await rejecting.pass('in', invite), 'reset')
  t.match(rejecting.counters.snapshot(), { 'script-rejected': 1 })
  const dropping = attended({ says: (turn) => turn.drop() })
  t.equal(await dropping.pass('in', invite), 'reset')
  t.match(dropping.counters.snapshot(), { 'script-dropped': 1 })
  const editing = attended({ says: (turn) => turn.addHeader('X-Seen', 'yes') })
  t.equal(await editing.pass('in', invite), 'pass')
  t.same(editing.world.refusals(), ['edits-impossible'])
})
