import { once } from 'node:events'
import { createServer, connect as dial, type Socket } from 'node:net'
import fc from 'fast-check'
import t from 'tap'
import {
  type Attendant as AnyAttendant,
  type ConnectionOptions as AnyOptions,
  Connection,
} from '../../lib/proxy/connection.js'
import { Hosts } from '../../lib/proxy/hosts.js'
import { SourcePorts } from '../../lib/proxy/source-ports.js'
import { SipStream } from '../../lib/sip/index.js'
import { sipText } from '../../lib/testing/index.js'
import type { SipMessage } from '../../types/sip.js'

type Attendant = AnyAttendant<SipMessage>
type ConnectionOptions = AnyOptions<SipMessage>

const message = (number: number, body = ''): string =>
  sipText(
    'OPTIONS sip:b@test.invalid SIP/2.0',
    [
      ['Via', 'SIP/2.0/TCP 192.168.7.10:5060;branch=z9hG4bK1'],
      ['From', '<sip:a@test.invalid>;tag=a'],
      ['To', '<sip:b@test.invalid>'],
      ['Call-ID', `c${number}`],
      ['CSeq', `${number} OPTIONS`],
    ],
    body,
  )

const original = ({ bytes, range }: SipMessage): Uint8Array => bytes.subarray(range.start, range.end)

/** Two connected sockets of this machine. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const near = dial({ port, host: '127.0.0.1', allowHalfOpen: true })
  const [[far]] = await Promise.all([once(server, 'connection'), once(near, 'connect')])
  server.close()
  return [near, far as Socket]
}

interface World {
  readonly client: Socket
  readonly server: Socket
  readonly connection: Connection<SipMessage>
  readonly counted: string[]
  readonly closed: Promise<void>
  held: number
  now: number
}

const passing: ConnectionOptions['policy'] = { foreign: 'accept', malformed: 'accept' }

/** Client and server with a connection of ours between them. */
async function open(attendant: Attendant | undefined, options: Partial<ConnectionOptions> = {}): Promise<World> {
  const [[client, ours], [theirs, server]] = await Promise.all([pair(), pair()])
  server.resume()
  const world = { client, server, counted: [] as string[], held: 0, now: 1 }
  const end = { address: '127.0.0.1', port: 1 }
  let close = () => {}
  const closed = new Promise<void>((resolve) => (close = resolve))
  const ends = { family: 4, way: 'out', client: end, server: end, local: end } as const
  const connection = new Connection(ends, ours, theirs, attendant, {
    cut: () => new SipStream(),
    policy: passing,
    now: () => world.now,
    count: (reason) => void world.counted.push(reason),
    onHeld: (change) => {
      world.held += change
      return true
    },
    onClosed: () => close(),
    ...options,
  })
  for (const socket of [client, server]) socket.on('error', () => {})
  return Object.assign(world, { connection, closed })
}

/** All that comes, until the end. */
async function all(socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
  await once(socket, 'end')
  return text
}

const echo: Attendant = {
  judge: (it, _way, done) => void setImmediate(() => done(original(it))),
  close: () => {},
}

t.test('law: with nobody who edits, bytes in are bytes out, both ways', async (t) => {
  const part = fc.oneof(
    fc.tuple(fc.nat({ max: 9 }), fc.string({ maxLength: 30 })).map(([number, body]) => message(number, body)),
    fc.constantFrom('\r\n\r\n', 'HTTP/1.1 200 OK\r\n\r\n', 'OPTIONS sip:x@y SIP/2.0\r\n', '\0'),
  )
  const pieces = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(''))
  const cuts = fc.array(fc.nat(), { maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(pieces, pieces, cuts, async (out, back, places) => {
      const { client, server, closed } = await open(echo)
      const read = [all(server), all(client)]
      const at = [0, ...places.map((it) => it % (out.length + 1)).sort((a, b) => a - b), out.length]
      for (let i = 1; i < at.length; i++) {
        client.write(out.slice(at[i - 1], at[i]), 'latin1')
        await new Promise(setImmediate)
      }
      client.end()
      server.end(back, 'latin1')
      const [there, here] = await Promise.all(read)
      if (there !== out || here !== back) throw new Error(JSON.stringify([out, there, back, here]))
      await closed
    }),
    { numRuns: 60 },
  )
  t.pass()
})

