import t from 'tap'
import { KernelEvents } from '../../lib/alg/kernel-events.js'
import type { Conntrack } from '../../lib/conntrack/index.js'
import type { ConntrackEntry } from '../../types/conntrack.js'
import { answeredCall, World } from '../call/world.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))

/** Events of a kernel whose table is read when the test says so. */
function heard(world: World) {
  const reads: (() => void)[] = []
  const dump = async (): Promise<ConntrackEntry[]> => {
    const entries = await world.kernel.dump()
    return new Promise((resolve) => reads.push(() => resolve(entries)))
  }
  const conntrack = { events: (options: never) => world.kernel.events(options), dump } as unknown as Conntrack
  const flows = { knows: () => false, forget: () => undefined, clear: () => undefined }
  const events = new KernelEvents({
    conntrack,
    flows: flows as never,
    pinholes: world.pinholes,
    now: () => world.now,
    onRepair: () => undefined,
    onError: t.error,
  })
  return { reads, close: () => events.close() }
}

const collected = () => new Promise((resolve) => setTimeout(resolve, 100))

t.test(
  'events are lost again and again: the table is read one time after another, and no more often than it takes',
  async (t) => {
    const world = new World()
    const { reads, close } = heard(world)
    t.teardown(close)
    for (let i = 0; i < 20; i++) world.kernel.overrun()
    await settled()
    t.equal(reads.length, 1)
    reads[0]!()
    await settled()
    t.equal(reads.length, 2)
    reads[1]!()
    await settled()
    t.equal(reads.length, 2)
  },
)

t.test('what is lost is put up again, and what began while the table was read is not lost', async (t) => {
  const world = new World()
  await answeredCall(world, 'c1', 4000)
  const [anchor] = world.kernel.entryList()
  // Nobody hears of it.
  await world.kernel.batch([{ kind: 'delete-conntrack', tuple: anchor!.original }])
  const { reads, close } = heard(world)
  t.teardown(close)
  world.kernel.overrun()
  await settled()
  await answeredCall(world, 'c2', 4100)
  world.kernel.recorded.length = 0
  reads[0]!()
  await collected()
  const made = world.kernel.recorded.flatMap((it) => (it.kind === 'create-conntrack' ? [it.conntrack.original] : []))
  t.same(made, [anchor!.original])
  t.equal(world.kernel.entryList().length, 2)
})
