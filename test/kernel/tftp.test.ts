/** A helper of one's own: TFTP (RFC 1350), beside the kernel's nf_conntrack_tftp and nf_nat_tftp, packet by packet. */
import t, { type Test } from 'tap'
import { Conntrack } from '../../lib/conntrack/conntrack.js'
import { defineHelper } from '../../lib/index.js'
import {
  expectations,
  type GatewayLab,
  gatewayLab,
  Lab,
  type LabNat,
  nftRuleset,
  pause,
  UdpEndpoint,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { HelperRefusal, OnPacket, PacketHelperOptions } from '../../types/define.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { translation } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const TFTP = 69
const [RRQ, WRQ, DATA, ACK] = [1, 2, 3, 4]
const BLOCK = 512
const LIFETIME_SEC = 300

const KERNEL_HELPER = `table inet kernel {
  ct helper tftp { type "tftp" protocol udp; }
  chain prerouting { type filter hook prerouting priority 0; udp dport ${TFTP} ct helper set "tftp"; }
}`

/** Why there is nothing to compare with. */
async function whyNoKernelHelper(): Promise<string | false> {
  if (skip) return skip
  const lab = new Lab()
  try {
    const namespace = lab.namespace('tftp')
    // The NAT half is loaded by nobody else; where both are built in, there is no module.
    await namespace.exec(['modprobe', 'nf_nat_tftp'])
    const { code } = await namespace.exec(['nft', '-f', '-'], { input: KERNEL_HELPER })
    return code !== 0 && 'needs nf_conntrack_tftp'
  } finally {
    lab.close()
  }
}

class Scene {
  readonly lab: GatewayLab
  readonly family: Family
  readonly #t: Test

  constructor(t: Test, family: Family = 4, nat?: LabNat) {
    this.#t = t
    this.family = family
    this.lab = gatewayLab({ family, phones: 2, ...(nat ? { nat } : {}) })
    t.teardown(() => this.lab.close())
  }

  async #open(where: 'phone' | 'provider', { v4, v6 }: { v4: string; v6: string }, port: number): Promise<UdpEndpoint> {
    const endpoint = await UdpEndpoint.open(this.lab[where], { address: this.family === 4 ? v4 : v6, port })
    this.#t.teardown(() => endpoint.close())
    return endpoint
  }

  inside = (port: number, phone = 0) => this.#open('phone', this.lab.phones[phone]!, port)
  server = (port: number) => this.#open('provider', this.lab.registrar, port)
  stranger = (port: number) => this.#open('provider', this.lab.stranger, port)

  /** Starts a helper at the gateway; notes what it reports. */
  async helper(onPacket: OnPacket, options: Partial<PacketHelperOptions> = {}) {
    const place = { inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path }
    const helper = defineHelper({
      name: 'tftp',
      ports: [TFTP],
      protocol: 'udp',
      ...place,
      ...translation(),
      onPacket,
      ...options,
    })
    const errors: string[] = []
    const refusals: HelperRefusal[] = []
    helper.on('error', (error) => errors.push(error.message)).on('refused', ({ reason }) => refusals.push(reason))
    this.#t.teardown(() => helper.stop())
    await helper.start()
    return { helper, errors, refusals }
  }
}

const tftp =
  (lifetimeSec = LIFETIME_SEC): OnPacket =>
  ({ bytes, way }, context) => {
    if (way !== 'out' || (bytes[1] !== RRQ && bytes[1] !== WRQ)) return
    context.expect({ from: { address: context.peer.address, port: 0 }, to: context.inside.port, lifetimeSec })
  }

const request = (opcode: number) => Buffer.from(`\0${String.fromCharCode(opcode)}file\0octet\0`, 'latin1')
const ack = (block: number) => Buffer.from([0, ACK, 0, block])
const data = (block: number, length: number) =>
  Buffer.concat([Buffer.from([0, DATA, 0, block]), Buffer.alloc(length, block)])

/** What the ends saw: who heard what from whom. */
type Heard = readonly [at: 'client' | 'server', from: Endpoint, payload: string]

