/** A helper of one's own for a stream: lines, one of them FTP's PORT (RFC 959 4.1.2), whose server connects back. */
import t, { type Test } from 'tap'
import { Conntrack } from '../../lib/conntrack/conntrack.js'
import { defineHelper, SipHelper } from '../../lib/index.js'
import {
  expectations,
  type GatewayLab,
  gatewayLab,
  pause,
  TcpEndpoint,
  TcpListener,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Frame, OnStreamMessage, StreamHelperOptions } from '../../types/define.js'
import { translation } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const FTP = 21
const LF = 10

const line: Frame = (bytes, from) => {
  const end = bytes.indexOf(LF, from) + 1
  return end > 0 ? { state: 'message', end } : { state: 'incomplete', from: bytes.length }
}

const PORT = /^PORT \d+,\d+,\d+,\d+,(\d+),(\d+)/
const active: OnStreamMessage = ({ bytes, way }, context) => {
  const [command, high, low] = PORT.exec(Buffer.from(bytes).toString('latin1')) ?? []
  if (way !== 'out' || command === undefined) return
  const to = Number(high) * 256 + Number(low)
  const port = context.expect({ from: { address: context.peer.address, port: 0 }, to })
  if (!port) return
  context.replace({ start: 5, end: command.length }, () => {
    return `${port.address.replaceAll('.', ',')},${port.port >> 8},${port.port & 255}`
  })
}

class Scene {
  readonly lab: GatewayLab
  readonly errors: string[] = []
  readonly refusals: string[] = []
  readonly #t: Test

  constructor(t: Test) {
    this.#t = t
    this.lab = gatewayLab({ phones: 2 })
    t.teardown(() => this.lab.close())
  }

  async helper(onMessage: OnStreamMessage, options: Partial<StreamHelperOptions> = {}) {
    const place = { inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path }
    const common = { name: 'ftp', ports: [FTP], protocol: 'tcp', ...place, frame: line, onMessage } as const
    const helper = defineHelper({ ...common, ...translation(), ...options })
    helper.on('error', ({ message }) => this.errors.push(message))
    helper.on('refused', ({ reason }) => this.refusals.push(reason))
    this.#t.teardown(() => helper.stop())
    await helper.start()
    return helper
  }

  async listen(where: 'phone' | 'provider', address: string, port: number): Promise<TcpListener> {
    const listener = await TcpListener.open(this.lab[where], { address, port })
    this.#t.teardown(() => listener.close())
    return listener
  }

  server = (port = FTP) => this.listen('provider', this.lab.registrar.v4, port)

  async connect(server: TcpListener, phone = 0): Promise<[client: TcpEndpoint, far: TcpEndpoint]> {
    const local = { address: this.lab.phones[phone]!.v4, port: 0 }
    const client = await TcpEndpoint.connect(this.lab.phone, local, server.local)
    this.#t.teardown(() => client.close())
    return [client, await server.accept()]
  }
}

t.test(
  'the server connects back to the port it is told, and when the connection is over not any more',
  { skip },
  async (t) => {
    const scene = new Scene(t)
    const { provider, registrar, stranger, gatewayOutside, phones, gateway } = scene.lab
    const helper = await scene.helper(active)
    const server = await scene.server()
    const told: number[] = []
    for (const [phone, { v4 }] of phones.entries()) {
      const data = await scene.listen('phone', v4, 5001)
      const [client, far] = await scene.connect(server, phone)
      await client.send(`PORT ${v4.replaceAll('.', ',')},19,137\r\n`)
      await far.until(() => far.text.endsWith('\n'))
      const [, high, low] = PORT.exec(far.text)!
      told.push(Number(high) * 256 + Number(low))
      const to = { address: gatewayOutside.v4, port: told.at(-1)! }
      t.match(helper.pinholes().at(-1), { kind: 'signalling', transport: 'tcp', inside: data.local, outside: to })
      const strangers = TcpEndpoint.connect(provider, { address: stranger.v4, port: 0 }, to)
      await t.rejects(strangers, { code: 'ECONNREFUSED' }, 'a stranger')
      const transfer = await TcpEndpoint.connect(provider, { address: registrar.v4, port: 0 }, to)
      await transfer.send('data')
      const received = await data.accept()
      await received.until(() => received.text === 'data')
      transfer.close()
      client.end()
      far.end()
    }
    t.same(told, [5001, 5001])
    await until(async () => (await expectations(gateway)).length === 0)
    t.same(helper.pinholes(), [])
    t.same([...scene.errors, ...scene.refusals], [])
  },
)

t.test('a message goes on when its way stands, not before', { skip }, async (t) => {
  const scene = new Scene(t)
  const helper = await scene.helper(active)
  const [client, far] = await scene.connect(await scene.server())
  const { batch } = Conntrack.prototype
  // A kernel that takes its time.
  Conntrack.prototype.batch = async function (operations) {
    await pause(200)
    return batch.call(this, operations)
  }
  t.teardown(() => {
    Conntrack.prototype.batch = batch
  })
  const order: string[] = []
  helper.on('pinhole', ({ kind }) => order.push(kind))
  const heard = far.until(() => far.text.includes('PORT')).then(() => order.push('heard'))
  await client.send(`USER x\nPORT ${scene.lab.phones[0]!.v4.replaceAll('.', ',')},19,137\nLIST\n`)
  await far.until(() => far.text === 'USER x\n')
  await heard
  t.same(order, ['open', 'heard'])
  await far.until(() => far.text.endsWith('LIST\n'))
  t.match(helper.status().counters, { messages: 3 })
})

