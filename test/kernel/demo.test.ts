import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import t from 'tap'
import { pause, whyNoLab } from '../../lib/testing/index.js'
import { builtCli, cli, whyNotNobody } from '../cli/built.js'

const skip = whyNoLab('nft', 'conntrack', 'sipp', 'tcpdump')
const namespaces = (pid: number | undefined): string[] =>
  readdirSync('/run/netns').filter((name) => name.startsWith(`cthelper-${pid}-`))

t.test('the demo comes true', { skip }, async (t) => {
  const { code, stdout, stderr } = await cli(['demo'], { timeoutMs: 60_000 })
  t.equal(code, 0, stdout)
  t.equal(stderr, '')
  t.match(stdout, /All of it is so\.\n$/)
  t.notMatch(stdout, /^ +NO /m)
  t.match(stdout, /^ +- c=IN IP4 192\.168\.7\.10\n +\^+\n +\+ c=IN IP4 198\.51\.100\.1$/m)
  t.match(stdout, /let 0 out and 0 in[\s\S]*let 100 out and 100 in[\s\S]*let 0 out and 0 in/)
  t.match(stdout, /src=198\.51\.100\.20 dst=198\.51\.100\.1 sport=0 dport=30000/)
  t.notMatch(stdout, '\x1b')
  t.ok(Math.max(...stdout.split('\n').map((line) => line.length)) <= 100, 'fits 100 columns')
})

t.test('interrupted, it removes its namespaces', { skip }, async (t) => {
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, builtCli(), 'demo'], { stdio: 'ignore' })
  for (let tries = 0; tries < 100 && namespaces(child.pid).length < 3; tries++) await pause(50)
  t.equal(namespaces(child.pid).length, 3)
  child.kill('SIGINT')
  await once(child, 'exit')
  t.same(namespaces(child.pid), [])
})

t.test('without rights', { skip: whyNotNobody() }, async (t) => {
  t.match(await cli(['demo'], { user: 'nobody' }), { code: 3, stderr: /the demo needs root/ })
})
