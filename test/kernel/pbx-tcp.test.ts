/** A PBX that speaks TCP: behind the gateway with its port forwarded, and on the gateway itself. */
import { once } from 'node:events'
import t, { type Test } from 'tap'
import {
  Capture,
  endpointText,
  expectations,
  type Namespace,
  pause,
  SipPeer,
  type SipText,
  sdpText,
  TcpEndpoint,
  TcpListener,
  type UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { openPbxPlace, type PbxPlace, type Place } from './pbx-lab.js'
import { hears, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack', 'tcpdump')

interface Pbx extends PbxPlace {
  readonly listens: TcpListener
  connect(to: Endpoint): Promise<TcpEndpoint>
}

async function open(t: Test, place: Place, family: 4 | 6): Promise<Pbx> {
  const at = await openPbxPlace(t, place, family, 'tcp')
  const { namespace, address } = at
  const listens = await TcpListener.open(namespace, { address, port: 5060 })
  t.teardown(() => listens.close())
  const connect = (to: Endpoint) =>
    place === 'forwarded'
      ? TcpEndpoint.connect(namespace, { address, port: 0 }, to)
      : connectOwn(namespace, address, to)
  return { ...at, listens, connect }
}

const RELAY = { address: '127.0.0.5', port: 7000 }

/** As a program of the gateway's own connects, with an ordinary socket; those of `TcpEndpoint` are transparent. */
async function connectOwn(namespace: Namespace, address: string, to: Endpoint): Promise<TcpEndpoint> {
  const script = `require('net').createServer((near) => {
    const far = require('net').connect({ host: '${to.address}', port: ${to.port}, localAddress: '${address}' })
    near.pipe(far).pipe(near)
    near.on('error', () => far.resetAndDestroy())
    far.on('error', () => near.resetAndDestroy())
  }).listen(${RELAY.port}, '${RELAY.address}', () => console.log('ready'))`
  const child = namespace.spawn([process.execPath, '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout!, 'data')
  return TcpEndpoint.connect(namespace, { address: '127.0.0.1', port: 0 }, RELAY)
}

const wholeText = ({ startLine, headers, body }: SipText): string =>
  [startLine, ...headers.map(([name, value]) => `${name}: ${value}`), body].join('\n')

const sdpOf = ({ local }: UdpEndpoint): string => sdpText({ address: local.address, ports: [local.port] })

for (const place of ['forwarded', 'own inside address', 'own outside address'] as const) {
  for (const family of [4, 6] as const) {
    t.test(`PBX ${place}, IPv${family}: a call from a phone outside`, { skip }, async (t) => {
      const { scene, listens, address, outside, media } = await open(t, place, family)
      const from = { address: scene.address('stranger'), port: 0 }
      const line = await TcpEndpoint.connect(scene.lab.provider, from, outside)
      t.same(line.remote, outside, 'the phone sees where it has connected to')
      const taken = await listens.accept()
      t.equal(taken.remote.address, line.local.address, 'the PBX sees the phone')
      const [phone, pbx] = [new SipPeer(line, 'phone'), new SipPeer(taken, 'pbx', listens.local)]
      const [audio, far] = [await media(4000), await scene.outside(6000, 'mediaServer')]
      const invite = await phone.request('INVITE', outside, { body: sdpOf(far) })
      const arrived = await pbx.receiveRequest('INVITE')
      t.match(scene.sip.status().sizes, { connections: 1, calls: 1 })
      t.equal(arrived.uri, `sip:${endpointText({ address, port: 5060 })}`, 'the PBX is asked by its own address')
      t.equal(arrived.get('Contact'), invite.get('Contact'), "the phone's own stays")
      await pbx.respond(arrived, 200, { body: sdpOf(audio) })
      const answered = await phone.response(200)
      t.match(answered.get('Contact'), endpointText(outside), 'and known by the outside one')
      if (place !== 'own outside address') t.notMatch(wholeText(answered), address, 'its own does not get out')
      await phone.ack(invite, answered, outside)
      await pbx.receiveRequest('ACK')
      const way = target(answered)
      t.equal(way.address, outside.address)
      t.match(await hears(far, way, audio), { packets: 5, from: far.local }, 'audio in')
      t.match(await hears(audio, far.local, far), { packets: 5, from: way }, 'audio out')
      // The PBX hangs up on the same connection.
      await pbx.request('BYE', arrived.from!, {
        callId: invite.get('Call-ID'),
        cseq: 9,
        headers: [
          ['From', answered.get('To')],
          ['To', answered.get('From')],
        ],
      })
      const bye = await phone.receiveRequest('BYE')
      t.match(bye.get('Via'), `SIP/2.0/TCP ${endpointText(outside)};`)
      await phone.respond(bye, 200)
      const done = await pbx.response(200)
      t.match(done.get('Via'), `SIP/2.0/TCP ${endpointText(listens.local)};`, 'the PBX gets its own Via back')
      t.match(await hears(far, way, audio), { packets: 0 }, 'after BYE nothing comes in')
      t.same(await expectations(scene.lab.gateway), [])
      line.end()
      t.equal(await taken.ended, 'end')
      taken.end()
      t.equal(await line.ended, 'end')
      for (let i = 0; i < 100 && scene.sip.status().sizes.connections !== 0; i++) await pause(20)
      t.same([scene.refusals, scene.errors], [[], []])
      t.match(scene.sip.status().sizes, { calls: 0, ports: 0, bindings: 0, pinholes: 0, connections: 0, connecting: 0 })
    })

    t.test(`PBX ${place}, IPv${family}: a call to a provider with its media elsewhere`, { skip }, async (t) => {
      const { scene, listens, address, outside, media, connect } = await open(t, place, family)
      const server = { address: scene.address('registrar'), port: 5060 }
      const provides = await TcpListener.open(scene.lab.provider, server)
      t.teardown(() => provides.close())
      const capture = await Capture.start(scene.lab.provider, { device: 'eth0', filter: 'tcp port 5060' })
      t.teardown(() => capture.stop())
      const line = await connect(provides.local)
      const taken = await provides.accept()
      t.equal(taken.remote.address, outside.address)
      const [pbx, provider] = [new SipPeer(line, 'pbx', listens.local), new SipPeer(taken, 'provider', provides.local)]
      const [audio, far] = [await media(4002), await scene.outside(6002, 'mediaServer')]
      const invite = await pbx.request('INVITE', provides.local, { body: sdpOf(audio) })
      const arrived = await provider.receiveRequest('INVITE')
      t.match(scene.sip.status().sizes, { connections: 1, calls: 1 })
      if (place !== 'own outside address') {
        t.notMatch(wholeText(arrived), address, 'its own address does not get out')
        t.notOk(
          capture.packets().some(({ source }) => source.address === address),
          'witness: nor on the wire',
        )
      }
      t.match(arrived.get('Contact'), outside.address)
      await provider.respond(arrived, 200, { body: sdpOf(far) })
      const answered = await pbx.response(200)
      t.equal(answered.get('Via').split(';')[0], invite.get('Via').split(';')[0])
      await pbx.ack(invite, answered, provides.local)
      await provider.receiveRequest('ACK')
      const way = target(arrived)
      t.match(await hears(far, way, audio), { packets: 5 }, 'audio in')
      t.match(await hears(audio, far.local, far), { packets: 5, from: way }, 'audio out')
      line.reset()
      t.equal(await taken.ended, 'reset')
      t.same([scene.refusals, scene.errors], [[], []])
    })
  }
}

t.test('a PBX that is not there refuses for itself, a filter refuses what it will', { skip }, async (t) => {
  for (const place of ['forwarded', 'own outside address'] as const) {
    const { scene, listens, outside } = await open(t, place, 4)
    const from = { address: scene.address('stranger'), port: 0 }
    listens.close()
    await t.rejects(TcpEndpoint.connect(scene.lab.provider, from, outside), { code: 'ECONNREFUSED' }, place)
    t.match(scene.sip.status(), { counters: { 'tcp-unreachable': 1 }, sizes: { connecting: 0 } })
    scene.lab.gateway.nft(`insert rule inet admin input iifname "wan0" tcp dport 5060 reject with icmpx admin-prohibited
      insert rule inet lab forward iifname "wan0" tcp dport 5060 reject with icmpx admin-prohibited`)
    await t.rejects(TcpEndpoint.connect(scene.lab.provider, from, outside), { code: 'EHOSTUNREACH' }, place)
    t.match(scene.sip.status(), { counters: { 'tcp-unreachable': 1 } }, 'nobody was asked')
  }
})

t.test('a port that is forwarded under another number: helped, or passed, but never broken', { skip }, async (t) => {
  const { scene, listens, address } = await open(t, 'forwarded', 4)
  scene.lab.gateway.nft(`insert rule inet admin forwarded iifname "wan0" tcp dport 5062 dnat ip to ${address}:5060`)
  const from = { address: scene.address('stranger'), port: 0 }
  const line = await TcpEndpoint.connect(scene.lab.provider, from, {
    address: scene.address('gatewayOutside'),
    port: 5062,
  })
  const taken = await listens.accept()
  await new SipPeer(line, 'phone').request('OPTIONS', listens.local)
  t.match(await new SipPeer(taken, 'pbx').receiveRequest('OPTIONS'), { method: 'OPTIONS' })
  t.same(scene.errors, [])
})
