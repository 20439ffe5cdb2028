/** The fake kernel beside the real one: the same random operations must get the same errnos and leave the same tables. */
import assert from 'node:assert/strict'
import fc from 'fast-check'
import t from 'tap'
import { anchorConntrack, anchorTuple, type Conntrack, openConntrack } from '../../lib/conntrack/index.js'
import { FakeConntrack, type KernelEvent, Lab, pause, timeScale, whyNoLab } from '../../lib/testing/index.js'
import type { ConntrackEntry, ConntrackOperation, Expectation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'

const skip = whyNoLab()
const BATCHES = Math.ceil(150 / timeScale)
const family = 4
const MANY_BITS = '255.255.255.255'

/** A small world, so that operations meet. Anchor 2 has no helper. */
const anchor = fc.integer({ min: 0, max: 2 })
const source = fc.constantFrom(
  { address: '198.51.100.1', port: 0 },
  { address: '198.51.100.1', port: 6000 },
  { address: '198.51.100.2', port: 0 },
)
const destination = fc.constantFrom({ address: '203.0.113.1', port: 30000 }, { address: '203.0.113.1', port: 30001 })
const tuple = fc.record({ source, destination }).map((ends): Tuple => ({ family, protocol: 17, ...ends }))

const expectation = fc
  .record({
    n: anchor,
    tuple,
    class: fc.integer({ min: 0, max: 4 }),
    permanent: fc.boolean(),
    function: fc.constantFrom('sip', undefined, 'nosuch'),
  })
  .map(
    ({ n, tuple, class: number, permanent, function: name }): Expectation => ({
      master: anchorTuple(family, n),
      tuple,
      mask: {
        ...tuple,
        source: { address: MANY_BITS, port: tuple.source.port ? 65535 : 0 },
        destination: { address: MANY_BITS, port: 65535 },
      },
      class: number,
      flags: { permanent },
      ...(name ? { function: name, nat: { direction: 1, to: { address: '10.0.0.1', port: 4000 } } } : {}),
    }),
  )

function newAnchor(n: number, status: number | undefined): ConntrackOperation {
  const { helper, status: _, ...rest } = anchorConntrack({ family, n, helper: 'sip', timeoutSec: 600, mark: 5 })
  const conntrack = { ...rest, ...(status === undefined ? {} : { status }), ...(n < 2 && helper ? { helper } : {}) }
  return { kind: 'create-conntrack', conntrack }
}

const operation: fc.Arbitrary<ConntrackOperation> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(anchor, fc.constantFrom(10, 10, 8, 2, undefined)).map(([n, status]) => newAnchor(n, status)),
  },
  { weight: 1, arbitrary: anchor.map((n) => ({ kind: 'get-conntrack', tuple: anchorTuple(family, n) }) as const) },
  { weight: 1, arbitrary: anchor.map((n) => ({ kind: 'delete-conntrack', tuple: anchorTuple(family, n) }) as const) },
  {
    weight: 1,
    arbitrary: fc
      .record({ n: anchor, status: fc.constantFrom(undefined, 10, 14, 8, 2), mark: fc.constantFrom(undefined, 9) })
      .map(({ n, status, mark }) => ({
        kind: 'update-conntrack' as const,
        tuple: anchorTuple(family, n),
        ...(status === undefined ? {} : { status }),
        ...(mark === undefined ? {} : { mark, markMask: 0xc }),
      })),
  },
  { weight: 8, arbitrary: expectation.map((expectation) => ({ kind: 'create-expectation', expectation }) as const) },
  { weight: 1, arbitrary: tuple.map((tuple) => ({ kind: 'delete-expectation', tuple }) as const) },
  {
    weight: 1,
    arbitrary: expectation.map((expectation) => ({ kind: 'update-expectation', expectation, timeoutSec: 99 }) as const),
  },
)

const essence = ({ tuple, master, mask, class: number, flags, timeoutSec }: Expectation): string =>
  JSON.stringify([tuple, master, mask.source, number, flags?.permanent, timeoutSec! < 100])
const entryEssence = ({ original, status, mark, helper }: ConntrackEntry): string =>
  JSON.stringify([original, status, mark ?? 0, helper])

const groups = [
  'conntrack-new',
  'conntrack-update',
  'conntrack-destroy',
  'expectation-new',
  'expectation-destroy',
] as const
/** Of the events of one cause, the kernel's order among expectations is that of its lists. */
const told = (event: KernelEvent): string =>
  `${event.kind} ${JSON.stringify('entry' in event ? event.entry.original : event.expectation.tuple)}`

/** All events that the kernel told of what came before: the last one is of an entry made for that. */
async function allEvents(kernel: Conntrack, heard: readonly string[]): Promise<readonly string[]> {
  const last = anchorConntrack({ family, n: 99, helper: 'sip', timeoutSec: 1 })
  await kernel.create(last)
  for (let i = 0; i < 100; i++) {
    const end = heard.indexOf(told({ kind: 'conntrack-new', entry: last }))
    if (end >= 0) return heard.slice(0, end)
    await pause(10)
  }
  throw new Error('no event of the last entry')
}

t.test('random operations: the fake answers as this kernel does', { skip, timeout: 240_000 }, async (t) => {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const kernel = await openConntrack({ netns: lab.namespace('kernel').path })
  t.teardown(() => kernel.close())
  const law = fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 40 }), async (operations) => {
    await kernel.flush()
    const [heard, faked]: string[][] = [[], []]
    const fake = new FakeConntrack()
    const onOverrun = () => assert.fail('overrun')
    const subscription = kernel.events({ groups, onOverrun, onEvent: (event) => heard!.push(told(event)) })
    fake.events({ groups, onOverrun, onEvent: (event) => faked!.push(told(event)) })
    // One by one, so that the first difference is where it happens.
    for (const [at, operation] of operations.entries()) {
      const [[real], [ours]] = await Promise.all([kernel.batch([operation]), fake.batch([operation])])
      if (real?.errno !== ours?.errno)
        throw new Error(
          `step ${at}: kernel ${real?.errnoName ?? 0}, fake ${ours?.errnoName ?? 0}: ${JSON.stringify(operation)}`,
        )
      const found = [real, ours].map((it) => it?.entry && entryEssence(it.entry))
      assert.deepEqual(found[1], found[0], 'the same entry is found')
    }
    assert.deepEqual(
      fake.expectationList().map(essence).sort(),
      (await kernel.expectations.dump()).map(essence).sort(),
      'the same expectations are left',
    )
    const entries = [await fake.dump(), await kernel.dump()].map((list) => list.map(entryEssence).sort())
    assert.deepEqual(entries[0], entries[1], 'the same entries are left')
    assert.deepEqual([...faked!].sort(), [...(await allEvents(kernel, heard!))].sort(), 'the same events are told')
    subscription.close()
  })
  const result = await fc.check(law, { numRuns: BATCHES })
  t.notOk(
    result.failed,
    result.failed ? `${result.errorInstance} ${fc.defaultReportMessage(result)}` : `${BATCHES} sequences`,
  )
})
