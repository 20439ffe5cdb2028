import { setImmediate as pass } from 'node:timers/promises'
import t from 'tap'
import { Lifecycle, raise } from '../../lib/alg/lifecycle.js'

const setUp = () => {
  const said: string[] = []
  const lifecycle = new Lifecycle((error) => said.push(`error ${error.message}`))
  const step = (name: string) => lifecycle.undo.push(() => said.push(`undo ${name}`))
  return { said, lifecycle, step }
}

t.test('what was done is taken back, last first', async (t) => {
  const { said, lifecycle, step } = setUp()
  await lifecycle.start(async () => {
    step('one')
    step('two')
  })
  await lifecycle.stop(async () => void said.push('end'))
  t.same(said, ['end', 'undo two', 'undo one'])
  await lifecycle.stop(async () => void said.push('again'))
  t.equal(said.length, 3, 'once')
  await lifecycle.start(async () => step('three'))
  await lifecycle.stop()
  t.equal(said.at(-1), 'undo three', 'and it can be started again')
})

t.test('what fails to start leaves nothing', async (t) => {
  const { said, lifecycle, step } = setUp()
  const failing = async () => {
    step('one')
    throw new Error('no')
  }
  await t.rejects(lifecycle.start(failing), /^Error: no$|no/)
  t.same(said, ['undo one'])
  await lifecycle.stop()
  await lifecycle.start(async () => step('two'))
})

t.test('who stops what fails to start waits until it is taken back', async (t) => {
  const { said, lifecycle } = setUp()
  const started = lifecycle.start(async () => {
    lifecycle.undo.push(async () => {
      await pass()
      said.push('undo one')
    })
    await pass()
    throw new Error('no')
  })
  const failed = t.rejects(started, /no/)
  await lifecycle.stop(async () => void said.push('end'))
  t.same(said, ['undo one'])
  await failed
})

t.test('twice at once', async (t) => {
  const { said, lifecycle, step } = setUp()
  let go = () => {}
  const open = async () => {
    await new Promise<void>((resolve) => {
      go = resolve
    })
    step('one')
  }
  const started = lifecycle.start(open)
  await t.rejects(lifecycle.start(open), { code: 'ERR_IN_USE', operation: 'start' })
  const stopped = Promise.all([lifecycle.stop(async () => void said.push('end')), lifecycle.stop()])
  go()
  await started
  await stopped
  t.same(said, ['end', 'undo one'], 'what is being started is stopped once it stands')
})

t.test('what cannot be taken back is told, and the rest is taken back', async (t) => {
  const { said, lifecycle, step } = setUp()
  await lifecycle.start(async () => {
    step('one')
    lifecycle.undo.push(() => {
      throw new Error('stuck')
    })
    step('three')
  })
  await t.rejects(
    lifecycle.stop(() => Promise.reject(new Error('end'))),
    { message: 'end' },
  )
  t.same(said, ['undo three', 'undo one', 'error stuck'])
})

t.test('a failure that nobody listens for is a warning', async (t) => {
  const told: Error[] = []
  const emit = (_name: 'error', error: Error) => told.push(error) > 0
  const error = new Error('a failure')
  raise({ listenerCount: () => 1, emit }, error)
  t.same(told, [error])
  const warned = new Promise((resolve) => process.once('warning', resolve))
  raise({ listenerCount: () => 0, emit }, error)
  t.equal(await warned, error)
  t.equal(told.length, 1)
})
