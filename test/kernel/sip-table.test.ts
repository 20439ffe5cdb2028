import t, { type Test } from 'tap'
import { openQueue, type QueuedPacket } from '../../lib/nfqueue/index.js'
import { type Nftables, openNftables, type SipTableOptions, sipTable } from '../../lib/nftables/index.js'
import { type GatewayLab, type GatewayLabOptions, gatewayLab, UdpEndpoint, whyNoLab } from '../../lib/testing/index.js'
import type { Endpoint, Family } from '../../types/endpoint.js'

const skip = whyNoLab('nft')
const QUEUE = 7
const FIRST = 8
const options = { inside: ['lan0'], outside: ['wan0'], queue: QUEUE }

interface Scene {
  readonly lab: GatewayLab
  readonly nftables: Nftables
  readonly phone: UdpEndpoint
  readonly registrar: UdpEndpoint
}

interface SceneOptions extends GatewayLabOptions {
  readonly sip?: Partial<SipTableOptions>
  readonly phonePort?: number
}

async function open(t: Test, family: Family, { sip, phonePort = 40000, ...lab }: SceneOptions = {}): Promise<Scene> {
  const scene = gatewayLab({ family, ...lab })
  t.teardown(() => scene.close())
  const nftables = openNftables({ netns: scene.gateway.path })
  t.teardown(() => nftables.close())
  await nftables.install(sipTable({ ...options, ...sip }))
  const version = family === 4 ? 'v4' : 'v6'
  const phone = await UdpEndpoint.open(scene.phone, { address: scene.phones[0]![version], port: phonePort })
  const registrar = await UdpEndpoint.open(scene.provider, { address: scene.registrar[version], port: 5060 })
  t.teardown(() => phone.close())
  t.teardown(() => registrar.close())
  return { lab: scene, nftables, phone, registrar }
}

interface Seen {
  readonly hook: string
  readonly source: string
  readonly mark: number
  readonly text: string
}

/** Accepts everything; `mark` replaces the packet's. */
async function listen(t: Test, lab: GatewayLab, number: number, mark?: (old: number) => number): Promise<Seen[]> {
  const seen: Seen[] = []
  const queue = await openQueue({
    number,
    netns: lab.gateway.path,
    onBatch: (packets) => {
      for (const packet of packets) {
        seen.push(describe(packet))
        queue.verdict(packet, 'accept', mark ? { mark: mark(packet.mark) } : {})
      }
    },
  })
  t.teardown(() => queue.close())
  return seen
}

function describe({ hook, payload, etherType, mark }: QueuedPacket): Seen {
  const [addressAt, length, udpAt] = etherType === 0x800 ? [12, 4, 20] : [8, 16, 40]
  const source = Buffer.from(payload.subarray(addressAt, addressAt + length)).toString('hex')
  return { hook, source, mark, text: Buffer.from(payload.subarray(udpAt + 8)).toString() }
}

const hex = (address: string): string =>
  address.includes('.')
    ? Buffer.from(address.split('.').map(Number)).toString('hex')
    : address
        .replace('::', ':'.repeat(9 - address.split(':').filter(Boolean).length))
        .split(':')
        .map((group) => group.padStart(4, '0'))
        .join('')

async function roundTrip(phone: UdpEndpoint, registrar: UdpEndpoint, text: string): Promise<Endpoint> {
  await phone.send(text, registrar.local)
  const { from, bytes } = await registrar.receive()
  if (bytes.toString() !== text) throw new Error(`expected ${text}, heard ${bytes}`)
  await registrar.send(`re: ${text}`, from)
  await phone.receive()
  return from
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: SIP between inside and outside is queued, translated already`, { skip }, async (t) => {
    const { lab, nftables, phone, registrar } = await open(t, family)
    const seen = await listen(t, lab, QUEUE)
    await roundTrip(phone, registrar, 'one')
    const version = family === 4 ? 'v4' : 'v6'
    t.match(seen, [
      { hook: 'postrouting', source: hex(lab.gatewayOutside[version]), text: 'one' },
      { hook: 'postrouting', source: hex(lab.registrar[version]), text: 're: one' },
    ])
    const counters = await nftables.readCounters('inet', 'cthelper')
    t.match(
      counters.map(({ chain, comment, packets }) => [chain, comment, packets]),
      [
        ['sip', 'out', 1],
        ['sip', 'in', 1],
      ],
    )
  })

  t.test(`IPv${family}: other ports and other ways are not queued`, { skip }, async (t) => {
    const { lab, phone, registrar } = await open(t, family)
    const seen = await listen(t, lab, QUEUE)
    const version = family === 4 ? 'v4' : 'v6'
    const media = await UdpEndpoint.open(lab.provider, { address: lab.mediaServer[version], port: 6000 })
    t.teardown(() => media.close())
    await roundTrip(phone, media, 'media')
    // The gateway's own packets have one interface only.
    const own = await UdpEndpoint.open(lab.gateway, { address: lab.gatewayOutside[version], port: 41000 })
    t.teardown(() => own.close())
    await roundTrip(own, registrar, 'own')
    t.same(seen, [])
  })

  t.test(`IPv${family}: a flow's first packet is shown before NAT, its mark comes back`, { skip }, async (t) => {
    const { lab, phone, registrar } = await open(t, family, { sip: { firstPacketQueue: FIRST } })
    lab.gateway.nft(`table inet marks { chain c { type filter hook prerouting priority -150; meta mark set 0x77; }; }`)
    const marks: number[] = []
    const first = await listen(t, lab, FIRST, (old) => {
      marks.push(old)
      return 0xf00d
    })
    const second = await listen(t, lab, QUEUE, (mark) => (mark === 0xf00d ? marks.at(-1)! : mark))
    await roundTrip(phone, registrar, 'one')
    await roundTrip(phone, registrar, 'two')
    const version = family === 4 ? 'v4' : 'v6'
    t.match(first, [{ hook: 'forward', source: hex(lab.phones[0]![version]), mark: 0x77, text: 'one' }])
    t.equal(first.length, 1)
    t.same(
      second.map(({ text, mark }) => [text, mark]),
      [
        ['one', 0xf00d],
        ['re: one', 0x77],
        ['two', 0x77],
        ['re: two', 0x77],
      ],
    )
  })

  t.test(`IPv${family}: masquerade`, { skip }, async (t) => {
    const { lab, phone, registrar } = await open(t, family, {
      nat: 'none',
      sip: { masquerade: true },
    })
    const version = family === 4 ? 'v4' : 'v6'
    const from = await roundTrip(phone, registrar, 'one')
    // Without NAT the lab's IPv6 is global, and stays.
    t.equal(from.address, family === 4 ? lab.gatewayOutside.v4 : lab.phones[0]![version])
  })
}

