import { execFileSync } from 'node:child_process'
import { closeSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { CthelperError } from '../../lib/base/errors.js'
import { load, nativeAddon } from '../../lib/base/native.js'
import type { NativeSocket } from '../../types/native.js'

const NETLINK_ROUTE = 0
const RTM_GETLINK = 18
const slotSize = 32768
const root = new URL('../..', import.meta.url).pathname

/** RTM_GETLINK dump request: nlmsghdr and struct ifinfomsg, ifi_family AF_UNSPEC. */
function linkDump(): Uint8Array {
  const bytes = new Uint8Array(32)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, 32, true)
  view.setUint16(4, RTM_GETLINK, true)
  view.setUint16(6, 0x301, true)
  return bytes
}

function open(slots = 4) {
  const buffer = new Uint8Array(slots * slotSize)
  const lengths = new Uint32Array(slots)
  const socket = nativeAddon().open(NETLINK_ROUTE, '', buffer, slotSize, lengths)
  if (typeof socket === 'number') throw new Error(`open: ${socket}`)
  return { socket, buffer, lengths }
}

const nextBatch = (socket: NativeSocket) => new Promise<number>((resolve) => socket.start(resolve))

t.test('a missing addon is ERR_ADDON and says what to run', async (t) => {
  const empty = mkdtempSync(join(tmpdir(), 'cthelper-'))
  t.teardown(() => rmSync(empty, { recursive: true }))
  try {
    load(empty)
    t.fail('loaded nothing')
  } catch (error) {
    t.ok(error instanceof CthelperError)
    t.match(error, { code: 'ERR_ADDON', message: /npm run addon/ })
  }
})

t.test('send and receive', async (t) => {
  const { socket, buffer, lengths } = open()
  t.ok(socket.fd > 2)
  t.ok(socket.portId > 0)
  t.equal(socket.receive(), 0, 'nothing there')
  const request = linkDump()
  t.equal(socket.send(request, 0, request.length), 32)
  t.ok(socket.receive() >= 1)
  t.ok(lengths[0]! > 16)
  t.equal(new DataView(buffer.buffer).getUint16(4, true), 16, 'RTM_NEWLINK')
  socket.close()
  socket.close()
  t.equal(socket.send(request, 0, request.length), -9, 'EBADF')
  t.equal(socket.receive(), -9)
  t.equal(
    socket.start(() => {}),
    -9,
  )
  t.equal(socket.getOption(1, 3), -9)
})

/** NLMSG_NOOP that asks for an acknowledgement, of `length` bytes. */
function noop(sequence: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, length, true)
  view.setUint16(4, 1, true)
  view.setUint16(6, 5, true)
  view.setUint32(8, sequence, true)
  return bytes
}

t.test('posts, large and small, are sent in order, and close waits for them', async (t) => {
  const { socket, buffer, lengths } = open()
  const acknowledged: number[] = []
  const read = () => {
    for (let count = socket.receive(); count > 0; count = socket.receive()) {
      for (let i = 0; i < count; i++) {
        t.ok(lengths[i]! >= 36)
        acknowledged.push(new DataView(buffer.buffer, i * slotSize).getUint32(8, true))
      }
    }
  }
  const sequences = Array.from({ length: 60 }, (_, i) => i + 1)
  for (const sequence of sequences) {
    const bytes = noop(sequence, sequence % 3 === 0 ? 16 : 20_000)
    t.equal(socket.post(bytes, 0, bytes.length), bytes.length)
    // What is posted is copied.
    bytes.fill(0)
    if (sequence % 5 === 0) read()
  }
  for (let tries = 0; acknowledged.length < sequences.length && tries < 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    read()
  }
  t.same(acknowledged, sequences)
  for (let i = 0; i < 100; i++) socket.post(noop(i, 30_000), 0, 30_000)
  socket.close()
  t.equal(socket.post(noop(1, 20_000), 0, 20_000), -9, 'EBADF')
})

