import t from 'tap'
import { OnceMore } from '../../lib/base/once-more.js'

const settled = () => new Promise((resolve) => setImmediate(resolve))

t.test('one at a time, and once more for all who asked meanwhile', async (t) => {
  const ends: (() => void)[] = []
  const work = new OnceMore(() => new Promise((resolve) => ends.push(resolve)), t.fail)
  for (let i = 0; i < 5; i++) work.ask()
  t.equal(ends.length, 1)
  let isIdle = false
  const idle = work.idle().then(() => {
    isIdle = true
  })
  ends[0]!()
  await settled()
  t.equal(ends.length, 2, 'once more')
  t.notOk(isIdle)
  ends[1]!()
  await idle
  await work.idle()
  t.equal(ends.length, 2, 'nobody has asked since')
  work.ask()
  t.equal(ends.length, 3)
})

t.test('what fails is heard of, and does not keep the next from being tried', async (t) => {
  const errors: string[] = []
  let tries = 0
  const fail = async () => {
    throw new Error(`try ${++tries}`)
  }
  const work = new OnceMore(fail, ({ message }) => void errors.push(message))
  work.ask()
  work.ask()
  await settled()
  work.ask()
  await settled()
  t.same(errors, ['try 1', 'try 2', 'try 3'])
})