t.test('IPv6: unique local addresses are masqueraded', { skip }, async (t) => {
  const { lab, phone, registrar } = await open(t, 6, { sip: { masquerade: true } })
  lab.gateway.runSync(['nft', 'delete', 'chain', 'inet', 'lab', 'source'])
  const from = await roundTrip(phone, registrar, 'one')
  t.equal(from.address, lab.gatewayOutside.v6)
})

t.test('what the user drops is not shown and does not pass', { skip }, async (t) => {
  const { lab, registrar } = await open(t, 4, { sip: { firstPacketQueue: FIRST } })
  const [first, second] = [await listen(t, lab, FIRST), await listen(t, lab, QUEUE)]
  const stranger = await UdpEndpoint.open(lab.provider, { address: lab.stranger.v4, port: 5060 })
  t.teardown(() => stranger.close())
  lab.provider.ip(`route add ${lab.phones[0]!.v4}/32 via ${lab.gatewayOutside.v4}`)
  const phone = await UdpEndpoint.open(lab.phone, { address: lab.phones[0]!.v4, port: 5060 })
  t.teardown(() => phone.close())
  await stranger.send('knock', phone.local)
  await phone.expectSilence(300)
  t.same([first, second], [[], []])
  await roundTrip(phone, registrar, 'still alive')
  t.equal(first.length, 1)
})

t.test('nobody listening: everything passes', { skip }, async (t) => {
  const { phone, registrar } = await open(t, 4, { sip: { firstPacketQueue: FIRST, queueCount: 4 } })
  await roundTrip(phone, registrar, 'one')
})

t.test('several queues: both directions of a flow in the same', { skip }, async (t) => {
  const { lab, phone, registrar } = await open(t, 4, { nat: 'none', sip: { queueCount: 2 } })
  const queues = [await listen(t, lab, QUEUE), await listen(t, lab, QUEUE + 1)]
  await roundTrip(phone, registrar, 'one')
  await roundTrip(phone, registrar, 'two')
  t.same(queues.map(({ length }) => length).sort(), [0, 4])
})

t.test('nft lists it, and removing leaves what was there', { skip }, async (t) => {
  const { lab, nftables } = await open(t, 4)
  const listing = (...what: string[]) => lab.gateway.runSync(['nft', 'list', ...what])
  await nftables.remove('inet', 'cthelper')
  const before = listing('ruleset')
  await nftables.install(sipTable({ ...options, ports: [5060, 5080], firstPacketQueue: FIRST, masquerade: true }))
  const listed = listing('table', 'inet', 'cthelper').replaceAll(/ packets \d+ bytes \d+/g, '')
  t.equal(listed.replaceAll(/queue (num|flags bypass to) (\d+)( bypass)?/g, 'QUEUE $2').trim(), expected.trim())
  t.equal(await nftables.remove('inet', 'cthelper'), true)
  t.equal(listing('ruleset'), before)
})

const expected = `
table inet cthelper {
	set sip_ports {
		type inet_service
		elements = { 5060, 5080 }
	}

	set inside {
		type ifname
		elements = { "lan0" }
	}

	set outside {
		type ifname
		elements = { "wan0" }
	}

	chain postrouting {
		type filter hook postrouting priority 150; policy accept;
		udp sport @sip_ports goto sip
		udp dport @sip_ports goto sip
	}

	chain sip {
		iifname @inside oifname @outside counter QUEUE 7 comment "out"
		iifname @outside oifname @inside counter QUEUE 7 comment "in"
	}

	chain forward {
		type filter hook forward priority 150; policy accept;
		ct status ! confirmed udp sport @sip_ports goto first
		ct status ! confirmed udp dport @sip_ports goto first
	}

	chain first {
		iifname @inside oifname @outside counter QUEUE 8 comment "out"
		iifname @outside oifname @inside counter QUEUE 8 comment "in"
	}

	chain masquerade {
		type nat hook postrouting priority srcnat; policy accept;
		meta nfproto ipv4 oifname @outside masquerade
		ip6 saddr fc00::/7 oifname @outside masquerade
	}
}
`
