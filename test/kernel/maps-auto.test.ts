/** Where nf_nat_sip is really not to be had: kernels with modules, and this one kept away. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import t from 'tap'
import { SipPeer, whyNoLab } from '../../lib/testing/index.js'
import { CliLab } from './cli-run.js'
import { call, hears, Scene, target } from './scene.js'

const KEPT_AWAY = '/etc/modprobe.d/cthelper-test-nf_nat_sip.conf'

function loadedModules(): string {
  try {
    return readFileSync('/proc/modules', 'latin1')
  } catch {
    return ''
  }
}
const isLoaded = (): boolean => /^nf_nat_sip /m.test(loadedModules())
const skip =
  whyNoLab('nft', 'conntrack') ||
  (loadedModules() === '' && 'needs a kernel with loadable modules') ||
  (isLoaded() && 'nf_nat_sip was loaded before')

t.before(() => {
  if (skip) return
  mkdirSync(dirname(KEPT_AWAY), { recursive: true })
  writeFileSync(KEPT_AWAY, 'install nf_nat_sip /bin/false\n')
})
t.teardown(() => rmSync(KEPT_AWAY, { force: true }))

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: auto takes the maps, and calls are heard`, { skip }, async (t) => {
    const nat = family === 4 ? 'masquerade' : 'nat66'
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    t.equal(scene.sip.status().translation, 'maps')
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
    const to = bob.endpoint.local
    const setup = { caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: far.local }
    const { invite, arrived, answered } = await call(setup)
    const advertised = target(arrived)
    t.match(await hears(audio, far.local, far), { packets: 5, from: advertised })
    t.match(await hears(far, advertised, audio), { packets: 5, from: far.local })
    await alice.inDialog('BYE', invite, answered, to)
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.match(await hears(far, advertised, audio), { packets: 0 }, 'after BYE nothing comes in')
    t.notOk(isLoaded())
  })
}

t.test('the function is asked for, and not there', { skip }, async (t) => {
  const message = /load nf_nat_sip/
  await t.rejects(Scene.open({ helper: { translation: 'function' } }), { code: 'ERR_UNSUPPORTED', message })
})

t.test('check and run say which way media goes', { skip }, async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const { stdout } = await cli.ask('check', '--inside', 'lan0', '--outside', 'wan0')
  t.match(stdout, /ok +media +media goes through expectations, translated by nft maps/)
  const asked = await cli.ask('check', '--inside', 'lan0', '--outside', 'wan0', '--translation', 'function')
  t.match(asked, { code: 1, stdout: /fail +media +the kernel refused a test signalling expectation/ })
  const running = await cli.run()
  t.match(running.stdout, /translated by nft maps/)
  t.equal(await running.end('SIGTERM'), 0)
})
