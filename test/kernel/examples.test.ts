import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import ts from 'typescript'
import { nftRuleset, whyNoLab } from '../../lib/testing/index.js'
import { builtCli, root } from '../cli/built.js'
import { CliLab, CliProcess, ring } from './cli-run.js'
import { hears } from './scene.js'

t.test('examples/gateway.ts helps a call', { skip: whyNoLab('nft', 'conntrack') }, async (t) => {
  builtCli()
  const source = readFileSync(join(root, 'examples/gateway.ts'), 'utf8')
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
  })
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const people = await cli.people()
  // From standard input a program resolves 'cthelper' as the package of its working directory: this one.
  const argv = ['env', '-u', 'NODE_OPTIONS', process.execPath, '--input-type=module', '-e', outputText]
  const running = new CliProcess(cli.lab.gateway.spawn(argv, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] }))
  await running.says(/^ready$/)

  const { invite, answered, media } = await ring(people)
  t.match(media, { address: cli.lab.gatewayOutside.v4, port: 30000 })
  t.match(await hears(people.far, media, people.audio), { packets: 5 }, 'audio in')
  t.match(await hears(people.audio, people.far.local, people.far), { packets: 5, from: media }, 'audio out')
  await people.alice.inDialog('BYE', invite, answered, people.bob.endpoint.local)
  await people.bob.respond(await people.bob.receiveRequest('BYE'), 200)
  await people.alice.response(200)

  t.equal(await running.end('SIGTERM'), 0, 'it ends by itself once it has stopped')
  const states = running.lines.slice(1).map((line) => line.replace(invite.get('Call-ID'), 'CALL'))
  t.same(states, ['CALL calling', 'CALL answered', 'CALL ending'])
  t.same(
    (await nftRuleset(cli.lab.gateway)).flatMap((it) => it.table?.name ?? []),
    ['lab'],
  )
})
