import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { commands } from '../../lib/cli/commands.js'
import { cli, whyNotNobody } from './built.js'

const directory = mkdtempSync(join(tmpdir(), 'cthelper-cli-'))
const file = (name: string, text: string): string => {
  const path = join(directory, name)
  writeFileSync(path, text)
  return path
}
let files = 0
const ends = ['--inside', 'lan0', '--outside', 'wan0']
const config = (value: unknown): string[] => ['--config', file(`${++files}.json`, JSON.stringify(value))]

/** What is wrong, and what the one sentence must name. All of them exit with 2. */
const mistakes: readonly (readonly [args: readonly string[], said: RegExp])[] = [
  [[], /a command is missing; see cthelper --help/],
  [['frobnicate'], /unknown command "frobnicate".*run, check/],
  [['cals'], /did you mean calls\?/],
  [['run', '--insid', 'lan0'], /unknown option --insid, did you mean --inside\?; see cthelper run --help/],
  [['run', '-x'], /unknown option -x/],
  [['run', '--inside'], /--inside needs a value/],
  [['run', '--inside', '--outside', 'wan0'], /--inside needs a value/],
  [['run', '--masquerade=yes'], /--masquerade takes no value/],
  [['run', ...ends, 'extra'], /unexpected argument "extra"/],
  [['run', ...ends, '--queue', '1', '--queue', '2'], /--queue is given twice/],
  [['run', '--inside', 'lan0'], /--outside.*name at least one interface/],
  [['run', '--inside', 'lan0', '--outside', 'lan0'], /--outside: lan0 is an inside interface already/],
  [['run', ...ends, '--mode', 'firewall', '--masquerade'], /--masquerade: mode firewall translates nothing/],
  [['run', ...ends, '--mode', 'bridge'], /--mode: "bridge" is none of gateway, pbx, firewall/],
  [['run', ...ends, '--media-ports', '30000'], /--media-ports: "30000" is not FIRST-LAST/],
  [['run', ...ends, '--media-ports', '80-90'], /--media-ports: 80 is not a whole number from 1024/],
  [['run', ...ends, '--translation', 'nat'], /--translation: "nat" is none of auto, function, maps/],
  [['run', ...ends, '--mode', 'firewall', '--translation', 'maps'], /--translation: mode firewall translates nothing/],
  [['run', ...ends, '--media-source', 'all'], /--media-source: "all" is none of exact, latch, address/],
  [['run', ...ends, '--media-host', 'pbx'], /--media-host: "pbx" is no IP address/],
  [['run', ...ends, '--sip-port', '5060,x'], /--sip-port: "5060,x" is not a whole number/],
  [['run', ...ends, '--sip-port', '70000'], /--sip-port: 70000 is not a whole number from 1 to 65535/],
  [['run', ...ends, '--queue', '-1'], /--queue needs a value/],
  [['run', ...ends, '--lease', '1'], /--lease: 1 is not a whole number from 3/],
  [['run', ...ends, '--callers', 'friends'], /--callers: "friends" is no IP address/],
  [['run', ...ends, '--log', 'xml'], /--log: "xml" is none of text, json/],
  [['run', ...ends, '--metrics', '9100'], /--metrics: "9100" is not ADDR:PORT/],
  [['run', ...ends, '--socket', 'x'.repeat(200)], /--socket: must be a path of at most 107 bytes/],
  [['run', '--inside', 'no-such-lan', '--outside', 'no-such-wan'], /interface no-such-lan does not exist/],
  [['run', '--config', '/nonexistent'], /--config: cannot read \/nonexistent/],
  [['run', '--config', file('broken.json', '{')], /broken.json is not JSON/],
  [['run', '--config', file('list.json', '[]')], /list.json must hold one JSON object/],
  [['run', ...config({ inside: ['a'], outside: ['b'], medea: {} })], /\.json: key medea: unknown; there are inside/],
  [['run', ...config({ inside: ['a'], outside: ['b'], media: { source: 'x' } })], /\.json: key media\.source: "x"/],
  [['run', ...config({ inside: ['a'], outside: ['b'], media: 5 })], /\.json: key media: must be an object/],
  [['run', ...config({ inside: ['a'], outside: ['b'], log: 'no' })], /\.json: key log: "no" is none of/],
  [
    ['run', ...config({ inside: ['a'], outside: ['b'], mode: 'firewall', media: { ports: [30000, 30010] } })],
    /\.json: key media.ports: mode firewall translates nothing/,
  ],
  [['run', ...config({ inside: ['a'], outside: ['b'], queue: 1.5 }), '--queue', '99999'], /--queue: 99999 is not/],
  [['run', ...ends, '--script', '/nonexistent'], /--script: cannot load \/nonexistent/],
  [['run', ...ends, '--script', file('script.mjs', 'export default 5')], /script.mjs is no function/],
  [['run', ...config({ inside: ['a'], outside: ['b'], script: 5 })], /key script: must be the path of a module/],
  [['calls', '--socket', join(directory, 'nobody')], /no cthelper is running at .*nobody/],
  [['calls', '--socket', file('plain', '')], /plain/],
  [['run', ...ends, '--socket', '/nonexistent/s'], /the directory of \/nonexistent\/s does not exist/],
  [['explain'], /FILE is missing/],
  [['explain', '/nonexistent'], /cannot read \/nonexistent/],
  [['explain', file('garbage', 'hello\n')], /neither a pcap file nor a SIP message: not-sip/],
  [['explain', file('garbage', 'hello\n'), '--inside', '10.0.0.0/33'], /--inside: "10.0.0.0\/33" is neither/],
  [['explain', file('garbage', 'hello\n'), '--outside-address', 'wan0'], /--outside-address: "wan0" is no IP address/],
]

