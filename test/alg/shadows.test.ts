import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { Shadows } from '../../lib/alg/shadows.js'
import { Standing } from '../../lib/alg/standing.js'
import { LocalStream, Path } from '../../lib/call/index.js'
import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Transport } from '../../types/flow.js'
import { endpoint, INSIDE, OUTSIDE, PEER } from '../call/world.js'

const phone = endpoint(INSIDE, 5060)
const gate = endpoint(OUTSIDE, 40000)
const knocker = endpoint(PEER, 5070)
const UDP = 17
const nobody = { callId: undefined }

const wayOf = (from: string | undefined, inside = phone, outside = gate, transport: Transport = 'udp'): Standing => {
  const family: Family = outside.address.includes(':') ? 6 : 4
  return new Standing(Path.signalling(family, { transport, inside, outside, implied: undefined }, from, nobody), 0, 0)
}

/** Somebody's packet ended at the gateway itself. */
function knock(source: Endpoint, destination: Endpoint, more: Partial<ConntrackEntry> = {}): ConntrackEntry {
  const family: Family = source.address.includes(':') ? 6 : 4
  const common = { family, protocol: UDP }
  return {
    original: { ...common, source, destination },
    reply: { ...common, source: destination, destination: source },
    id: 7,
    ...more,
  }
}

async function found(standing: Standing, ...entries: ConntrackEntry[]): Promise<number> {
  const shadows = new Shadows()
  shadows.note(standing)
  const operations = await shadows.look(0, async ({ family, status, statusMask }) => {
    t.same([status, statusMask], [0, 3], 'unanswered, and not expected')
    return entries.filter(({ original }) => original.family === family)
  })
  for (const it of operations) t.match(it, { kind: 'delete-conntrack', id: 7 })
  return operations.length
}

t.test('who knocked, and would be let in now', async (t) => {
  t.equal(await found(wayOf(PEER), knock(knocker, gate)), 1)
  t.equal(await found(wayOf(undefined), knock(knocker, gate)), 1, 'anybody')
  t.equal(await found(wayOf('198.51.100.0/24'), knock(knocker, gate)), 1, 'a network')
  const v6 = endpoint('2001:db8::1', 40000)
  const far = '2001:db8:9::2'
  t.equal(await found(wayOf(far, endpoint('fd00::10', 5060), v6), knock(endpoint(far, 5070), v6)), 1)
  t.equal(await found(wayOf(PEER), knock(knocker, gate), knock(endpoint(PEER, 5080), gate)), 2)
})

t.test('others are left alone', async (t) => {
  const elsewhere = endpoint(OUTSIDE, 40001)
  t.equal(await found(wayOf(PEER), knock(knocker, elsewhere)), 0, 'another port')
  t.equal(await found(wayOf(PEER), knock(endpoint('192.0.2.9', 5070), gate)), 0, 'one who is not let in')
  const { reply } = knock(knocker, endpoint('192.168.7.99', 5060))
  t.equal(await found(wayOf(PEER), knock(knocker, gate, { reply })), 0, 'forwarded by a rule of the administrator')
  const { original } = knock(knocker, gate)
  t.equal(await found(wayOf(PEER), knock(knocker, gate, { master: original })), 0)
  const tcp = knock(knocker, gate, { original: { ...original, protocol: 6 } })
  t.equal(await found(wayOf(PEER), tcp), 0)
})

t.test('media: RTP and RTCP, each until somebody has been let in', async (t) => {
  const local = new LocalStream(endpoint(INSIDE, 4000), OUTSIDE, 4, { transport: 'udp', rtcpPort: 4001, count: 1 })
  local.outsidePort = 30_000
  const far = endpoint(PEER, 6000)
  const farRtcp = endpoint(PEER, 6001)
  const spec = { far, farRtcp, inbound: true, outbound: true, early: false, owner: { callId: 'c' } } as const
  const knocks = [knock(endpoint(PEER, 6100), endpoint(OUTSIDE, 30_000)), knock(knocker, endpoint(OUTSIDE, 30_001))]
  const standing = new Standing(Path.media(local, { ...spec, source: 'latch' }), 0, 0)
  t.equal(await found(standing, ...knocks), 2)
  const flow = { id: 1, component: 0, isInbound: true, farAddress: PEER, farPort: 6000 }
  standing.flows = [{ ...flow, isInbound: false }]
  t.equal(await found(standing, ...knocks), 2, 'what goes out only waits for what comes in')
  standing.flows = [flow]
  t.equal(await found(standing, ...knocks), 1)
  const shadows = new Shadows()
  for (const other of [{ source: 'exact' }, { source: 'latch', inbound: false }] as const)
    shadows.note(new Standing(Path.media(local, { ...spec, ...other }), 0, 0))
  t.same(await shadows.look(0, () => Promise.reject(new Error('nobody asks'))), [])
})

t.test('one look in a second, and only for ways that nobody has looked for and that stand', async (t) => {
  const shadows = new Shadows()
  let looks = 0
  const look = (now: number, takesMs = 0) =>
    shadows.look(now, async () => {
      looks++
      await setTimeout(takesMs)
      return [knock(knocker, gate)]
    })
  t.same(await look(0), [])
  shadows.note(wayOf(PEER))
  t.equal((await look(1000)).length, 1)
  shadows.note(wayOf(PEER))
  t.same(await look(1999), [])
  t.equal((await look(20_000, 50)).length, 1)
  shadows.note(wayOf(PEER))
  t.same(await look(22_400), [], 'a look of 50 ms is paid off after 2.5 s')
  t.equal((await look(900_000)).length, 1)
  t.same(await look(910_000), [])
  t.equal(looks, 3)
  const shut = wayOf(PEER)
  shadows.note(shut)
  shadows.forget(shut)
  shadows.note(wayOf(PEER, phone, phone))
  shadows.note(wayOf(PEER, phone, gate, 'tcp'))
  t.same(await look(1_000_000), [])
  t.equal(looks, 3)
})
