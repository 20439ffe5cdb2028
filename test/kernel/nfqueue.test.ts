import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { openQueue } from '../../lib/nfqueue/index.js'
import { Lab, type Namespace } from '../../lib/testing/netns.js'
import { whyNoLab } from '../../lib/testing/requirements.js'
import { pause } from '../../lib/testing/time.js'
import { UdpEndpoint } from '../../lib/testing/udp.js'
import type { Queue, QueuedPacket, QueueOptions } from '../../types/nfqueue.js'

const skip = whyNoLab('iptables')
const skipFlood = skip || (spawnSync('cc', ['--version']).error ? 'needs a C compiler' : false)
const bench = new URL('../../bench/', import.meta.url).pathname
const near = { address: '10.8.0.1', port: 4000 }
const far = { address: '10.8.0.2', port: 5000 }

interface Wire {
  readonly lab: Lab
  readonly sender: Namespace
  readonly receiver: Namespace
  readonly phone: UdpEndpoint
  readonly server: UdpEndpoint
}

/** Two namespaces with a link, and a UDP socket in each. */
async function wire(t: Test): Promise<Wire> {
  const lab = new Lab()
  t.teardown(() => lab.close())
  const [sender, receiver] = [lab.namespace('sender'), lab.namespace('receiver')]
  lab.link(sender, 'a0', ['10.8.0.1/24', 'fd08::1/64'], receiver, 'b0', ['10.8.0.2/24', 'fd08::2/64'])
  const [phone, server] = [await UdpEndpoint.open(sender, near), await UdpEndpoint.open(receiver, far)]
  t.teardown(() => [phone, server].map((endpoint) => endpoint.close()))
  return { lab, sender, receiver, phone, server }
}

/** Sends what `chain` of table mangle sees of UDP to queue `number`, past it while nobody is there. */
function enqueue(namespace: Namespace, chain: string, number: number, command = 'iptables'): void {
  const rule = ['-p', 'udp', '-j', 'NFQUEUE', '--queue-num', String(number), '--queue-bypass']
  namespace.runSync([command, '-t', 'mangle', '-A', chain, ...rule])
}

async function open(t: Test, namespace: Namespace, options: Partial<QueueOptions>): Promise<Queue> {
  const queue = await openQueue({ number: 7, netns: namespace.path, onBatch: () => {}, ...options })
  t.teardown(() => queue.close())
  return queue
}

const acceptAll: QueueOptions['onBatch'] = (packets, queue) => {
  for (const packet of packets) queue.verdict(packet, 'accept')
}

/** A UDP/IPv4 packet with another body: lengths and the header checksum set, no UDP checksum. */
function withBody(packet: Uint8Array, body: string): Uint8Array {
  const bytes = Buffer.concat([packet.subarray(0, 28), Buffer.from(body)])
  bytes.writeUInt16BE(bytes.length, 2)
  bytes.writeUInt16BE(bytes.length - 20, 24)
  bytes.writeUInt16BE(0, 26)
  bytes.writeUInt16BE(0, 10)
  let sum = 0
  for (let i = 0; i < 20; i += 2) sum += bytes.readUInt16BE(i)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16)
  bytes.writeUInt16BE(~sum & 0xffff, 10)
  return bytes
}

const bodyOf = (packet: QueuedPacket): string => Buffer.from(packet.payload.subarray(28)).toString('latin1')

t.test('accept, drop, repeat, and what a packet says', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const seen: QueuedPacket[] = []
  const queue = await open(t, sender, {
    onBatch(packets, queue) {
      for (const packet of packets) {
        seen.push(packet.detach())
        const body = bodyOf(packet)
        // Repeated packets pass the chain's rules again: this one comes back until it is marked.
        if (body === 'again' && packet.mark === 0) queue.verdict(packet, 'repeat', { mark: 1 })
        else queue.verdict(packet, body === 'drop' ? 'drop' : 'accept')
      }
    },
  })
  t.same(queue.refusedFlags, [])
  for (const body of ['one', 'drop', 'last', 'again']) await phone.send(body, far)
  const heard = [await server.receive(), await server.receive(), await server.receive()]
  t.same(
    heard.map(({ bytes }) => bytes.toString()),
    ['one', 'last', 'again'],
  )
  t.same(seen.map(bodyOf), ['one', 'drop', 'last', 'again', 'again'])
  t.same(
    seen.map(({ mark }) => mark),
    [0, 0, 0, 0, 1],
  )
  const [packet] = seen
  const link = JSON.parse(sender.runSync(['ip', '-j', 'link', 'show', 'a0'])) as [{ ifindex: number }]
  t.match(packet!, { hook: 'postrouting', etherType: 0x0800, indev: 0, outdev: link[0].ifindex, originalLength: 31 })
  t.equal(packet!.payload.length, 31)
  t.equal(packet!.skbInfo & 1, 0, 'the kernel has filled the checksum in')
  const { received, verdicts, verdictErrors, bytes } = queue.counters()
  t.same(
    { received, verdicts, verdictErrors, bytes },
    { received: 5, verdicts: 5, verdictErrors: 0, bytes: 28 * 5 + 'onedropagainagainlast'.length },
  )
})