t.test('a slot too small reports the true length', async (t) => {
  const buffer = new Uint8Array(64)
  const lengths = new Uint32Array(1)
  const socket = nativeAddon().open(NETLINK_ROUTE, '', buffer, 64, lengths)
  if (typeof socket === 'number') throw new Error(`open: ${socket}`)
  t.teardown(() => socket.close())
  socket.send(linkDump(), 0, 32)
  t.equal(socket.receive(), 1)
  t.ok(lengths[0]! > 64)
})

t.test('wrong types throw, wrong values are errno', async (t) => {
  const addon = nativeAddon()
  const lengths = new Uint32Array(1)
  t.throws(() => addon.open(0, '', [] as unknown as Uint8Array, 16, lengths), { code: 'ERR_INVALID_ARG_TYPE' })
  t.throws(() => addon.open(0, '', new Uint8Array(16), 16, new Uint8Array(4) as unknown as Uint32Array), TypeError)
  t.throws(() => addon.open(0, 1 as unknown as string, new Uint8Array(16), 16, lengths), TypeError)
  t.equal(addon.open(0, '', new Uint8Array(16), 32, lengths), -22)
  t.equal(addon.open(0, '', new Uint8Array(16), 16, new Uint32Array(0)), -22)
  t.equal(addon.open(999, '', new Uint8Array(16), 16, lengths), -93, 'EPROTONOSUPPORT')
  t.equal(addon.open(0, '/nonexistent', new Uint8Array(16), 16, lengths), -2)
  t.equal(addon.open(0, '/dev/null', new Uint8Array(16), 16, lengths), -22, 'not a namespace')
  const { socket } = open()
  t.teardown(() => socket.close())
  t.throws(() => socket.send('x' as unknown as Uint8Array, 0, 1), TypeError)
  t.throws(() => socket.start(1 as unknown as () => void), TypeError)
  t.throws(() => socket.send.call({} as NativeSocket, new Uint8Array(1), 0, 1), { code: 'ERR_INVALID_THIS' })
  t.equal(socket.send(new Uint8Array(4), 3, 2), -22)
  t.equal(socket.send(new Uint8Array(4), 5, 0), -22)
  t.equal(socket.setOption(270, 9999, 1), -92, 'ENOPROTOOPT')
  t.equal(socket.setOption(270, 11, 1), 0, 'NETLINK_EXT_ACK')
})

t.test('a transferred buffer is refused', async (t) => {
  const { socket, buffer } = open()
  t.teardown(() => socket.close())
  structuredClone(buffer, { transfer: [buffer.buffer] })
  socket.send(linkDump(), 0, 32)
  t.equal(socket.receive(), -14, 'EFAULT')
  t.equal(await nextBatch(socket), -14)
})

t.test('polling', async (t) => {
  const { socket } = open()
  t.teardown(() => socket.close())
  const batch = nextBatch(socket)
  socket.send(linkDump(), 0, 32)
  t.ok((await batch) > 0)
  const again = nextBatch(socket)
  socket.send(linkDump(), 0, 32)
  t.ok((await again) > 0, 'start replaces the callback')
  socket.stop()
  socket.stop()
  socket.send(linkDump(), 0, 32)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.ok(socket.receive() > 0, 'stopped: nobody took it')
})

t.test('the callback may close its socket', async (t) => {
  const { socket } = open(1)
  let calls = 0
  socket.start(() => {
    calls++
    socket.close()
  })
  socket.send(linkDump(), 0, 32)
  await new Promise((resolve) => setTimeout(resolve, 20))
  t.equal(calls, 1, 'though the dump has more to say')
})

/** Runs `body` as a module of its own, with `addon`, `open` and `dump` at hand. Its standard output. */
function run(body: string): string {
  const source = `
    import { createRequire } from 'node:module'
    const addon = createRequire('${root}/x.js')('node-gyp-build')('${root}')
    const open = (slots = 1) => addon.open(0, '', new Uint8Array(slots * ${slotSize}), ${slotSize}, new Uint32Array(slots))
    const dump = Uint8Array.from([${linkDump()}])
    ${body}`
  return execFileSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', source], {
    encoding: 'utf8',
    timeout: 20000,
  })
}

