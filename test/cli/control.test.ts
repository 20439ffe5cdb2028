import { deepStrictEqual } from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { existsSync, mkdtempSync, statSync, writeFileSync } from 'node:fs'
import { createConnection, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { Lines, MAX_LINE, readQuestion } from '../../lib/cli/control.js'
import { askControl, watchControl } from '../../lib/cli/control-client.js'
import { type Controlled, type ControlServer, requireFreeSocket, serveControl } from '../../lib/cli/control-server.js'
import type { CallInfo } from '../../types/call.js'
import type { HelperEvents } from '../../types/helper.js'
import { runs } from '../law.js'

const directory = mkdtempSync(join(tmpdir(), 'cthelper-control-'))
let sockets = 0
const freshPath = (): string => join(directory, `socket-${++sockets}`)

const callNumber = (n: number): CallInfo => ({
  callId: `${n}@test`,
  state: 'answered',
  caller: 'inside',
  transport: 'udp',
  inside: { address: '192.168.7.10', port: 5060 },
  peer: { address: '198.51.100.10', port: 5060 },
  since: 1_700_000_000_000,
  held: false,
  streams: [],
})

class FakeHelper extends EventEmitter<HelperEvents> implements Controlled {
  list: CallInfo[] = []
  status = () =>
    ({
      isRunning: true,
      counters: {},
      sizes: {},
      queues: [],
      carrier: 'sip',
      translation: 'function',
      conntrackDelivered: true,
      tcp: { isProxied: false, isFollowed: false, why: 'off' },
    }) as const
  calls = () => this.list
  pinholes = () => []
  registrations = () => []
}

async function served(t: Test, calls = 0): Promise<{ helper: FakeHelper; path: string; server: ControlServer }> {
  const helper = new FakeHelper()
  helper.list = Array.from({ length: calls }, (_, i) => callNumber(i))
  const path = freshPath()
  const server = await serveControl({ path, version: '1.2.3', helper })
  t.teardown(() => server.close())
  return { helper, path, server }
}

/** Sends text and returns all that comes until the other end closes, or until `enough` says so. */
async function talk(path: string, text: string, enough = (_: string): boolean => false): Promise<string> {
  const socket = createConnection(path)
  let said = ''
  socket.setEncoding('utf8')
  socket.write(text)
  for await (const chunk of socket as AsyncIterable<string>) {
    said += chunk
    if (enough(said)) break
  }
  socket.destroy()
  return said
}

const lines = (count: number) => (said: string) => said.split('\n').length > count

t.test("the socket is the owner's alone, and goes with the server", async (t) => {
  const before = process.umask(0)
  t.teardown(() => process.umask(before))
  const { path, server } = await served(t)
  t.equal(statSync(path).mode & 0o777, 0o600, 'whatever the umask')
  t.equal(process.umask(), 0, 'which is put back')
  await server.close()
  t.notOk(existsSync(path))
})

t.test('questions and answers', async (t) => {
  const { path } = await served(t, 3)
  t.same(await askControl(path, 'calls'), [0, 1, 2].map(callNumber))
  t.same(await askControl(path, 'pinholes'), [])
  t.match(await askControl(path, 'status'), [{ pid: process.pid, version: '1.2.3', status: { isRunning: true } }])
  const said = await talk(path, '{"command":"pinholes"}\n{"command":"registrations"}\n{"command":"calls"}\n', lines(6))
  const kinds = said
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).kind)
  t.same(kinds, ['end', 'end', 'item', 'item', 'item', 'end'], 'in order')
})

t.test('a hundred thousand calls come whole', async (t) => {
  const { path } = await served(t, 100_000)
  const items = await askControl(path, 'calls')
  t.equal(items.length, 100_000)
  t.same(items.at(-1), callNumber(99_999))
})

t.test('watch tells what changes after the list', async (t) => {
  const { path, helper } = await served(t, 1)
  const seen: unknown[] = []
  for await (const message of watchControl(path, 'calls')) {
    seen.push(message)
    if (message.kind === 'end') {
      helper.emit('hold', callNumber(7))
      helper.emit('registration', { aor: 'x' } as never)
      helper.emit('end', callNumber(8))
    }
    if (message.kind === 'change' && message.event === 'end') break
  }
  t.match(seen, [
    { kind: 'item', item: callNumber(0) },
    { kind: 'end', count: 1 },
    { kind: 'change', event: 'hold', item: callNumber(7) },
    { kind: 'change', event: 'end', item: callNumber(8) },
  ])
  while (helper.listenerCount('end') > 0) await sleep(5)
  t.equal(helper.listenerCount('hold'), 0, 'a client that leaves is forgotten')
})

t.test('pinhole changes have their kind as event', async (t) => {
  const { path, helper } = await served(t)
  for await (const message of watchControl(path, 'pinholes')) {
    if (message.kind === 'end') helper.emit('pinhole', { kind: 'open', pinhole: { callId: 'p' } as never })
    else {
      t.match(message, { kind: 'change', event: 'open', item: { callId: 'p' } })
      break
    }
  }
})

t.test('garbage gets a sentence, and the next question its answer', async (t) => {
  const { path } = await served(t)
  for (const garbage of [
    '{',
    '[]',
    'null',
    '"calls"',
    '{"command":"__proto__"}',
    '{"command":"calls","watch":1}',
    '',
  ]) {
    const said = await talk(path, `${garbage}\n{"command":"calls"}\n`, lines(2))
    const [refusal, end] = said
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line))
    t.match(refusal, { kind: 'error', message: String }, garbage)
    t.match(end, { kind: 'end', count: 0 })
  }
})