t.test('one message at a time, in order, however long each takes; what is dropped is left out', async (t) => {
  const waiting: { id: string; done: (bytes: Uint8Array | undefined) => void; message: SipMessage }[] = []
  let wake = () => {}
  const attendant: Attendant = {
    judge: (it, _way, done) => {
      waiting.push({ id: it.callId, done, message: it })
      wake()
    },
    close: () => {},
  }
  const { client, server } = await open(attendant)
  const read = all(server)
  client.end([1, 2, 3].map((it) => message(it)).join(''))
  for (const id of ['c1', 'c2', 'c3']) {
    if (waiting.length === 0) await new Promise<void>((resolve) => (wake = resolve))
    t.same(
      waiting.map((it) => it.id),
      [id],
    )
    const { done, message: it } = waiting.shift()!
    setImmediate(() => done(id === 'c2' ? undefined : id === 'c3' ? Buffer.from('edited') : original(it)))
    if (id !== 'c3') await new Promise<void>((resolve) => (wake = resolve))
  }
  t.equal(await read, `${message(1)}edited`)
  server.end()
})

t.test('a broken message: passed with all that follows, or reset, by policy; the other way with it', async (t) => {
  const broken = 'OPTIONS sip:x@y SIP/2.0\r\nbroken\r\n\r\n'
  const seen: string[] = []
  const attendant: Attendant = {
    judge: (it, _way, done) => {
      seen.push(it.callId)
      done(original(it))
    },
    close: () => {},
  }
  const passed = await open(attendant)
  const read = [all(passed.server), all(passed.client)]
  passed.client.write(message(1) + broken + message(2))
  await once(passed.server, 'data')
  passed.server.end(message(3))
  passed.client.end(message(4))
  t.same(await Promise.all(read), [message(1) + broken + message(2) + message(4), message(3)])
  t.same(seen, ['c1'], 'nothing is looked at behind it')
  t.same(passed.counted, ['header-line'])
  const reset = await open(attendant, { policy: { foreign: 'accept', malformed: 'drop' } })
  reset.client.resume().write(broken)
  const [error] = await once(reset.client, 'error')
  t.equal(error.code, 'ECONNRESET')
  await reset.closed
})

t.test('a message that has begun and does not go on is none', async (t) => {
  const world = await open(echo)
  const read = all(world.server)
  for (const held of [50, 100]) {
    world.client.write(message(1).slice(held - 50, held))
    for (let i = 0; i < 200 && world.held < held; i++) await new Promise((resolve) => setTimeout(resolve, 5))
    t.equal(world.held, held)
    world.now += 200_000
    world.connection.expire(world.now)
    t.same(world.counted, [], 'however slow it comes')
  }
  world.connection.expire(world.now + 100_000)
  t.same(world.counted, [])
  world.connection.expire(world.now + 100_001)
  t.same(world.counted, ['message-unfinished'])
  world.client.end(message(1).slice(100))
  t.equal(await read, message(1), 'it passes as it is')
  world.server.end()
  world.client.resume()
  await world.closed
  t.equal(world.held, 0)
})

t.test('a message whose rest is not read, as the other end does not read, is waited for', async (t) => {
  const world = await open(echo)
  world.server.pause()
  const text = message(1, 'x'.repeat(60_000))
  const messages = 400
  for (let i = 0; i < messages; i++) world.client.write(text)
  // Until nothing moves any more: all buffers are full.
  for (let left = -1; left !== world.client.writableLength || world.held === 0; ) {
    left = world.client.writableLength
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  t.ok(world.client.writableLength > 0)
  world.connection.expire(world.now + 3_600_000)
  t.same(world.counted, [])
  world.client.end()
  const [read] = await Promise.all([all(world.server), world.server.resume()])
  t.equal(read.length, messages * text.length)
  world.server.end()
  world.client.resume()
  await world.closed
})

t.test('hosts: connections in all and each, and bytes', async (t) => {
  const hosts = new Hosts({ connections: 3, hostConnections: 2, hostBytes: 100 })
  t.same([hosts.add('a'), hosts.add('a'), hosts.add('a')], [undefined, undefined, 'tcp-host-exhausted'])
  t.same([hosts.add('b'), hosts.add('c')], [undefined, 'tcp-connections-exhausted'])
  hosts.remove('b')
  t.equal(hosts.add('c'), undefined)
  t.same(
    [hosts.hold('a', 100), hosts.hold('a', 1), hosts.hold('a', -50), hosts.hold('c', 100)],
    [true, false, true, true],
  )
  t.equal(hosts.heldBytes, 151)
})

t.test('source ports: never two of one address, never the own one, and given back', async (t) => {
  const ports = new SourcePorts()
  const taken = new Set<number>()
  for (let port = ports.take('a', 12_345); port !== 0; port = ports.take('a', 12_345)) taken.add(port)
  t.equal(taken.size, 29_999 - 10_240)
  t.notOk(taken.has(12_345))
  t.ok(ports.take('b', 0) > 0, 'another address has its own')
  ports.give('a', 20_000)
  t.equal(ports.take('a', 12_345), 20_000)
})