t.test('marks are seen by the rules that follow', { skip }, async (t) => {
  const { receiver, phone, server } = await wire(t)
  enqueue(receiver, 'PREROUTING', 7)
  receiver.runSync(['iptables', '-A', 'INPUT', '-m', 'mark', '--mark', '0xfedcba98', '-j', 'DROP'])
  await open(t, receiver, {
    onBatch(packets, queue) {
      for (const packet of packets) {
        queue.verdict(packet, 'accept', bodyOf(packet) === 'marked' ? { mark: 0xfedcba98 } : { mark: 5 })
      }
    },
  })
  for (const body of ['marked', 'other']) await phone.send(body, far)
  t.equal((await server.receive()).bytes.toString(), 'other')
  await server.expectSilence(50)
  t.match(receiver.runSync(['iptables', '-vnxL', 'INPUT']), / 1 .*DROP.*mark match 0xfedcba98/)
})

t.test('replaced payloads, longer and shorter', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const long = 'y'.repeat(1300)
  await open(t, sender, {
    onBatch(packets, queue) {
      for (const packet of packets) {
        const payload = withBody(packet.payload, bodyOf(packet) === 'grow' ? long : 's')
        queue.verdict(packet, 'accept', { payload })
        payload.fill(0)
      }
    },
  })
  for (const body of ['grow', 'shrink this']) await phone.send(body, far)
  t.equal((await server.receive()).bytes.toString(), long)
  t.equal((await server.receive()).bytes.toString(), 's')
})

t.test('IPv6', { skip: skip || whyNoLab('ip6tables') }, async (t) => {
  const { sender, receiver } = await wire(t)
  enqueue(sender, 'OUTPUT', 7, 'ip6tables')
  const phone = await UdpEndpoint.open(sender, { address: 'fd08::1', port: 4000 })
  const server = await UdpEndpoint.open(receiver, { address: 'fd08::2', port: 5000 })
  t.teardown(() => [phone, server].map((endpoint) => endpoint.close()))
  const seen: string[] = []
  await open(t, sender, {
    onBatch(packets, queue) {
      for (const packet of packets)
        seen.push(`${packet.hook} ${packet.etherType.toString(16)} ${packet.payload[0]! >> 4}`)
      acceptAll(packets, queue)
    },
  })
  await phone.send('six', server.local)
  t.equal((await server.receive()).bytes.toString(), 'six')
  t.same(seen, ['output 86dd 6'])
})

t.test('verdicts later and out of order', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const held: QueuedPacket[] = []
  const queue = await open(t, sender, {
    onBatch(packets, queue) {
      for (const packet of packets) {
        if (bodyOf(packet).startsWith('hold')) held.push(packet.detach())
        else queue.verdict(packet, 'accept')
      }
    },
  })
  for (const body of ['hold 1', 'hold 2', 'a', 'b', 'hold 3', 'c']) await phone.send(body, far)
  const first = [await server.receive(), await server.receive(), await server.receive()]
  t.same(
    first.map(({ bytes }) => bytes.toString()),
    ['a', 'b', 'c'],
  )
  await server.expectSilence(50)
  queue.verdict(held[2]!, 'accept')
  queue.verdict(held[0]!, 'accept', { payload: withBody(held[0]!.payload, 'new 1') })
  queue.verdict(held[1]!, 'drop')
  const then = [await server.receive(), await server.receive()]
  t.same(
    then.map(({ bytes }) => bytes.toString()),
    ['hold 3', 'new 1'],
  )
  await server.expectSilence(50)
  t.equal(queue.counters().verdictErrors, 0)
})

