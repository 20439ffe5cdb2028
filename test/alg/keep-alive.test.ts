import t from 'tap'
import { KeepAlive } from '../../lib/alg/keep-alive.js'
import { FakeConntrack } from '../../lib/testing/index.js'
import { endpoint, flowOf, INSIDE, OUTSIDE, PEER } from '../call/world.js'

const flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))
const original = { family: 4 as const, protocol: 17, source: flow.binding.inside, destination: flow.peer }
const reply = { ...original, source: flow.peer, destination: flow.binding.outside }

async function scene() {
  const kernel = new FakeConntrack()
  await kernel.batch([{ kind: 'create-conntrack', conntrack: { original, reply, timeoutSec: 30 } }])
  return { kernel, keepAlive: new KeepAlive((operations) => kernel.batch(operations)) }
}

t.test('keeps a conntrack for the granted time and no longer', async (t) => {
  const { kernel, keepAlive } = await scene()
  keepAlive.keep(flow, 100, 0)
  for (let second = 0; second < 99; second++) {
    await keepAlive.tick(second * 1000)
    kernel.advance(1)
    // A packet of the flow sets the timeout back to the kernel's own.
    if (second % 7 === 0) kernel.packet(original)
  }
  t.equal(kernel.entryList().length, 1)
  await keepAlive.tick(100_000)
  t.equal(keepAlive.size, 0)
})

t.test('zero seconds: no longer kept', async (t) => {
  const { kernel, keepAlive } = await scene()
  keepAlive.keep(flow, 100, 0)
  keepAlive.keep(flow, 0, 0)
  await keepAlive.tick(0)
  t.equal(keepAlive.size, 0)
  t.equal(kernel.recorded.length, 1)
})

t.test('a conntrack that is gone is let go', async (t) => {
  const { kernel, keepAlive } = await scene()
  keepAlive.keep(flow, 100, 0)
  kernel.advance(31)
  await keepAlive.tick(31_000)
  t.equal(keepAlive.size, 0)
})

t.test('asks the kernel every ten seconds, not every tick', async (t) => {
  const { kernel, keepAlive } = await scene()
  keepAlive.keep(flow, 100, 0)
  for (let second = 0; second < 30; second++) await keepAlive.tick(second * 1000)
  t.equal(kernel.recorded.length, 1 + 3)
})

t.test('clear', async (t) => {
  const { keepAlive } = await scene()
  keepAlive.keep(flow, 100, 0)
  keepAlive.clear()
  t.equal(keepAlive.size, 0)
})
