import t from 'tap'
import {
  conntrackEntries,
  endpointText,
  expectations,
  type Namespace,
  nftRuleset,
  SipPeer,
  scaled,
  sdpText,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { CliLab, ring } from './cli-run.js'
import { call, hears, Scene, type SceneOptions, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

interface NftKey {
  readonly elem: { readonly val: { readonly concat: readonly (string | number)[] }; readonly expires: number }
}

/** What nft(8) shows in the maps of our table: `map: key => value`, and the seconds that are left. */
async function entries(gateway: Namespace): Promise<{ readonly text: string; readonly leftSec: number }[]> {
  const found: { text: string; leftSec: number }[] = []
  for (const { map } of await nftRuleset(gateway)) {
    if (map?.table !== 'cthelper' || map.elem === undefined) continue
    for (const [{ elem }, { concat }] of map.elem as [NftKey, { concat: (string | number)[] }][])
      found.push({ text: `${map.name}: ${elem.val.concat.join(' ')} => ${concat.join(' ')}`, leftSec: elem.expires })
  }
  return found.sort((a, b) => (a.text < b.text ? -1 : 1))
}

const texts = async (gateway: Namespace): Promise<string[]> => (await entries(gateway)).map(({ text }) => text)
const plain = ({ address, port }: Endpoint): string => `${address} ${port}`

/** A phone and a far phone, with sockets for their media. */
async function people(options: SceneOptions = {}) {
  const scene = await Scene.open({
    ...options,
    helper: { media: { ports: [30000, 30100] }, translation: 'maps', ...options.helper },
  })
  const alice = new SipPeer(await scene.inside(5060), 'alice')
  const bob = new SipPeer(await scene.outside(5060), 'bob')
  const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
  const to = bob.endpoint.local
  const setup = { caller: alice, callee: bob, to, callerMedia: audio.local, calleeMedia: far.local }
  return { scene, gateway: scene.lab.gateway, alice, bob, audio, far, to, setup }
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: entries come before the description and go with what they are for`, { skip }, async (t) => {
    const nat = family === 4 ? 'masquerade' : 'nat66'
    const { scene, gateway, alice, bob, audio, far, to, setup } = await people({ family, nat })
    t.teardown(() => scene.close())
    t.equal(scene.sip.status().translation, 'maps')
    const { invite, arrived, answered } = await call(setup)
    const advertised = target(arrived)
    const rtcp = ({ address, port }: Endpoint): Endpoint => ({ address, port: port + 1 })
    const way = (inside: Endpoint, outside: Endpoint, from: Endpoint) => [
      `destination_udp${family}: ${from.address} ${plain(outside)} => ${plain(inside)}`,
      `source_udp${family}: ${plain(inside)} ${plain(from)} => ${plain(outside)}`,
    ]
    const wanted = [
      ...way(audio.local, advertised, far.local),
      ...way(rtcp(audio.local), rtcp(advertised), rtcp(far.local)),
    ]
    const media = (await texts(gateway)).filter((text) => text.includes(far.local.address))
    t.same(media, wanted.sort(), 'each way in and each way out')
    const expected = await expectations(gateway)
    t.notOk(
      expected.some((it) => it.class === 2),
      'no holders',
    )
    t.match(await hears(audio, far.local, far), { packets: 5, from: advertised })
    t.match(await hears(far, advertised, audio), { packets: 5, from: far.local })
    await until(async () => (await texts(gateway)).filter((text) => wanted.includes(text)).length === 2, 8000)
    t.pass('RTP has settled, and its entries are given back; RTCP waits')
    await alice.inDialog('BYE', invite, answered, to)
    await bob.respond(await bob.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.same(
      (await texts(gateway)).filter((text) => text.includes(far.local.address)),
      [],
      'none after the call',
    )
    t.same(scene.errors, [])
  })

  t.test(`IPv${family}: outwards first, inwards from a port that nobody announced; a stranger`, { skip }, async (t) => {
    const nat = family === 4 ? 'masquerade' : 'nat66'
    const { scene, gateway, audio, far, setup } = await people({ family, nat, forwardPolicy: 'accept' })
    t.teardown(() => scene.close())
    const { arrived } = await call(setup)
    const [other, stranger] = [await scene.outside(6666, 'mediaServer'), await scene.outside(6000, 'stranger')]
    const advertised = target(arrived)
    t.match(await hears(audio, far.local, far), { packets: 5, from: advertised }, 'outwards')
    t.match(await hears(other, advertised, audio), { packets: 5, from: other.local }, 'inwards')
    t.match(await hears(audio, far.local, far), { packets: 5, from: advertised }, 'outwards as before')
    const third = await scene.outside(6667, 'mediaServer')
    t.match(await hears(third, advertised, audio), { packets: 0 }, 'there are entries, but no way for a second port')
    t.match(await hears(stranger, advertised, audio), { packets: 0 }, 'no rule of a filter keeps the stranger out')
    const translated = (await conntrackEntries(gateway)).filter(
      ({ original, reply }) =>
        original.source.address === stranger.local.address && reply.source.address === audio.local.address,
    )
    t.same(translated, [], 'and no entry lets it in')
  })
}

t.test('the ruleset is flushed under calls that are being set up', { skip }, async (t) => {
  const { scene, gateway, audio, far, setup } = await people()
  t.teardown(() => scene.close())
  const repaired: string[] = []
  scene.sip.on('repair', ({ what }) => repaired.push(what))
  const { arrived } = await call(setup)
  const before = await texts(gateway)
  t.ok(before.length >= 4)
  // What lab and user had is put back with it, as a firewall's reload does.
  gateway.nft(`flush ruleset\n${gateway.runSync(['nft', 'list', 'table', 'inet', 'lab'])}`)
  await until(() => repaired.includes('table'), 5000)
  t.same(await texts(gateway), before, 'the table is back, and its entries with it')
  t.match(await hears(far, target(arrived), audio), { packets: 5, from: far.local })
  t.match(await hears(audio, far.local, far), { packets: 5, from: target(arrived) })
  t.same(scene.errors, [])
})

for (const first of ['far', 'near'] as const) {
  t.test(`entries gone, the ${first} end speaks: its flow is begun anew, translated`, { skip }, async (t) => {
    const { scene, gateway, audio, far, setup } = await people()
    t.teardown(() => scene.close())
    const { arrived } = await call(setup)
    const advertised = target(arrived)
    gateway.runSync(['nft', 'flush', 'map', 'inet', 'cthelper', 'destination_udp4'])
    gateway.runSync(['nft', 'flush', 'map', 'inet', 'cthelper', 'source_udp4'])
    const [from, to, listener] =
      first === 'far' ? ([far, advertised, audio] as const) : ([audio, far.local, far] as const)
    // The first packet is let in, and goes astray: masquerading would give it any port.
    await from.send('astray', to)
    await until(async () => (await texts(gateway)).length >= 2, 5000)
    t.match(await hears(from, to, listener), { packets: 5, from: first === 'far' ? far.local : advertised })
  })
}

t.test('two phones that masquerading gave one port, towards two registrars', { skip }, async (t) => {
  const scene = await Scene.open({ phones: 2, helper: { translation: 'maps' } })
  t.teardown(() => scene.close())
  const phones = [new SipPeer(await scene.inside(5060, 0), 'a'), new SipPeer(await scene.inside(5060, 1), 'b')]
  const registrars = ['registrar', 'mediaServer'] as const
  const outside = { address: scene.address('gatewayOutside'), port: 5060 }
  for (const [n, who] of registrars.entries()) {
    const [phone, server] = [phones[n]!, new SipPeer(await scene.outside(5060, who), who)]
    await phone.register(server.endpoint.local, 600)
    const register = await server.receiveRequest('REGISTER')
    t.match(register.get('Via'), endpointText(outside))
    await server.respond(register, 200, { headers: [['Contact', `${register.get('Contact')};expires=300`]] })
    await phone.response(200)
  }
  for (const [n, who] of registrars.entries()) {
    const server = new SipPeer(await scene.outside(5070, who), who)
    await server.request('INVITE', outside, { body: sdpText({ address: scene.address(who), ports: [6000] }) })
    const arrived = await phones[n]!.receiveRequest('INVITE')
    t.equal(arrived.uri, `sip:${endpointText(phones[n]!.endpoint.local)}`, `the caller's own phone hears ${who}`)
  }
})