t.test('flags one by one; refused ones are told, not fatal', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  // Connections are tracked where a rule asks for it.
  sender.runSync(['iptables', '-A', 'OUTPUT', '-m', 'conntrack', '--ctstate', 'NEW', '-j', 'ACCEPT'])
  enqueue(sender, 'POSTROUTING', 7)
  const seen: QueuedPacket[] = []
  const queue = await open(t, sender, {
    flags: ['fail-open', 'conntrack', 'gso', 'uid-gid'],
    onBatch(packets, queue) {
      seen.push(...packets.map((packet) => packet.detach()))
      acceptAll(packets, queue)
    },
  })
  await phone.send('x', far)
  await server.receive()
  t.equal(seen[0]!.uid, process.getuid!(), 'uid-gid')
  t.equal(seen[0]!.gid, process.getgid!())
  t.equal(seen[0]!.skbInfo & 1, 1, 'gso: the checksum is left to the device')
  const config = kernelConfig()
  const hasConntrack = config === undefined ? !queue.refusedFlags.includes('conntrack') : /GLUE_CT=y/.test(config)
  t.same(queue.refusedFlags, hasConntrack ? [] : ['conntrack'])
  t.comment(`refused: ${queue.refusedFlags.join(' ') || 'none'}`)
  t.equal(seen[0]!.conntrack !== undefined, hasConntrack)
  t.equal(seen[0]!.conntrackInfo !== undefined, hasConntrack)
})

function kernelConfig(): string | undefined {
  try {
    return gunzipSync(readFileSync('/proc/config.gz')).toString('latin1')
  } catch {
    return undefined
  }
}

t.test('copy range cuts, and the true length is known', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const seen: number[][] = []
  await open(t, sender, {
    copyRange: 64,
    onBatch(packets, queue) {
      for (const { payload, originalLength } of packets) seen.push([payload.length, originalLength])
      acceptAll(packets, queue)
    },
  })
  await phone.send('z'.repeat(1000), far)
  t.equal((await server.receive()).bytes.length, 1000, 'the packet itself is whole')
  t.same(seen, [[64, 1028]])
})

t.test('a queue has one owner in a namespace', { skip }, async (t) => {
  const { sender, receiver } = await wire(t)
  const first = await open(t, sender, { number: 11 })
  await t.rejects(openQueue({ number: 11, netns: sender.path, onBatch: () => {} }), {
    code: 'ERR_IN_USE',
    message: /another program has queue 11/,
  })
  await open(t, sender, { number: 12 })
  await open(t, receiver, { number: 11 })
  first.close()
  await open(t, sender, { number: 11 })
  const nowhere = openQueue({ number: 1, netns: '/run/netns/nonexistent', onBatch: () => {} })
  await t.rejects(nowhere, { code: 'ERR_KERNEL', message: /ENOENT/ })
})

t.test('close drops what is held, and then the bypass applies', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  await phone.send('before', far)
  t.equal((await server.receive()).bytes.toString(), 'before')
  let heard = 0
  const queue = await open(t, sender, {
    onBatch(packets) {
      heard += packets.length
    },
  })
  await phone.send('held', far)
  await server.expectSilence(100)
  t.equal(heard, 1)
  queue.close()
  await phone.send('after', far)
  t.equal((await server.receive()).bytes.toString(), 'after')
  await server.expectSilence(50)
})

t.test('a full queue drops, and the counters of another namespace say so', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const held: QueuedPacket[] = []
  const queue = await open(t, sender, { maxLength: 10, onBatch: (packets) => held.push(...packets) })
  // A full queue refuses local senders (EPERM).
  for (let i = 0; i < 30; i++) await phone.send('x', far).catch(() => {})
  await pause(50)
  t.match(queue.counters(), { received: 10, queueDropped: 20, userDropped: 0, overruns: 0 })
  for (const packet of held) queue.verdict(packet, 'accept')
  for (let i = 0; i < 10; i++) await server.receive()
  queue.close()
  t.match(queue.counters(), { received: 10, verdicts: 10, verdictErrors: 0, queueDropped: 20 })
})