t.test('a line without an end is cut off', async (t) => {
  const { path } = await served(t)
  t.match(await talk(path, 'x'.repeat(MAX_LINE + 1)), /"kind":"error","message":"a line of more than 4096 bytes"/)
  t.match(await talk(path, '{"command":"calls"}\n'.repeat(100)), /more than 16 questions at once/)
})

t.test('many clients: the last are refused, and room is made again', async (t) => {
  const { path } = await served(t)
  const clients: Socket[] = []
  for (let i = 0; i < 64; i++) {
    const client = createConnection(path)
    await once(client, 'connect')
    clients.push(client)
  }
  await sleep(20)
  t.match(await talk(path, ''), /more than 64 clients/)
  for (const client of clients) client.destroy()
  await sleep(50)
  t.same(await askControl(path, 'calls'), [])
})

t.test('a watcher that does not read is cut off, and the others are not', async (t) => {
  const { path, helper } = await served(t)
  const sleeper = createConnection(path)
  t.teardown(() => sleeper.destroy())
  sleeper.write('{"command":"calls","watch":true}\n')
  while (helper.listenerCount('call') === 0) await sleep(5)
  sleeper.pause()
  for (let i = 0; i < 40_000; i++) helper.emit('call', callNumber(i))
  while (helper.listenerCount('call') > 0) await sleep(5)
  t.same(await askControl(path, 'calls'), [])
})

t.test('a second process', async (t) => {
  const { path } = await served(t)
  await t.rejects(requireFreeSocket(path), { exitCode: 2, message: `cthelper runs already, pid ${process.pid}` })
  await t.resolves(requireFreeSocket(freshPath()), 'nobody there')
  const plain = freshPath()
  writeFileSync(plain, 'precious')
  await t.rejects(requireFreeSocket(plain), { exitCode: 2, message: /is no socket/ })
  t.ok(existsSync(plain), 'a file that is none of ours stays')
})

t.test('the socket of a dead process is taken away', async (t) => {
  const path = freshPath()
  const { pid } = await import('node:child_process').then(({ spawnSync }) =>
    spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]),
  )
  t.ok(pid && existsSync(path))
  await requireFreeSocket(path)
  t.notOk(existsSync(path))
})

t.test('somebody else at the socket', async (t) => {
  for (const answer of ['hello\n', '{"kind":"error","message":"no"}\n', '']) {
    const path = freshPath()
    const server = createServer((socket) => socket.end(answer)).listen(path)
    t.teardown(() => server.close())
    await once(server, 'listening')
    await t.rejects(requireFreeSocket(path), { name: 'Failure', exitCode: 2 })
    t.ok(existsSync(path))
  }
})

t.test('silence is not waited for, but a slow answer is', async (t) => {
  const held: Socket[] = []
  const listening = async (onQuestion: (socket: Socket) => void): Promise<string> => {
    const path = freshPath()
    const server = createServer((socket) => {
      held.push(socket)
      socket.once('data', () => onQuestion(socket))
    }).listen(path)
    t.teardown(() => {
      for (const socket of held) socket.destroy()
      server.close()
    })
    await once(server, 'listening')
    return path
  }
  const mute = await listening(() => undefined)
  const started = performance.now()
  await t.rejects(askControl(mute, 'calls', 50), {
    name: 'Failure',
    exitCode: 2,
    message: `no answer at ${mute} in 50 ms`,
  })
  t.ok(performance.now() - started >= 45, 'after the time that was given')
  const item = (n: number): string => `${JSON.stringify({ kind: 'item', item: n })}\n`
  const cut = await listening((socket) => socket.write(item(1)))
  await t.rejects(askControl(cut, 'calls', 50), { exitCode: 2, message: /no answer/ }, 'an answer that stops half way')
  const silenceMs = 1000
  const slow = await listening(async (socket) => {
    for (let n = 0; n < 6; n++) {
      await sleep(silenceMs / 4)
      socket.write(item(n))
    }
    socket.write('{"kind":"end","count":6}\n')
  })
  t.same(await askControl(slow, 'calls', silenceMs), [0, 1, 2, 3, 4, 5], 'longer in all than the silence allowed')
})

t.test('law: lines do not depend on how they are cut', async (t) => {
  const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll('\n', ' '))
  fc.assert(
    fc.property(fc.array(line), fc.array(fc.nat(200)), (texts, cuts) => {
      const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''))
      const reader = new Lines(1000)
      const found: string[] = []
      const places = [...new Set(cuts.map((cut) => Math.min(cut, bytes.length)))].sort((a, b) => a - b)
      let from = 0
      for (const to of [...places, bytes.length]) {
        found.push(...(reader.push(bytes.subarray(from, to)) ?? ['too long']))
        from = to
      }
      deepStrictEqual(found, texts)
    }),
    runs(200),
  )
  t.pass()
})

t.test('law: no line is mistaken for a question, and none throws', async (t) => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      const question = readQuestion(text)
      if (typeof question === 'string') return question.length > 0
      return ['status', 'calls', 'pinholes', 'registrations'].includes(question.command)
    }),
  )
  t.pass()
})
