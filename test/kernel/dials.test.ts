/** Connections that the proxy asks servers for, and nobody answers. */
import t from 'tap'
import { TcpProxy } from '../../lib/proxy/index.js'
import { Lab, until, whyNoLab } from '../../lib/testing/index.js'
import type { Way } from '../../types/flow.js'

const skip = whyNoLab()
const MOST = 1000

/** A proxy whose servers are never heard of. */
async function silent() {
  const lab = new Lab()
  const place = lab.namespace('silent')
  lab.link(place, 'eth0', ['10.9.0.1/24'], lab.namespace('void'), 'eth0', [])
  place.ip('neigh add 10.9.0.2 lladdr 02:00:00:00:00:02 dev eth0')
  const proxy = await TcpProxy.open<never>({
    netns: place.path,
    families: [4],
    port: 15060,
    limits: { connections: 10_000, hostConnections: 10_000, hostBytes: 65_536 },
    policy: { foreign: 'accept', malformed: 'accept' },
    cut: () => t.fail('nothing comes') as never,
    now: Date.now,
    attend: async () => undefined,
    count: () => undefined,
    onError: t.error,
  })
  let port = 30_000
  const dial = (way: Way) =>
    proxy.dial({
      family: 4,
      way,
      client: { address: '10.8.0.1', port: ++port },
      server: { address: '10.9.0.2', port: 5060 },
    })
  return { proxy, dial, close: () => lab.close() }
}

t.test('so many from one side, that its next is not helped, leave room for those of the other', { skip }, async (t) => {
  const { proxy, dial, close } = await silent()
  t.teardown(close)
  const from = { in: Array.from({ length: MOST }, () => dial('in')), out: [] as ReturnType<typeof dial>[] }
  t.same(await dial('in'), { reason: 'tcp-dials-exhausted' })
  from.out.push(dial('out'))
  await new Promise((resolve) => setImmediate(resolve))
  t.equal(proxy.size.connecting, MOST + 1)
  const began = performance.now()
  await proxy.close()
  t.same(await Promise.all([...from.in, ...from.out]), Array(MOST + 1).fill({ reason: 'tcp-unreachable' }))
  t.ok(performance.now() - began < 20_000, 'nobody is asked any more, and none of them waited for')
  await until(() => proxy.size.connecting === 0)
})
