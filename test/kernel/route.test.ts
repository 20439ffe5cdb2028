import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import t, { type Test } from 'tap'
import { openRoute } from '../../lib/netlink/route.js'
import { Lab, type Namespace, scaled, whyNoLab } from '../../lib/testing/index.js'
import type { RouteEvent } from '../../types/route.js'

const skip = whyNoLab()

/** Events of a watch, one at a time. */
interface Watcher {
  next(): Promise<RouteEvent>
}

/** The addon's way: this process watches another namespace. */
async function watchByAddon(t: Test, namespace: Namespace): Promise<Watcher> {
  const queue: RouteEvent[] = []
  let wake = () => {}
  const route = openRoute({ netns: namespace.path })
  const watch = await route.watch({
    onEvent: (event) => {
      queue.push(event)
      wake()
    },
  })
  t.teardown(() => [watch.close(), route.close()])
  const next = async (): Promise<RouteEvent> => {
    while (queue.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    return queue.shift()!
  }
  return { next }
}

/** The package's way: a process inside the namespace watches its own. */
async function watchByPackage(t: Test, namespace: Namespace): Promise<Watcher> {
  const module = new URL('../../lib/netlink/route.js', import.meta.url).href
  const script = `const { openRoute } = await import(${JSON.stringify(module)})
    await openRoute().watch({ onEvent: (event) => console.log(JSON.stringify(event)) })
    console.log('"ready"')`
  const node = [process.execPath, ...process.execArgv, '--input-type=module', '-e', script]
  const child: ChildProcess = spawn('ip', ['netns', 'exec', namespace.name, ...node], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value ?? 'null') as RouteEvent
  t.equal(await next(), 'ready' as never)
  return { next }
}

/** What ip(8) does, and what must be heard of it, in order. */
const steps: readonly { does: string; heard: readonly object[] }[] = [
  {
    does: 'addr add 192.0.2.1/24 dev a0',
    heard: [{ kind: 'address-added', address: { address: '192.0.2.1', prefixLength: 24 } }],
  },
  {
    does: 'addr add fd00:9::1/64 dev a0 nodad',
    heard: [{ kind: 'address-added', address: { address: 'fd00:9::1', family: 6 } }],
  },
  { does: 'addr del 192.0.2.1/24 dev a0', heard: [{ kind: 'address-removed', address: { address: '192.0.2.1' } }] },
  { does: 'link set a0 down', heard: [{ kind: 'link-down' }, { kind: 'address-removed' }] },
  { does: 'link set a0 name wan9', heard: [{ kind: 'link-renamed', previousName: 'a0', link: { name: 'wan9' } }] },
  { does: 'link del wan9', heard: [{ kind: 'link-removed', link: { name: 'wan9' } }] },
]

for (const [way, watchBy] of [
  ['addon', watchByAddon],
  ['package', watchByPackage],
] as const) {
  t.test(`changes are heard over the ${way}`, { skip, timeout: scaled(20_000) }, async (t) => {
    const lab = new Lab()
    t.teardown(() => lab.close())
    const [left, right] = [lab.namespace('left'), lab.namespace('right')]
    left.sysctl({ 'net.ipv6.conf.default.addr_gen_mode': 1 })
    right.sysctl({ 'net.ipv6.conf.default.addr_gen_mode': 1 })
    lab.link(left, 'a0', [], right, 'b0', [])
    const watcher = await watchBy(t, left)
    for (const { does, heard } of steps) {
      left.ip(does)
      const events: RouteEvent[] = []
      while (events.length < heard.length) events.push(await watcher.next())
      for (const one of heard)
        t.ok(
          events.some((event) => event.kind === (one as RouteEvent).kind),
          `${does}: ${(one as RouteEvent).kind}`,
        )
      if (heard.length === 1) t.match(events[0], heard[0]!)
    }
  })
}

t.test('a watch knows the present state', { skip }, async (t) => {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const [left, right] = [lab.namespace('left'), lab.namespace('right')]
  lab.link(left, 'a0', ['10.9.0.1/24', 'fd00:9::1/64'], right, 'b0', [])
  const route = openRoute({ netns: left.path })
  const watch = await route.watch({ onEvent: () => {} })
  t.teardown(() => [watch.close(), route.close()])
  t.strictSame([...watch.links.values()].map(({ name }) => name).sort(), ['a0', 'lo'])
  const listed = () => watch.addresses().map(({ address }) => address)
  t.ok(listed().includes('10.9.0.1') && listed().includes('fd00:9::1'))
  left.ip('addr add 10.9.0.2/24 dev a0')
  for (let i = 0; i < 100 && !listed().includes('10.9.0.2'); i++) await new Promise((done) => setTimeout(done, 10))
  t.ok(listed().includes('10.9.0.2'))
})

t.test('rules and local routes: as ip(8) shows them, once, and gone again', { skip }, async (t) => {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const namespace = lab.namespace('rules')
  namespace.ip('link add lan0 type veth peer name lan1')
  const route = openRoute({ netns: namespace.path })
  t.teardown(() => route.close())
  const lo = (await route.links()).find(({ name }) => name === 'lo')!
  for (const family of [4, 6] as const) {
    const ip = (...words: string[]) => namespace.exec(['ip', `-${family}`, ...words]).then(({ stdout }) => stdout)
    const rule = { family, iifname: 'lan0', mark: 0xc8005060, table: 5060, priority: 5 }
    const local = { family, table: 5060, linkIndex: lo.index }
    const before = await ip('rule')
    t.equal(await route.addRule(rule), true)
    t.equal(await route.addRule(rule), false, 'there already')
    t.match(await ip('rule'), /^5:\s+from all fwmark 0xc8005060 iif lan0 lookup 5060$/m)
    t.equal(await route.addLocalRoute(local), true)
    t.equal(await route.addLocalRoute(local), false)
    t.match(await ip('route', 'show', 'table', '5060'), /^local default dev lo proto static/)
    t.equal(await route.deleteLocalRoute(local), true)
    t.equal(await route.deleteLocalRoute(local), false)
    t.equal(await route.deleteRule(rule), true)
    t.equal(await route.deleteRule(rule), false)
    t.equal(await ip('rule'), before)
    t.equal(await ip('route', 'show', 'table', '5060'), '')
  }
  await t.rejects(route.addLocalRoute({ family: 4, table: 5060, linkIndex: 77 }), { code: 'ERR_KERNEL' })
})