/** Reads and writes a file of three blocks; the server's ports are given, as those it takes by itself would differ from run to run. */
async function transfers(scene: Scene): Promise<Heard[]> {
  const heard: Heard[] = []
  const hear = async (at: Heard[0], endpoint: UdpEndpoint) => {
    const { bytes, from } = await endpoint.receive()
    heard.push([at, from, bytes.toString('hex')])
    return from
  }
  const [client, well] = [await scene.inside(3000), await scene.server(TFTP)]
  const lengths = [BLOCK, BLOCK, 100]
  await client.send(request(RRQ), well.local)
  let seenAs = await hear('server', well)
  const reading = await scene.server(40_100)
  for (const [index, length] of lengths.entries()) {
    await reading.send(data(index + 1, length), seenAs)
    await client.send(ack(index + 1), await hear('client', client))
    await hear('server', reading)
  }
  const writer = await scene.inside(3001)
  await writer.send(request(WRQ), well.local)
  seenAs = await hear('server', well)
  const writing = await scene.server(40_101)
  await writing.send(ack(0), seenAs)
  let to = await hear('client', writer)
  for (const [index, length] of lengths.entries()) {
    await writer.send(data(index + 1, length), to)
    await writing.send(ack(index + 1), await hear('server', writing))
    to = await hear('client', writer)
  }
  return heard
}

/** Whether what `from` sends to `to` arrives at `at`. */
async function reaches(from: UdpEndpoint, to: Endpoint, at: UdpEndpoint): Promise<boolean> {
  const text = `hello ${Math.random()}`
  await from.send(text, to)
  const where = ({ bytes }: { bytes: Buffer }) => bytes.toString() === text
  return at.receive({ where, timeoutMs: 300 }).then(
    () => true,
    () => false,
  )
}

/** Sends, and says from where the server saw it. */
async function ask(from: UdpEndpoint, server: UdpEndpoint, text: string | Uint8Array = request(RRQ)) {
  await from.send(text, server.local)
  return server.receive()
}

const noKernelHelper = await whyNoKernelHelper()
const layouts = [
  [4, 'masquerade'],
  [4, 'none'],
  [6, 'nat66'],
] as const
for (const [family, nat] of layouts) {
  t.test(`IPv${family}, ${nat}: transfers, as with the kernel's helper`, { skip }, async (t) => {
    const own = new Scene(t, family, nat)
    const { helper, errors } = await own.helper(tftp())
    const heard = await transfers(own)
    t.equal(heard.length, 15)
    t.equal((await expectations(own.lab.gateway)).length, 2, 'witness: conntrack -L expect')
    t.match(helper.status(), { isRunning: true, counters: { packets: 2 }, sizes: { pinholes: 2 } })
    t.same(errors, [])
    t.test('the same, packet by packet', { skip: noKernelHelper }, async (t) => {
      const theirs = new Scene(t, family, nat)
      theirs.lab.gateway.nft(KERNEL_HELPER)
      t.same(heard, await transfers(theirs))
    })
  })
}

t.test('without a helper no block arrives', { skip }, async (t) => {
  const scene = new Scene(t)
  const [client, well, other] = [await scene.inside(3000), await scene.server(TFTP), await scene.server(40_100)]
  const { from } = await ask(client, well)
  t.notOk(await reaches(other, from, client))
})

t.test('a request goes on when its way stands, not before', { skip }, async (t) => {
  const scene = new Scene(t)
  const { helper } = await scene.helper(tftp())
  const { batch } = Conntrack.prototype
  // A kernel that takes its time.
  Conntrack.prototype.batch = async function (operations) {
    await pause(100)
    return batch.call(this, operations)
  }
  t.teardown(() => {
    Conntrack.prototype.batch = batch
  })
  const open = new Set<number>()
  helper.on('pinhole', ({ pinhole }) => open.add(pinhole.outside.port))
  const [client, well] = [await scene.inside(3000), await scene.server(TFTP)]
  const early: number[] = []
  well.onDatagram(({ from }) => !open.has(from.port) && early.push(from.port))
  // The second finds a way that is not open yet.
  await client.send(request(RRQ), well.local)
  await client.send(request(RRQ), well.local)
  await well.receive()
  await well.receive()
  t.same(early, [])
  t.equal(open.size, 1)
})

t.test('what another of our processes has left at the same place is taken over', { skip }, async (t) => {
  const scene = new Scene(t)
  await scene.helper(tftp())
  const { refusals } = await scene.helper(tftp(), { name: 'successor', ports: [70], queue: 5090 })
  const [client, well, next] = [await scene.inside(3000), await scene.server(TFTP), await scene.server(70)]
  await ask(client, well)
  const { from } = await ask(client, next)
  t.same(refusals, [])
  t.ok(await reaches(await scene.server(40_100), from, client))
  t.equal((await expectations(scene.lab.gateway)).length, 1)
})

