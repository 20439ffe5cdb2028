import t from 'tap'
import { expectations, SipPeer, whyNoLab } from '../../lib/testing/index.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')

const renewed = { 4: '198.51.100.77', 6: '2001:db8:1::77' } as const

/** What a provider does at night: the outside interface gets another address, and loses the one it had. */
async function renew(scene: Scene): Promise<string> {
  const { gateway } = scene.lab
  const [address, length] = [renewed[scene.family], scene.family === 4 ? 24 : 64]
  const ip = (...words: string[]) => gateway.exec(['ip', ...words, 'dev', 'wan0'])
  const steps = [
    await ip('addr', 'del', `${scene.address('gatewayOutside')}/${length}`),
    await ip('addr', 'add', `${address}/${length}`, ...(scene.family === 6 ? ['nodad'] : [])),
  ]
  const failed = steps.find(({ code }) => code !== 0)
  if (failed) throw new Error(failed.stderr)
  return address
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: the outside address changes under a registration and a call`, { skip }, async (t) => {
    const nat = family === 4 ? 'masquerade' : 'nat66'
    const scene = await Scene.open({ family, nat, helper: { media: { ports: [30000, 30100] } } })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const server = new SipPeer(await scene.outside(5060), 'bob')
    const [audio, far] = [await scene.inside(4000), await scene.outside(6000, 'mediaServer')]
    const to = server.endpoint.local
    const register = async (seconds: number) => {
      await alice.register(to, seconds)
      const request = await server.receiveRequest('REGISTER')
      const contact = `${request.get('Contact')};expires=${seconds}`
      await server.respond(request, 200, { headers: [['Contact', seconds === 0 ? '' : contact]] })
      t.match((await alice.response(200)).get('Contact'), seconds === 0 ? '' : alice.contact)
      return request
    }
    const callOut = () => call({ caller: alice, callee: server, to, callerMedia: audio.local, calleeMedia: far.local })

    await register(300)
    const old = await callOut()
    t.match(await hears(far, target(old.arrived), audio), { packets: 5 })

    const address = await renew(scene)
    const again = await register(300)
    t.match(again.get('Contact'), address)
    t.match(
      scene.sip.registrations(),
      [{ inside: alice.endpoint.local, outside: { address } }],
      'one, at the new address',
    )

    // The call of before has lost its way, with or without us; the phone ends it.
    await alice.inDialog('BYE', old.invite, old.answered, to)
    await server.respond(await server.receiveRequest('BYE'), 200)
    await alice.response(200)
    t.same(scene.sip.calls(), [])

    const out = await callOut()
    t.equal(target(out.arrived).address, address)
    t.match(await hears(far, target(out.arrived), audio), { packets: 5, from: far.local }, 'a call out: audio in')
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(out.arrived) }, 'audio out')
    await alice.inDialog('BYE', out.invite, out.answered, to)
    await server.respond(await server.receiveRequest('BYE'), 200)
    await alice.response(200)

    const setup = { caller: server, callee: alice, callerMedia: far.local, calleeMedia: audio.local }
    const { invite, answered } = await call({ ...setup, to: { address, port: 5060 } })
    t.match(await hears(audio, far.local, far), { packets: 5, from: target(answered) }, 'a call in: audio out')
    t.match(await hears(far, target(answered), audio), { packets: 5, from: far.local }, 'audio in')
    await server.inDialog('BYE', invite, answered, { address, port: 5060 })
    await alice.respond(await alice.receiveRequest('BYE'), 200)
    await server.response(200)
    await register(0)
    t.same(await expectations(scene.lab.gateway), [])
    t.match(scene.sip.status().sizes, { calls: 0, registrations: 0, ports: 0, bindings: 0, pinholes: 0, flows: 0 })
    t.same(scene.refusals, [])
    t.same(scene.errors, [])
  })
}