for (const [args, said] of mistakes) {
  t.test(`cthelper ${args.join(' ').replaceAll(directory, '').slice(0, 80)}`, async (t) => {
    const { code, stdout, stderr } = await cli(args)
    t.equal(code, 2, 'exit code')
    t.equal(stdout, '')
    t.match(stderr, said)
    t.equal(stderr.trimEnd().split('\n').length, 1, 'one sentence')
  })
}

t.test('help and version', async (t) => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout } = await cli(args)
    t.equal(code, 0)
    for (const { name, summary } of commands) t.match(stdout, `${name} `) && t.match(stdout, summary)
  }
  t.match(await cli(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
})

for (const { name, options } of commands) {
  t.test(`every option of ${name} is in its help`, async (t) => {
    const { code, stdout } = await cli([name, '--help'])
    t.equal(code, 0)
    for (const option of options) {
      t.match(stdout, `--${option.name}`)
      t.match(stdout.replace(/\s+/g, ' '), option.help)
    }
    t.ok(Math.max(...stdout.split('\n').map((line) => line.length)) <= 100, 'fits 100 columns')
    t.same(await cli(['help', name]), { code, stdout, stderr: '' })
  })
}

t.test('the configuration file and the command line', async (t) => {
  const args = config({ inside: ['lan7'], outside: ['wan7'], ports: [5070], masquerade: true })
  const fromFile = await cli(['ruleset', ...args])
  t.match(fromFile, { code: 0, stdout: /elements = \{ 5070 \}[\s\S]*"lan7"[\s\S]*"wan7"[\s\S]*masquerade/ })
  const { stdout } = await cli(['ruleset', ...args, '--sip-port', '5080,5081', '--inside', 'lan8,lan9'])
  t.match(stdout, /elements = \{ 5080, 5081 \}[\s\S]*"lan8", "lan9"[\s\S]*"wan7"/, 'the command line wins')
  t.notMatch(stdout, '5070')
})

t.test('without rights', { skip: whyNotNobody() }, async (t) => {
  const { code, stderr } = await cli(
    ['run', '--inside', 'lo', '--outside', 'eth0', '--socket', '/tmp/nobody-needs-this'],
    {
      user: 'nobody',
    },
  )
  t.equal(code, 3)
  t.match(stderr, /run as root, or with the capability CAP_NET_ADMIN/)
  t.equal(stderr.trimEnd().split('\n').length, 1, 'one sentence')
  const barred = await cli(['run', ...ends, '--socket', join(directory, 's')], { user: 'nobody' })
  t.match(barred, { code: 3, stderr: /cannot look at .*EACCES/ })
  const checked = await cli(['check'], { user: 'nobody' })
  t.equal(checked.code, 1)
  t.match(checked.stdout, /^fail +rights +CAP_NET_ADMIN is missing/m)
})