t.test('two clients with one port, each with its own way', { skip }, async (t) => {
  const scene = new Scene(t)
  const { helper } = await scene.helper(tftp())
  const [well, other] = [await scene.server(TFTP), await scene.server(40_100)]
  for (const client of [await scene.inside(3000, 0), await scene.inside(3000, 1)]) {
    const { from } = await ask(client, well)
    t.ok(await reaches(other, from, client))
  }
  t.equal(helper.pinholes().length, 2)
})

t.test('a stranger does not get in, and after stop nobody', { skip }, async (t) => {
  const scene = new Scene(t)
  const { helper } = await scene.helper(tftp())
  const [client, well, stranger] = [await scene.inside(3000), await scene.server(TFTP), await scene.stranger(TFTP)]
  const { from } = await ask(client, well)
  t.match(helper.pinholes(), [{ inside: client.local, outside: from, far: { address: well.local.address, port: 0 } }])
  t.notOk(await reaches(stranger, from, client))
  t.ok(await reaches(await scene.server(40_100), from, client))
  const ports = (await nftRuleset(scene.lab.gateway)).find(({ set }) => set?.name === 'ports')
  t.match(ports?.set, { table: 'cthelper-tftp', elem: [TFTP] })
  await helper.stop()
  t.same(await expectations(scene.lab.gateway), [])
  const tables = (await nftRuleset(scene.lab.gateway)).flatMap((it) => it.table?.name ?? [])
  t.same(tables, ['lab'])
  t.notOk(await reaches(await scene.server(40_101), from, client))
  t.equal(helper.status().isRunning, false)
})

t.test('a way ends with its lifetime, what came through it goes on; asked for again, it lasts', { skip }, async (t) => {
  const scene = new Scene(t)
  const { helper } = await scene.helper(tftp(5))
  const changes: string[] = []
  helper.on('pinhole', ({ kind }) => changes.push(kind))
  const [client, well, early] = [await scene.inside(3000), await scene.server(TFTP), await scene.server(40_100)]
  const { from } = await ask(client, well)
  t.ok(await reaches(early, from, client))
  const asksUntil = Date.now() + 7000
  while (Date.now() < asksUntil) {
    await ask(client, well)
    await pause(200)
  }
  t.same(changes, ['open'], 'it lasts as long as it is asked for')
  await until(async () => (await expectations(scene.lab.gateway)).length === 0, 15_000)
  t.same(changes, ['open', 'close'])
  t.same(helper.pinholes(), [])
  t.notOk(await reaches(await scene.server(40_101), from, client), 'nobody new')
  t.ok(await reaches(early, from, client), 'who is in stays')
})

t.test('one port of the far end, anybody, and from narrow to wide', { skip }, async (t) => {
  const scene = new Scene(t)
  const { refusals, helper } = await scene.helper(({ bytes }, context) => {
    const [address, port] = Buffer.from(bytes).toString().split(' ')
    const from = { address: address === 'any' ? undefined : address, port: Number(port) }
    context.expect({ from, to: context.inside.port, lifetimeSec: 60 })
  })
  const [client, well, stranger] = [await scene.inside(3000), await scene.server(TFTP), await scene.stranger(4000)]
  const [right, wrong] = [await scene.server(40_100), await scene.server(40_101)]
  const server = well.local.address
  const { from } = await ask(client, well, `${server} 40100`)
  t.notOk(await reaches(wrong, from, client), 'another port')
  t.ok(await reaches(right, from, client), 'the port')
  await ask(client, well, `${server} 0`)
  // Who knocked in vain has left a conntrack that ends at the gateway: others try.
  t.ok(await reaches(await scene.server(40_102), from, client), 'all its ports')
  t.notOk(await reaches(stranger, from, client))
  await ask(client, well, 'any 0')
  t.ok(await reaches(await scene.stranger(4001), from, client), 'anybody')
  t.equal((await expectations(scene.lab.gateway)).length, 1, 'the wider in place of the narrower')
  t.equal(helper.pinholes().length, 1)
  t.same(refusals, [])
})

