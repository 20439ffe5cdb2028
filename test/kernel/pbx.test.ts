import t, { type Test } from 'tap'
import {
  conntrackEntries,
  endpointText,
  expectations,
  SipPeer,
  type SipText,
  sdpText,
  UdpEndpoint,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { call, hears, Scene, type SceneOptions, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

/** Where the PBX is: behind the gateway with its port forwarded, on the gateway's inside address, or on its outside address. */
type Place = 'forwarded' | 'own inside address' | 'own outside address'

interface Pbx {
  readonly scene: Scene
  readonly pbx: SipPeer
  /** The PBX's address, and where the outside reaches it. */
  readonly address: string
  readonly outside: Endpoint
  media(port: number): Promise<UdpEndpoint>
}

async function open(t: Test, place: Place, family: 4 | 6, options: SceneOptions = {}): Promise<Pbx> {
  const inside = place === 'forwarded' ? 'lan0' : 'lo'
  const helper = { mode: 'pbx', inside: [inside], media: { ports: [30000, 30100] }, ...options.helper } as const
  const scene = await Scene.open({ family, ...options, helper })
  t.teardown(() => scene.close())
  const address =
    place === 'forwarded'
      ? scene.phoneAddress()
      : scene.address(place === 'own inside address' ? 'gatewayInside' : 'gatewayOutside')
  const host = address.includes(':') ? `[${address}]` : address
  // The administrator's part: what is forwarded, and what may come in.
  scene.lab.gateway.nft(`table inet admin {
    chain forwarded {
      type nat hook prerouting priority -100;
      ${place === 'own outside address' ? '' : `iifname "wan0" udp dport 5060 dnat ${family === 4 ? 'ip' : 'ip6'} to ${host}:5060`}
    }
    chain input {
      type filter hook input priority 0; policy drop;
      ct state established,related accept
      udp dport 5060 accept
      meta l4proto icmpv6 accept
    }
  }
  insert rule inet lab forward iifname "wan0" oifname "lan0" udp dport 5060 accept`)
  const namespace = place === 'forwarded' ? scene.lab.phone : scene.lab.gateway
  const endpoints: UdpEndpoint[] = []
  const media = async (port: number) => {
    const endpoint = await UdpEndpoint.open(namespace, { address, port })
    endpoints.push(endpoint)
    t.teardown(() => endpoint.close())
    return endpoint
  }
  const pbx = new SipPeer(await media(5060), 'pbx')
  return { scene, pbx, address, outside: { address: scene.address('gatewayOutside'), port: 5060 }, media }
}

/** Everything in a message that the far side must not see, or must see. */
const wholeText = ({ startLine, headers, body }: SipText): string =>
  [startLine, ...headers.map(([name, value]) => `${name}: ${value}`), body].join('\n')

const cases = (['forwarded', 'own inside address', 'own outside address'] as const).flatMap((place) =>
  ([4, 6] as const).map((family) => [place, family] as const),
)

for (const [place, family] of cases) {
  t.test(`PBX ${place}, IPv${family}: a call from a phone outside`, { skip }, async (t) => {
    const { scene, pbx, address, outside, media } = await open(t, place, family)
    const phone = new SipPeer(await scene.outside(5060), 'phone')
    const [audio, far] = [await media(4000), await scene.outside(6000, 'mediaServer')]
    const stranger = await scene.outside(6000, 'stranger')
    const setup = { caller: phone, callee: pbx, to: outside, callerMedia: far.local, calleeMedia: audio.local }
    const { invite, arrived, answered } = await call(setup)
    t.equal(arrived.uri, `sip:${endpointText({ address, port: 5060 })}`, 'the PBX is asked by its own address')
    t.match(answered.get('Contact'), endpointText(outside), 'and known by the outside one')
    if (place !== 'own outside address') t.notMatch(wholeText(answered), address, 'its own does not get out')
    const way = target(answered)
    t.equal(way.address, outside.address)
    t.match(await hears(far, way, audio), { packets: 5, from: far.local }, 'audio in')
    t.match(await hears(audio, far.local, far), { packets: 5, from: way }, 'audio out')
    t.match(await hears(stranger, way, audio), { packets: 0 }, 'a stranger is not heard')

    // The PBX hangs up, by the phone's Contact.
    await pbx.request('BYE', arrived.from!, {
      callId: invite.get('Call-ID'),
      cseq: 9,
      headers: [
        ['From', answered.get('To')],
        ['To', answered.get('From')],
      ],
    })
    const bye = await phone.receiveRequest('BYE')
    t.match(bye.get('Via'), endpointText(outside))
    await phone.respond(bye, 200)
    const done = await pbx.response(200)
    t.match(done.get('Via'), endpointText({ address, port: 5060 }), 'the PBX gets its own Via back')
    t.match(await hears(far, way, audio), { packets: 0 }, 'after BYE nothing comes in')
    t.same(await expectations(scene.lab.gateway), [])
    t.same([scene.refusals, scene.errors], [[], []])
    t.match(scene.sip.status().sizes, { calls: 0, ports: 0, bindings: 0, pinholes: 0, flows: 0 })
  })

  t.test(`PBX ${place}, IPv${family}: a call to a provider with its media elsewhere`, { skip }, async (t) => {
    const { scene, pbx, address, outside, media } = await open(t, place, family)
    const provider = new SipPeer(await scene.outside(5060), 'provider')
    const [audio, far] = [await media(4002), await scene.outside(6002, 'mediaServer')]
    const to = provider.endpoint.local
    const setup = { caller: pbx, callee: provider, to, callerMedia: audio.local, calleeMedia: far.local }
    const { invite, arrived, answered } = await call(setup)
    if (place !== 'own outside address') t.notMatch(wholeText(arrived), address, 'its own address does not get out')
    t.match(arrived.get('Via'), endpointText(outside))
    t.match(arrived.get('Contact'), endpointText(outside))
    t.equal(answered.get('Via').split(';')[0], invite.get('Via').split(';')[0])
    const way = target(arrived)
    t.match(await hears(far, way, audio), { packets: 5 }, 'audio in')
    t.match(await hears(audio, far.local, far), { packets: 5, from: way }, 'audio out')
    t.same([scene.refusals, scene.errors], [[], []])
  })
}

for (const place of ['forwarded', 'own outside address'] as const) {
  t.test(`PBX ${place}: a phone behind its own NAT is latched`, { skip }, async (t) => {
    const { scene, pbx, outside, media } = await open(t, place, 4)
    const phone = new SipPeer(await scene.outside(41000), 'phone')
    const [audio, natted, second] = [await media(4000), await scene.outside(42000), await scene.outside(43000)]
    const invite = await phone.request('INVITE', outside, {
      body: sdpText({ address: '192.168.99.5', ports: [4000] }),
      headers: [['Contact', '<sip:phone@192.168.99.5>']],
    })
    const arrived = await pbx.receiveRequest('INVITE')
    t.match(arrived.get('Contact'), '192.168.99.5', 'its own private address is left to the PBX')
    await pbx.respond(arrived, 200, { body: sdpText({ address: audio.local.address, ports: [4000] }) })
    const answered = await phone.response(200)
    await phone.ack(invite, answered, outside)
    await pbx.receiveRequest('ACK')
    t.match(await hears(natted, target(answered), audio), { packets: 5 }, 'the first port is it')
    t.match(await hears(audio, natted.local, natted), { packets: 5 })
    t.match(await hears(second, target(answered), audio), { packets: 0 }, 'a second one is not')
  })
}

t.test('a phone outside registers with the PBX and is called', { skip }, async (t) => {
  const { scene, pbx, outside, media } = await open(t, 'forwarded', 4)
  const phone = new SipPeer(await scene.outside(5060), 'phone')
  const register = await phone.register(outside)
  const arrived = await pbx.receiveRequest('REGISTER')
  t.equal(arrived.get('Contact'), register.get('Contact'))
  await pbx.respond(arrived, 200, { headers: [['Contact', `${arrived.get('Contact')};expires=300`]] })
  const granted = await phone.response(200)
  t.equal(granted.get('Via').split(';')[0], register.get('Via').split(';')[0])
  t.same(scene.sip.registrations(), [], 'it is not ours to keep a way open for')
  const [audio, far] = [await media(4000), await scene.outside(6000)]
  const setup = { caller: pbx, callee: phone, to: arrived.from!, callerMedia: audio.local, calleeMedia: far.local }
  const { arrived: rung } = await call(setup)
  t.match(rung.get('Contact'), endpointText(outside), 'by the port that is forwarded')
  t.match(await hears(far, target(rung), audio), { packets: 5 })
})

t.test('masquerade with a PBX', { skip }, async (t) => {
  const { scene, pbx, address, outside, media } = await open(t, 'forwarded', 4, {
    nat: 'none',
    helper: { masquerade: true },
  })
  const phone = new SipPeer(await scene.outside(5060), 'phone')
  const [audio, far] = [await media(4000), await scene.outside(6000)]
  const setup = { caller: phone, callee: pbx, to: outside, callerMedia: far.local, calleeMedia: audio.local }
  const { answered } = await call(setup)
  t.notMatch(wholeText(answered), address)
  t.match(await hears(far, target(answered), audio), { packets: 5 })
  t.match(await hears(audio, far.local, far), { packets: 5, from: target(answered) })
  t.ok((await conntrackEntries(scene.lab.gateway)).length > 0)
})
