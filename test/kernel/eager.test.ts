import { once } from 'node:events'
import t from 'tap'
import { SipPeer, sdpText, whyNoLab } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { call, hears, Scene, target } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const CALLS = 12

/** Sends without a pause until it is ended; says `speaking` after the first. Bounded at five seconds. */
const TALKER = `
const [address, port, toAddress, toPort] = process.argv.slice(1)
const socket = require('node:dgram').createSocket(address.includes(':') ? 'udp6' : 'udp4')
const end = Date.now() + 5000
const burst = () => {
  if (Date.now() > end) return process.exit()
  for (let i = 0; i < 20; i++) socket.send('early', Number(toPort), toAddress, i < 19 ? undefined : burst)
}
socket.bind(Number(port), address, () => socket.send('early', Number(toPort), toAddress, () => { console.log('speaking'); burst() }))
`

/** A process that is `from`, and speaks to `to` all the time; the returned function silences it. */
async function talker(scene: Scene, from: Endpoint, to: Endpoint): Promise<() => Promise<void>> {
  const ends = [from.address, String(from.port), to.address, String(to.port)]
  const child = scene.lab.phone.spawn([process.execPath, '-e', TALKER, ...ends], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await once(child.stdout!, 'data')
  return async () => {
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
}

/**
 * A phone speaks when it has said its answer, which is before this has come as far as the gateway. What it says meanwhile makes a
 * conntrack with a port of its own, which nothing that opens later would replace.
 */
for (const family of [4, 6] as const) {
  t.test(`IPv${family}: phones that speak before their way stands, and do not stop`, { skip }, async (t) => {
    const scene = await Scene.open({
      family,
      nat: family === 4 ? 'masquerade' : 'nat66',
      helper: { media: { ports: [30000, 30100] } },
    })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const to = bob.endpoint.local
    const heard: unknown[] = []
    const expected: unknown[] = []
    for (let n = 0; n < CALLS; n++) {
      const callerMedia = { address: alice.endpoint.local.address, port: 4000 + 2 * n }
      const far = await scene.outside(6000 + 2 * n, 'mediaServer')
      const silence = await talker(scene, callerMedia, far.local)
      const { arrived } = await call({ caller: alice, callee: bob, to, callerMedia, calleeMedia: far.local })
      await silence()
      const audio = await scene.inside(callerMedia.port)
      const advertised = target(arrived)
      heard.push([await hears(far, advertised, audio, 3), await hears(audio, far.local, far, 3)])
      expected.push([
        { packets: 3, from: far.local },
        { packets: 3, from: advertised },
      ])
    }
    t.same(heard, expected)
  })
}

t.test(
  'a far end that speaks before its way stands, from a port that nobody announced, and does not stop',
  { skip },
  async (t) => {
    // Without ports of its own for media, nothing keeps what comes early from the gateway itself.
    const scene = await Scene.open({ nat: 'masquerade', helper: {} })
    t.teardown(() => scene.close())
    const alice = new SipPeer(await scene.inside(5060), 'alice')
    const bob = new SipPeer(await scene.outside(5060), 'bob')
    const audio = await scene.inside(4000)
    const announced = await scene.outside(6000, 'mediaServer')
    const far = await scene.outside(6100, 'mediaServer')
    const to = bob.endpoint.local
    await alice.request('INVITE', to, { body: sdpText({ address: audio.local.address, ports: [4000] }) })
    const arrived = await bob.receiveRequest('INVITE')
    t.match(await hears(far, target(arrived), audio), { packets: 0 }, 'nobody knows of the media server yet')
    await bob.respond(arrived, 200, { body: sdpText({ address: announced.local.address, ports: [6000] }) })
    await alice.response(200)
    let packets = 0
    for (let i = 0; i < 200 && packets === 0; i++) packets = (await hears(far, target(arrived), audio)).packets
    t.ok(packets > 0)
    t.match(await hears(audio, announced.local, announced), { packets: 5, from: target(arrived) })
    t.same(scene.errors, [])
  },
)