t.test('drop, close, failure, promise, what frame says wrong', { skip }, async (t) => {
  const scene = new Scene(t)
  const connections = new Set<object>()
  const ask: OnStreamMessage = ({ bytes }, context) => {
    const text = Buffer.from(bytes).toString().trim()
    connections.add(context.connection)
    if (text !== 'plain') context.expect({ from: { address: undefined, port: 0 }, to: 5001 })
    context.replace({ start: 0, end: 1 }, 'X')
    if (text === 'drop') context.drop()
    if (text === 'close') context.close()
    if (text === 'throw') throw new Error('thrown')
    if (text === 'later') return Promise.resolve() as never
  }
  const frame: Frame = (bytes, from, way) => {
    if (Buffer.from(bytes).toString().startsWith('frame')) throw new Error('framing')
    return line(bytes, from, way)
  }
  const helper = await scene.helper(ask, { frame })
  const server = await scene.server()
  const [client, far] = await scene.connect(server)
  await client.send('plain\ndrop\nthrow\nlater\nplain\n')
  await far.until(() => far.text === 'Xlain\nthrow\nlater\nXlain\n')
  await far.send('plain\n')
  await client.until(() => client.text === 'Xlain\n')
  t.equal(connections.size, 1, 'one key for both directions')
  t.match(scene.errors, ['thrown', /must decide at once/])
  t.same(await expectations(scene.lab.gateway), [], 'nothing that they asked for')
  await far.send('close\n')
  t.same([await client.ended, await far.ended], ['reset', 'reset'])
  t.equal(far.text.includes('close'), false)
  const [other, otherFar] = await scene.connect(server)
  await other.send('plain\nframe\nplain\n')
  await otherFar.until(() => otherFar.text === 'Xlain\nframe\nplain\n')
  await otherFar.send('plain\n')
  await other.until(() => other.text === 'plain\n')
  t.equal(scene.errors.at(-1), 'framing')
  t.match(helper.status().counters, { dropped: 2, failed: 2, 'frame-failed': 1, rewritten: 4 })
})

t.test('budgets: bytes of a message, connections of a host, ways', { skip }, async (t) => {
  const scene = new Scene(t)
  const budgets = { messageBytes: 100, connectionsPerHost: 2, pinholes: 1 }
  const helper = await scene.helper(active, { budgets })
  const server = await scene.server()
  const [client, far] = await scene.connect(server)
  const told = `PORT ${scene.lab.phones[0]!.v4.replaceAll('.', ',')},19`
  await client.send(`${told},137\n${told},138\n${'x'.repeat(101)}\n${told},139\n`)
  await far.until(() => far.text.endsWith(`${'x'.repeat(101)}\n${told},139\n`), 20_000)
  t.same(scene.refusals, ['pinholes-exhausted'])
  t.ok(far.text.includes(`\n${told},138\n`), 'refused: as it is')
  await scene.connect(server)
  const [third, thirdFar] = await scene.connect(server)
  await third.send(`${told},140\n`)
  await thirdFar.until(() => thirdFar.text === `${told},140\n`)
  t.match(helper.status().counters, { 'message-too-large': 1, 'tcp-host-exhausted': 1, 'tcp-connections': 2 })
  t.equal(helper.status().sizes.connections, 2)
})

t.test('beside a SIP helper and another of its kind, each with its own', { skip }, async (t) => {
  const scene = new Scene(t)
  const place = { inside: ['lan0'], outside: ['wan0'], netns: scene.lab.gateway.path }
  const sip = new SipHelper({ ...place, ...translation() })
  t.teardown(() => sip.stop())
  await sip.start()
  const helpers = [await scene.helper(active)]
  const tcp = { port: 15_090, mark: 0xc8005090, table: 5090 }
  helpers.push(await scene.helper(active, { name: 'other', ports: [2121], queue: 5090, tcp }))
  const servers = [await scene.server(FTP), await scene.server(2121)]
  for (const [index, server] of servers.entries()) {
    const [client, far] = await scene.connect(server)
    await client.send('hello\n')
    await far.until(() => far.text === 'hello\n')
    t.match(helpers[index]!.status().counters, { messages: 1 })
  }
  const [client, far] = await scene.connect(await scene.server(5060))
  await client.send('\r\n\r\n')
  await far.until(() => far.text === '\r\n\r\n')
  t.equal(sip.status().sizes.connections, 1)
  await helpers[0]!.stop()
  for (const [index, server] of servers.entries()) {
    const [again, there] = await scene.connect(server)
    await again.send('again\n')
    await there.until(() => there.text === 'again\n')
    t.match(helpers[index]!.status().counters, { messages: 1 + index }, 'the other one goes on')
  }
  t.same(scene.errors, [])
})