t.test('what the callback throws is an uncaughtException, and the poll goes on', async (t) => {
  const output = run(`
    const socket = open()
    let calls = 0
    process.on('uncaughtException', (error) => console.log(error.message))
    socket.start(() => {
      if (++calls === 3) { console.log('closing'); socket.close(); return }
      socket.send(dump, 0, 32)
      throw new Error('thrown ' + calls)
    })
    socket.send(dump, 0, 32)`)
  t.equal(output, 'thrown 1\nthrown 2\nclosing\n')
})

t.test('unref lets the process end; start alone does not', async (t) => {
  t.equal(run('const s = open(); s.start(() => {}); s.unref(); console.log(1)'), '1\n')
  const held = 'const s = open(); s.start(() => {}); setTimeout(() => { console.log(2); s.close() }, 50).unref()'
  t.equal(run(held), '2\n')
})

t.test('forgotten sockets are collected, polling ones are not', async (t) => {
  const output = run(`
    import { readdirSync } from 'node:fs'
    const count = () => readdirSync('/proc/self/fd').length
    open().start(() => {})
    const before = count()
    for (let i = 0; i < 200; i++) open()
    const between = count()
    for (let i = 0; i < 20; i++) { globalThis.gc(); await new Promise((r) => setTimeout(r, 5)) }
    console.log(between - before, count() - before)
    process.exit(0)`)
  t.equal(output, '200 0\n')
})

t.test('the callback may use what it likes of the same socket', async (t) => {
  const output = run(`
    const socket = open()
    let left = 100
    const again = () => { socket.stop(); socket.start(again); if (left-- > 0) socket.send(dump, 0, 32); else socket.close() }
    socket.start(again)
    socket.send(dump, 0, 32)
    process.on('exit', () => console.log('left', left))`)
  t.equal(output, 'left -1\n')
})

t.test('worker threads: each its own, and terminated while polling', async (t) => {
  const source = `
    const { parentPort } = require('node:worker_threads')
    const addon = require('node-gyp-build')('${root}')
    const socket = addon.open(0, '', new Uint8Array(32768), 32768, new Uint32Array(1))
    const dump = Uint8Array.from([${linkDump()}])
    let seen = 0
    socket.start(() => { if (++seen === 50) parentPort.postMessage('seen'); socket.send(dump, 0, 32) })
    socket.send(dump, 0, 32)`
  for (let round = 0; round < 5; round++) {
    const worker = new Worker(source, { eval: true })
    await new Promise((resolve) => worker.once('message', resolve))
    t.equal(await worker.terminate(), 1)
  }
})

t.test('openUdp', async (t) => {
  const addon = nativeAddon()
  t.equal(addon.openUdp('', 4, new Uint8Array(16), 0), -22)
  t.equal(addon.openUdp('', 4, new Uint8Array(4), 65536), -22)
  t.equal(addon.openUdp('', 4, Uint8Array.from([192, 0, 2, 1]), 0), -99, 'EADDRNOTAVAIL')
})

t.test('openTcp', async (t) => {
  const addon = nativeAddon()
  t.equal(addon.openTcp('', 4, new Uint8Array(16), 0), -22)
  t.equal(addon.openTcp('', 4, new Uint8Array(4), 65536), -22)
  if (process.getuid?.() !== 0) return t.equal(addon.openTcp('', 4, new Uint8Array(4), 0), -1, 'EPERM')
  // TEST-NET-1 is nobody's.
  const fd = addon.openTcp('', 4, Uint8Array.from([192, 0, 2, 1]), 0)
  t.ok(fd >= 0, 'bound to an address that is not ours')
  closeSync(fd)
})

t.test('openFile', async (t) => {
  const addon = nativeAddon()
  const fd = addon.openFile('', '/proc/thread-self/net/netlink')
  t.match(readFileSync(fd, 'latin1'), /sk +Eth/)
  closeSync(fd)
  t.equal(addon.openFile('', '/nonexistent'), -2)
  t.throws(() => addon.openFile('', 1 as unknown as string), TypeError)
})
