import { createServer, type Server, Socket } from 'node:net'
import t, { type Test } from 'tap'
import { parseAddress } from '../../lib/base/address.js'
import { nativeAddon } from '../../lib/base/native.js'
import {
  endpointText,
  expectations,
  type Namespace,
  SipPeer,
  type SipText,
  scaled,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { hears, Scene } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

const body = (address: string, ...lines: string[]): string => {
  const ip = `IN IP4 ${address}`
  return ['v=0', `o=- 1 1 ${ip}`, 's=-', `c=${ip}`, 't=0 0', ...lines, ''].join('\r\n')
}

/** A scene with Alice inside and Bob outside. */
async function setUp(t: Test) {
  const scene = await Scene.open({ helper: { media: { ports: [30000, 30099] } } })
  t.teardown(() => scene.close())
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  return { scene, alice, bob, inside: scene.phoneAddress(), outside: scene.address('gatewayOutside') }
}
type World = Awaited<ReturnType<typeof setUp>>

/** A call out with these media lines. Returns what arrived, and what ends it. */
async function called(
  { scene, alice, bob, inside }: World,
  offer: string[],
  answer: string[],
  far = 'mediaServer' as const,
) {
  const to = bob.endpoint.local
  const invite = await alice.request('INVITE', to, { body: body(inside, ...offer) })
  const arrived = await bob.receiveRequest('INVITE')
  await bob.respond(arrived, 200, { body: body(scene.address(far), ...answer) })
  const answered = await alice.response(200)
  await alice.ack(invite, answered, to)
  const end = async () => {
    await alice.inDialog('BYE', invite, answered, to)
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
  }
  return { arrived, end }
}

async function leavesNothing(t: Test, { scene }: World): Promise<void> {
  t.same(await expectations(scene.lab.gateway), [])
  t.match(scene.sip.status().sizes, { calls: 0, ports: 0, pinholes: 0, flows: 0, deadlines: 0 })
  t.same(scene.refusals, [])
  t.same(scene.errors, [])
}

const lines = (message: SipText): string[] => message.body.split('\r\n')

t.test('port/n, text and fax: every port both ways', { skip }, async (t) => {
  const world = await setUp(t)
  const { scene, outside } = world
  const offer = ['m=video 4000/2 RTP/AVP 96', 'm=text 4101 RTP/AVP 98', 'm=image 4200 udptl t38']
  const answer = ['m=video 6000/2 RTP/AVP 96', 'm=text 6100 RTP/AVP 98', 'm=image 6200 udptl t38']
  const { arrived, end } = await called(world, offer, answer)
  t.same(lines(arrived).slice(5, 8), [
    'm=video 30000/2 RTP/AVP 96',
    'm=text 30004 RTP/AVP 98',
    'm=image 30006 udptl t38',
  ])
  const ports = [
    [4000, 6000, 30000],
    [4001, 6001, 30001],
    [4002, 6002, 30002],
    [4003, 6003, 30003],
    [4101, 6100, 30004],
    [4102, 6101, 30005],
    [4200, 6200, 30006],
  ] as const
  for (const [index, [insidePort, farPort, port]] of ports.entries()) {
    const [phone, far] = [await scene.inside(insidePort), await scene.outside(farPort, 'mediaServer')]
    const through: Endpoint = { address: outside, port }
    const inwards = async () => t.match(await hears(far, through, phone), { packets: 5, from: far.local }, `${port} in`)
    // Whoever speaks first, the other is heard too.
    if (index % 2 === 0) await inwards()
    t.match(await hears(phone, far.local, far), { packets: 5, from: through }, `${port} out`)
    if (index % 2 === 1) await inwards()
  }
  const stranger = await scene.outside(6000, 'stranger')
  const silent = await scene.inside(4300)
  t.match(await hears(stranger, { address: outside, port: 30002 }, silent), { packets: 0 })
  await end()
  await leavesNothing(t, world)
})

t.test('ICE: checks from every candidate, and from nobody else', { skip }, async (t) => {
  const world = await setUp(t)
  const { scene, inside, outside } = world
  const candidate = (component: number, address: string, port: number, type = 'host') =>
    `a=candidate:${component} ${component} UDP 2130706431 ${address} ${port} typ ${type}`
  const [host, relay] = [scene.address('mediaServer'), scene.address('registrar')]
  const offer = [
    'm=audio 4000 RTP/AVP 0',
    'a=rtcp-mux',
    candidate(1, inside, 4000),
    candidate(1, inside, 4100),
    candidate(1, '10.99.0.1', 4000),
  ]
  const answer = ['m=audio 6000 RTP/AVP 0', 'a=rtcp-mux', candidate(1, host, 6000), candidate(1, relay, 6500, 'relay')]
  const { arrived, end } = await called(world, offer, answer)
  t.same(lines(arrived).slice(5, 10), [
    'm=audio 30000 RTP/AVP 0',
    'a=rtcp-mux',
    candidate(1, outside, 30000),
    candidate(1, outside, 30002),
    candidate(1, '10.99.0.1', 4000),
  ])
  const [first, second] = [await scene.inside(4000), await scene.inside(4100)]
  const fars = [await scene.outside(6000, 'mediaServer'), await scene.outside(6500, 'registrar')]
  for (const [local, port] of [
    [first, 30000],
    [second, 30002],
  ] as const) {
    const through = { address: outside, port }
    for (const [i, far] of fars.entries()) {
      const inwards = async () =>
        t.match(await hears(far, through, local), { packets: 5, from: far.local }, `${port} ${i}`)
      if (i === 0) await inwards()
      t.match(await hears(local, far.local, far), { packets: 5, from: through }, `${port} ${i}, back`)
      if (i === 1) await inwards()
    }
    const stranger = await scene.outside(port, 'stranger')
    t.match(await hears(stranger, through, local), { packets: 0 }, 'a stranger')
  }
  await end()
  t.match(await hears(fars[0]!, { address: outside, port: 30000 }, first), { packets: 0 }, 'after BYE')
  await leavesNothing(t, world)
})

t.test('trickle ICE: ways for candidates that come in INFO', { skip }, async (t) => {
  const world = await setUp(t)
  const { scene, alice, bob, inside, outside } = world
  const [to, host] = [bob.endpoint.local, scene.address('mediaServer')]
  const description = (ufrag: string) =>
    body('0.0.0.0', `a=ice-ufrag:${ufrag}`, 'm=audio 9 RTP/SAVPF 0', 'a=mid:0', 'a=rtcp-mux')
  const fragment = (ufrag: string, address: string, port: number) => ({
    headers: [['Content-Type', 'application/trickle-ice-sdpfrag']] as const,
    body: [
      `a=ice-ufrag:${ufrag}`,
      'm=audio 9 RTP/SAVPF 0',
      'a=mid:0',
      `a=candidate:1 1 UDP 2130706431 ${address} ${port} typ host`,
      '',
    ].join('\r\n'),
  })
  const invite = await alice.request('INVITE', to, { body: description('ours') })
  const arrived = await bob.receiveRequest('INVITE')
  await bob.respond(arrived, 183, { body: description('theirs') })
  const ringing = await alice.response(183)
  await alice.inDialog('INFO', invite, ringing, to, fragment('ours', inside, 4000))
  const told = await bob.receiveRequest('INFO')
  t.match(told.body, `2130706431 ${outside} 30000 typ host`)
  await bob.respond(told, 200)
  const dialog = { callId: arrived.get('Call-ID'), fromTag: ringing.tag('To'), toTag: arrived.tag('From') }
  await bob.request('INFO', arrived.from!, { ...dialog, ...fragment('theirs', host, 6000) })
  t.match((await alice.receiveRequest('INFO')).body, `2130706431 ${host} 6000 typ host`)
  const [local, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
  const through = { address: outside, port: 30000 }
  t.match(await hears(far, through, local), { packets: 5, from: far.local })
  t.match(await hears(local, far.local, far), { packets: 5, from: through })
  t.match(await hears(await scene.outside(6000, 'stranger'), through, local), { packets: 0 }, 'a stranger')
  await alice.request('CANCEL', to, {
    ...{ callId: invite.get('Call-ID'), fromTag: invite.tag('From') },
    headers: [['Via', invite.get('Via')]],
  })
  await bob.respond(await bob.receiveRequest('CANCEL'), 200)
  await bob.respond(arrived, 487)
  await alice.response(487)
  t.match(await hears(far, through, local), { packets: 0 }, 'after the end')
  await leavesNothing(t, world)
})

/** A TCP socket of the namespace, bound there. */
function tcp({ path }: Namespace, { address, port }: Endpoint): number {
  const fd = nativeAddon().openTcp(path, 4, parseAddress(address)!, port)
  if (fd < 0) throw new Error(`openTcp: ${fd}`)
  return fd
}

async function listen(t: Test, namespace: Namespace, local: Endpoint): Promise<Server> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // Its call over, nothing ends a connection but its ends.
    t.teardown(() => socket.destroy())
    socket.on('data', (bytes) => socket.write(`echo ${bytes}`))
  })
  await new Promise<void>((resolve) => server.listen({ fd: tcp(namespace, local) }, resolve))
  t.teardown(() => server.close())
  return server
}