t.test('fail-open: what a full queue cannot take passes', { skip }, async (t) => {
  const { sender, phone, server } = await wire(t)
  enqueue(sender, 'POSTROUTING', 7)
  const options = { maxLength: 2, flags: ['fail-open'], onBatch: () => {} } as const
  const queue = await open(t, sender, options)
  for (const body of ['1', '2', '3', '4']) await phone.send(body, far)
  const passed = [await server.receive(), await server.receive()]
  t.same(
    passed.map(({ bytes }) => bytes.toString()),
    ['3', '4'],
  )
  await pause(50)
  t.match(queue.counters(), { received: 2, queueDropped: 0 })
})

interface FloodResult {
  readonly sent: number
  readonly refused: number
}

/** bench/flood.c, compiled for this test. */
function floodTool(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'cthelper-flood-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const tool = join(directory, 'flood')
  const compiled = spawnSync('cc', ['-O2', '-o', tool, join(bench, 'flood.c')], { encoding: 'utf8' })
  t.equal(compiled.stderr, '')
  return tool
}

async function finished(child: ChildProcess): Promise<FloodResult> {
  let output = ''
  child.stdout!.setEncoding('latin1').on('data', (text: string) => {
    output += text
  })
  await once(child, 'close')
  const [, sent, refused] = /sent (\d+) refused (\d+)/.exec(output) ?? []
  return { sent: Number(sent), refused: Number(refused) }
}

t.test('ENOBUFS is survived, and its losses are counted', { skip: skipFlood }, async (t) => {
  const { sender, receiver, phone, server } = await wire(t)
  const flood = floodTool(t)
  enqueue(receiver, 'PREROUTING', 7)
  const queue = await open(t, receiver, { receiveBuffer: 65536, onBatch: acceptAll })
  await pause(10)
  // The event loop stands still meanwhile, so the socket's buffer overruns.
  sender.runSync([flood, far.address, '9', '2000', '0', '500'])
  await pause(100)
  const { received, queueDropped, userDropped, overruns, verdicts } = queue.counters()
  t.ok(overruns >= 1, `${overruns} overruns`)
  t.ok(userDropped > 0, `${userDropped} lost`)
  t.equal(received + queueDropped + userDropped, 2000)
  t.equal(verdicts, received)
  await phone.send('still there', far)
  t.equal((await server.receive()).bytes.toString(), 'still there')
})

t.test('a flood of 200,000 packets', { skip: skipFlood, timeout: 90_000 }, async (t) => {
  const { sender, receiver } = await wire(t)
  const flood = floodTool(t)
  enqueue(receiver, 'PREROUTING', 7)
  receiver.runSync(['iptables', '-A', 'INPUT', '-p', 'udp', '-j', 'DROP'])
  let turns = 0
  const ticking = setInterval(() => turns++, 5)
  t.teardown(() => clearInterval(ticking))
  const scratch = new Uint8Array(65536)
  const queue = await open(t, receiver, {
    onBatch(packets, queue) {
      for (const packet of packets) {
        const { payload, id } = packet
        scratch.set(payload)
        if (id % 3 === 0) queue.verdict(packet, 'accept', { payload: scratch.subarray(0, payload.length) })
        else queue.verdict(packet, 'accept', id % 3 === 1 ? {} : { mark: id })
      }
    },
  })
  const began = performance.now()
  const argv = [flood, far.address, '9', '200000', '0', '600']
  const { sent, refused } = await finished(sender.spawn(argv, { stdio: ['ignore', 'pipe', 'inherit'] }))
  const seconds = (performance.now() - began) / 1000
  await pause(100)
  const counters = queue.counters()
  t.equal(sent, 200_000)
  t.equal(refused, 0)
  t.equal(counters.received + counters.queueDropped + counters.userDropped, sent, 'every packet is accounted for')
  t.equal(counters.verdicts, counters.received)
  t.equal(counters.verdictErrors, 0)
  const passed = Number(/^\s*(\d+)\s+\d+\s+DROP/m.exec(receiver.runSync(['iptables', '-vnxL', 'INPUT']))?.[1])
  t.equal(passed, counters.verdicts, 'the rule behind the queue saw what was accepted')
  t.ok(turns > 10, `timers had their turn ${turns} times`)
  t.comment(`${Math.round(counters.received / seconds)} packets/s, ${JSON.stringify(counters)}`)
})
