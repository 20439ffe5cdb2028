import { once } from 'node:events'
import t, { type Test } from 'tap'
import { ConeNat } from '../../lib/index.js'
import {
  conntrackEntries,
  expectations,
  type GatewayLab,
  gatewayLab,
  nftRuleset,
  pause,
  UdpEndpoint,
  until,
  whyNoLab,
} from '../../lib/testing/index.js'
import type { ConeNatOptions } from '../../types/cone.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { translation } from './scene.js'

const skip = whyNoLab('nft', 'conntrack')
const STUN = 3478

class Cone {
  readonly lab: GatewayLab
  readonly nat: ConeNat
  readonly errors: Error[] = []
  readonly refusals: string[] = []
  readonly family: Family
  readonly #endpoints: UdpEndpoint[] = []

  private constructor(family: Family, options: Partial<ConeNatOptions>) {
    this.family = family
    this.lab = gatewayLab({ family, phones: 2 })
    const interfaces = { inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path }
    this.nat = new ConeNat({ ...interfaces, ports: [STUN], ...translation(), ...options })
    this.nat.on('error', (error) => this.errors.push(error))
    this.nat.on('refused', ({ reason }) => this.refusals.push(reason))
  }

  static async open(t: Test, family: Family, options: Partial<ConeNatOptions> = {}): Promise<Cone> {
    const cone = new Cone(family, options)
    t.teardown(async () => {
      await cone.nat.stop()
      for (const endpoint of cone.#endpoints) endpoint.close()
      cone.lab.close()
    })
    await cone.nat.start()
    return cone
  }

  async endpoint(
    where: 'phone' | 'provider',
    addresses: { v4: string; v6: string },
    port: number,
  ): Promise<UdpEndpoint> {
    const address = this.family === 4 ? addresses.v4 : addresses.v6
    const endpoint = await UdpEndpoint.open(this.lab[where], { address, port })
    this.#endpoints.push(endpoint)
    return endpoint
  }

  inside = (port: number, phone = 0) => this.endpoint('phone', this.lab.phones[phone]!, port)
  server = (port: number) => this.endpoint('provider', this.lab.registrar, port)
  other = (port: number) => this.endpoint('provider', this.lab.stranger, port)
}

/** Whether what `from` sends to `to` arrives at `at`. */
async function reaches(from: UdpEndpoint, to: Endpoint, at: UdpEndpoint): Promise<boolean> {
  const text = `hello ${Math.random()}`
  await from.send(text, to)
  const heard = at.receive().then(({ bytes }) => bytes.toString() === text)
  return Promise.race([heard.catch(() => false), pause(150).then(() => false)])
}

/** Asks, and says from where the server saw it. */
async function ask(from: UdpEndpoint, server: UdpEndpoint): Promise<Endpoint> {
  await from.send('binding request', server.local)
  return (await server.receive()).from
}

for (const family of [4, 6] as const) {
  for (const filtering of ['restricted', 'full'] as const) {
    t.test(`IPv${family}, ${filtering}: who gets in`, { skip }, async (t) => {
      const cone = await Cone.open(t, family, { filtering })
      const [server, otherPort, stranger] = [await cone.server(STUN), await cone.server(3479), await cone.other(3478)]
      const phone = await cone.inside(40_000)
      const mapped = await ask(phone, server)
      t.match(cone.nat.ways(), [{ kind: 'signalling', inside: phone.local, outside: mapped }])
      t.equal((await expectations(cone.lab.gateway)).length, 1, 'witness: conntrack -L expect')
      t.ok(await reaches(server, mapped, phone), 'the answer')
      t.ok(await reaches(otherPort, mapped, phone), 'from another port of the asked host')
      t.equal(await reaches(stranger, mapped, phone), filtering === 'full', 'from another host')
      t.same(cone.errors, [])
    })
  }
}

t.test('without it nobody else gets in, and afterwards neither', { skip }, async (t) => {
  const cone = await Cone.open(t, 4, { filtering: 'full' })
  const [other, unlisted] = [await cone.server(3479), await cone.server(5000)]
  const phone = await cone.inside(41_000)
  const mapped = await ask(phone, unlisted)
  t.notOk(await reaches(other, mapped, phone), 'a flow to a port that is not listed')
  const asked = await ask(await cone.inside(41_002), await cone.server(STUN))
  t.equal(cone.nat.ways().length, 1)
  await cone.nat.stop()
  t.same(await expectations(cone.lab.gateway), [])
  const tables = (await nftRuleset(cone.lab.gateway)).flatMap((it) => it.table?.name ?? [])
  t.same(tables, ['lab'])
  t.notOk(await reaches(await cone.other(9000), asked, await cone.inside(41_004)))
})

t.test('a way is shut when the flows that asked for it are gone, and not before', { skip }, async (t) => {
  const cone = await Cone.open(t, 4, { lifetimeSec: 1 })
  const closed = once(cone.nat, 'way').then(() => once(cone.nat, 'way'))
  const [phone, server, otherPort] = [await cone.inside(40_000), await cone.server(STUN), await cone.server(3479)]
  const mapped = await ask(phone, server)
  await pause(2500)
  t.equal(cone.nat.ways().length, 1, 'its flow lives')
  cone.lab.gateway.runSync(['conntrack', '-D', '-p', 'udp', '--dport', String(STUN)])
  const [{ kind }] = (await closed) as unknown as [{ kind: string }]
  t.equal(kind, 'close')
  await until(async () => (await expectations(cone.lab.gateway)).length === 0)
  t.notOk(await reaches(otherPort, mapped, phone))
})

t.test('budgets: flows beyond them pass without a way', { skip }, async (t) => {
  const cone = await Cone.open(t, 4, { budgets: { ways: 3, waysPerHost: 2 } })
  const server = await cone.server(STUN)
  for (const port of [40_000, 40_002, 40_004]) await ask(await cone.inside(port), server)
  t.same(cone.refusals, ['host-ways-exhausted'])
  for (const port of [40_000, 40_002]) await ask(await cone.inside(port, 1), server)
  t.same(cone.refusals, ['host-ways-exhausted', 'ways-exhausted'])
  t.equal(cone.nat.ways().length, 3)
  t.equal(
    (await conntrackEntries(cone.lab.gateway)).filter(({ original }) => original.destination.port === STUN).length,
    5,
  )
})