t.test('killed: entries end with the lease, and a successor keeps them until then', { skip }, async (t) => {
  const cli = new CliLab()
  t.teardown(() => cli.close())
  const { gateway } = cli.lab
  const lease = Math.ceil(scaled(6000) / 1000)
  const options = ['--translation', 'maps', '--lease', String(lease), '--media-ports', '30000-30099']
  const running = await cli.run(...options)
  t.match(running.stdout, /translated by nft maps/)
  const everybody = await cli.people()
  const { media } = await ring(everybody)
  const before = (await texts(gateway)).filter((text) => text.includes(everybody.far.local.address))
  t.equal(before.length, 4)
  t.equal(await running.end('SIGKILL'), null)
  const next = await cli.run(...options)
  t.teardown(() => next.end('SIGKILL'))
  const kept = await entries(gateway)
  t.same(
    before.filter((text) => !kept.some((it) => it.text === text)),
    [],
    'the successor has them',
  )
  t.ok(
    kept.every(({ leftSec }) => leftSec <= lease),
    'for no longer than the lease',
  )
  t.match(await hears(everybody.far, media, everybody.audio), { packets: 5 }, 'and media of that call begins')
  t.match(await hears(everybody.audio, everybody.far.local, everybody.far), { packets: 5, from: media })
  await until(async () => (await expectations(gateway)).length === 0, (lease + 5) * 1000)
  await until(async () => (await texts(gateway)).length === 0, 5000)
  t.pass('all are gone when the lease is over')
  t.equal(await next.end('SIGTERM'), 0)
})
