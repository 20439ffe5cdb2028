import t, { type Test } from 'tap'
import {
  conntrackEntries,
  endpointText,
  expectations,
  SipPeer,
  type SipText,
  sdpText,
  whyNoLab,
} from '../../lib/testing/index.js'
import { openPbxPlace, type PbxPlace, type Place } from './pbx-lab.js'
import { call, hears, type SceneOptions, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

interface Pbx extends PbxPlace {
  readonly pbx: SipPeer
}

async function open(t: Test, place: Place, family: 4 | 6, options: SceneOptions = {}): Promise<Pbx> {
  const at = await openPbxPlace(t, place, family, 'udp', options)
  return { ...at, pbx: new SipPeer(await at.media(5060), 'pbx') }
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
