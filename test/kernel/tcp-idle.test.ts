/** Ten thousand connections at once, as a registrar's phones hold them: `cthelper run` on one side, both ends on the other. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { pause, sipText, TcpEndpoint, TcpListener, whyNoLab } from '../../lib/testing/index.js'
import { CliLab } from './cli-run.js'

const CONNECTIONS = 10_000
const AT_ONCE = 50
/** Both ends of each, and what a process has open besides. */
const NEEDED = 2 * CONNECTIONS + 400
const allowed = Number(/^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'latin1'))?.[1] ?? Infinity)
const skip = whyNoLab('nft') || (allowed < NEEDED && `needs ${NEEDED} descriptors, ${allowed} are allowed`)

const residentKiB = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1])

t.test(`${CONNECTIONS} idle connections`, { skip }, async (t) => {
  const lab = new CliLab()
  t.teardown(() => lab.close())
  const running = await lab.run('--max-host-connections', String(CONNECTIONS))
  t.match(running.stdout, /ready .*TCP helped/)
  t.notMatch(running.stdout, /connections at most/)
  const [inside, registrar] = [lab.lab.phones[0]!.v4, lab.lab.registrar.v4]
  const server = await TcpListener.open(lab.lab.provider, { address: registrar, port: 5060 })
  const before = residentKiB(running.child.pid!)
  const ends: TcpEndpoint[] = []
  t.teardown(() => {
    for (const end of ends) end.close()
    server.close()
  })
  const connect = () => TcpEndpoint.connect(lab.lab.phone, { address: inside, port: 0 }, server.local)
  let proxied = 0
  /** Returns the last connection's two ends. */
  const add = async (count: number) => {
    const clients = await Promise.all(Array.from({ length: count }, connect))
    const own = new Set(clients.map(({ local }) => local.port))
    const accepted: TcpEndpoint[] = []
    for (const _ of clients) accepted.push(await server.accept())
    proxied += accepted.filter(({ remote }) => !own.has(remote.port)).length
    ends.push(...clients, ...accepted)
    return { client: clients.at(-1)!, far: accepted.at(-1)! }
  }
  for (let left = CONNECTIONS - 1; left > 0; left -= AT_ONCE) await add(Math.min(AT_ONCE, left))
  const { client, far } = await add(1)
  t.equal(proxied, CONNECTIONS, 'every one is made anew')
  await pause(1000)
  const each = (residentKiB(running.child.pid!) - before) / CONNECTIONS
  t.comment(`${each.toFixed(1)} KiB of the process each`)
  t.ok(each < 20, 'bounded memory')
  const { address, port } = client.local
  const request = sipText('OPTIONS sip:registrar.example SIP/2.0', [
    ['Via', `SIP/2.0/TCP ${address}:${port};branch=z9hG4bKidle;rport`],
    ['From', '<sip:alice@registrar.example>;tag=a'],
    ['To', '<sip:registrar.example>'],
    ['Call-ID', 'idle'],
    ['CSeq', '1 OPTIONS'],
  ])
  await client.send(request)
  t.match(String((await far.receive()).bytes), /^OPTIONS/)
  t.notMatch(far.text, address, 'and the last is rewritten like the first')
  t.equal(await running.end('SIGTERM'), 0)
})
