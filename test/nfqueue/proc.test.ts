import t from 'tap'
import { ProcQueues, parseProcQueues } from '../../lib/nfqueue/proc.js'

t.test('nfnetlink_queue rows', async (t) => {
  // cat /proc/net/netfilter/nfnetlink_queue, two queues bound.
  const text =
    '    0  31270     0 2 65531     0     0        0  1\n 5060  31271    12 2  1500     7     3   123456  1\n'
  t.same(parseProcQueues(text), [
    { number: 0, portId: 31270, waiting: 0, queueDropped: 0, userDropped: 0, lastId: 0 },
    { number: 5060, portId: 31271, waiting: 12, queueDropped: 7, userDropped: 3, lastId: 123456 },
  ])
  t.same(parseProcQueues(''), [])
})

t.test('where it cannot be read there are no rows', async (t) => {
  const proc = new ProcQueues('/nonexistent')
  t.equal(proc.rows(), undefined)
  t.equal(proc.row(1), undefined)
  proc.close()
})