/** Connects, speaks, and says what came back; `silence` when nothing did in time. */
function spoken(t: Test, namespace: Namespace, from: Endpoint, to: Endpoint, timeoutMs: number): Promise<string> {
  const socket = new Socket({ fd: tcp(namespace, from) })
  t.teardown(() => socket.destroy())
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve('silence'), timeoutMs)
    const done = (what: string) => {
      clearTimeout(timer)
      resolve(what)
    }
    socket.on('error', (error) => done(error.message))
    socket.on('data', (bytes) => done(bytes.toString()))
    socket.connect({ host: to.address, port: to.port }, () => socket.write('hello'))
  })
}

t.test('MSRP and BFCP over TCP: who listens is reached, by the far side alone', { skip }, async (t) => {
  const world = await setUp(t)
  const { scene, inside, outside } = world
  const { phone, provider, gateway } = scene.lab
  await listen(t, phone, { address: inside, port: 7394 })
  await listen(t, phone, { address: inside, port: 5070 })
  const path = (address: string, port: number) => `a=path:msrp://${address}:${port}/s1;tcp`
  const far = scene.address('mediaServer')
  const offer = [
    'm=message 7394 TCP/MSRP *',
    path(inside, 7394),
    'a=setup:passive',
    'm=application 5070 TCP/BFCP *',
    'a=setup:actpass',
  ]
  const answer = [
    'm=message 7400 TCP/MSRP *',
    path(far, 7400),
    'a=setup:active',
    'm=application 9 TCP/BFCP *',
    'a=setup:active',
  ]
  const { arrived, end } = await called(world, offer, answer)
  t.match(lines(arrived), [...Array(5).fill(/./), 'm=message 30000 TCP/MSRP *', path(outside, 30000)])
  const wait = scaled(600)
  const stranger = { address: scene.address('stranger'), port: 7400 }
  for (const port of [30000, 30002]) {
    const to = { address: outside, port }
    t.notMatch(await spoken(t, provider, stranger, to, wait), /echo/, `a stranger on ${port}`)
    const said = await spoken(t, provider, { address: far, port: 0 }, to, scaled(5000))
    t.equal(said, 'echo hello', `connected to ${endpointText(to)}`)
  }
  const tracked = gateway.runSync(['conntrack', '-L', '-p', 'tcp'])
  t.match(tracked, /tcp .* dport=30000 .* sport=7394/, 'conntrack saw it translated')
  await end()
  t.notMatch(
    await spoken(t, provider, { address: far, port: 0 }, { address: outside, port: 30000 }, wait),
    /echo/,
    'after BYE',
  )
  await leavesNothing(t, world)
})