t.test('a port that the protocol announces is opened, mapped, and written into the payload', { skip }, async (t) => {
  const scene = new Scene(t)
  await scene.helper(({ bytes, way }, context) => {
    if (way === 'in') return context.replace({ start: 0, end: 2 }, 'very well')
    const text = Buffer.from(bytes).toString()
    const outside = context.expect({
      from: { address: undefined, port: 0 },
      to: Number(text.slice(5)),
      lifetimeSec: 60,
    })
    context.replace({ start: 5, end: bytes.length }, `${outside!.port} at ${outside!.address}`)
  })
  const [well, stranger] = [await scene.server(TFTP), await scene.stranger(4000)]
  const at = scene.lab.gatewayOutside.v4
  for (const [phone, port] of [5000, 5001].entries()) {
    const [client, media] = [await scene.inside(3000, phone), await scene.inside(5000, phone)]
    const { bytes, from } = await ask(client, well, 'PORT 5000')
    t.equal(bytes.toString(), `PORT ${port} at ${at}`)
    t.ok(await reaches(stranger, { address: at, port }, media))
    await well.send('ok', from)
    t.equal((await client.receive()).bytes.toString(), 'very well', 'and on the way back')
  }
})

t.test('drop, failure, promise, overlapping edits, budgets', { skip }, async (t) => {
  const scene = new Scene(t)
  const onPacket = ({ bytes }: { bytes: Uint8Array }, context: Parameters<OnPacket>[1]) => {
    const text = Buffer.from(bytes).toString()
    const { address } = context.peer
    if (text !== 'plain') context.expect({ from: { address, port: 0 }, to: context.inside.port, lifetimeSec: 60 })
    if (text === 'drop') context.drop()
    if (text !== 'open') context.replace({ start: 0, end: 1 }, 'P')
    if (text === 'throw') throw new Error('thrown')
    if (text === 'twice') context.replace({ start: 0, end: 2 }, 'x')
    if (text === 'later') return Promise.resolve()
  }
  const budgets = { pinholes: 3, pinholesPerHost: 2 }
  const { helper, errors, refusals } = await scene.helper(onPacket as OnPacket, { budgets })
  const [client, well] = [await scene.inside(3000), await scene.server(TFTP)]
  const says = async (text: string) => (await ask(client, well, text)).bytes.toString()
  await client.send('drop', well.local)
  t.equal(await says('plain'), 'Plain')
  for (const text of ['throw', 'twice', 'later']) t.equal(await says(text), text, 'passes as it is')
  t.match(errors, ['thrown', /meets an earlier range/, /must decide at once/])
  t.same(await expectations(scene.lab.gateway), [], 'nothing that they asked for')
  t.equal(helper.status().sizes.pinholes, 0)
  for (const port of [3000, 3001, 3002]) await ask(await scene.inside(port, 1), well, 'open')
  for (const port of [3003, 3004]) await ask(await scene.inside(port), well, 'open')
  t.same(refusals, ['host-pinholes-exhausted', 'pinholes-exhausted'])
  t.equal((await expectations(scene.lab.gateway)).length, 3)
  t.match(helper.status().counters, { dropped: 1, rewritten: 1, failed: 3 })
})

t.test('a server inside, to which its port is forwarded', { skip }, async (t) => {
  const scene = new Scene(t)
  const { gateway, gatewayOutside, phones } = scene.lab
  gateway.nft(`table ip forwarded {
    chain prerouting {
      type nat hook prerouting priority -100;
      iifname "wan0" udp dport ${TFTP} dnat to ${phones[0]!.v4}
    }
  }
  add rule inet lab forward iifname "wan0" udp dport ${TFTP} accept`)
  const seen: unknown[] = []
  const { errors } = await scene.helper(({ way }, { inside, outside, peer, replace }) => {
    seen.push([way, inside, outside, peer, typeof replace])
  })
  const [server, client] = [await scene.inside(TFTP), await scene.server(3000)]
  await client.send('first', { address: gatewayOutside.v4, port: TFTP })
  const { from } = await server.receive()
  await server.send('answer', from)
  t.equal((await client.receive()).from.port, TFTP)
  const ends = [server.local, { address: gatewayOutside.v4, port: TFTP }, client.local, 'function']
  t.same(seen, [
    ['in', ...ends],
    ['out', ...ends],
  ])
  t.same(errors, [])
})
