import t from 'tap'
import { Outgrown } from '../../lib/alg/outgrown.js'
import { locate } from '../../lib/packet/index.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import { packetV4, packetV6 } from '../packet/packets.js'

interface Grown {
  readonly before: Uint8Array
  readonly after: Uint8Array
  readonly mtu: number | undefined
  readonly fields?: Partial<QueuedPacket>
}

function world() {
  const sent: [string, number][] = []
  const errors: string[] = []
  let failure: Error | undefined
  const fit = ({ before, after, mtu, fields }: Grown) => {
    const send = (address: string, packet: Uint8Array) => {
      if (failure) throw failure
      sent.push([address, packet.length])
    }
    const outgrown = new Outgrown({ mtuOf: () => mtu, packets: { send }, onError: (it) => errors.push(it.message) })
    const packet = { outdev: 3, physicalIndev: 0, ...fields } as QueuedPacket
    return outgrown.fit(packet, locate(before) as PacketLocation, after)
  }
  const fails = (error: Error) => {
    failure = error
  }
  return { sent, errors, fit, fails }
}

const [v4, v6] = [(size: number) => packetV4(new Uint8Array(size)), (size: number) => packetV6(new Uint8Array(size))]

t.test('what fits, and what nobody knows the link of, stays as it is', async (t) => {
  const { fit, sent } = world()
  for (const make of [v4, v6]) {
    const [before, after] = [make(1400), make(1440)]
    for (const mtu of [undefined, 1500]) {
      const expected = Uint8Array.from(after)
      t.same(fit({ before, after, mtu }), expected)
    }
    const large = make(1500)
    t.same(fit({ before: large, after: Uint8Array.from(large), mtu: 1500 }), large, 'nor what has not grown')
  }
  t.same(sent, [])
})

t.test('IPv4 may be fragmented, and two at a time are told apart', async (t) => {
  const { fit, sent } = world()
  const identifications = new Set<number>()
  for (let i = 0; i < 2; i++) {
    const after = v4(1500)
    after[4] = after[5] = 0
    const fitted = fit({ before: v4(1400), after, mtu: 1500 })
    t.equal(fitted.length, after.length)
    t.equal(fitted[6]! & 0x40, 0)
    identifications.add(fitted[4]! * 256 + fitted[5]!)
  }
  t.notOk(identifications.has(0))
  t.same(sent, [])
})

t.test('IPv6: the first fragment goes on, the others follow from here', async (t) => {
  const { fit, sent } = world()
  const first = fit({ before: v6(1440), after: v6(1500), mtu: 1500 })
  t.equal(first.length, 1280)
  t.equal(first[6], 44)
  t.same(sent, [['2001:db8:2::9', 48 + 1508 - 1232]])
})

t.test('IPv6 that the kernel fragments itself, that is bridged, or that cannot be sent', async (t) => {
  const { fit, sent, errors, fails } = world()
  const [before, after] = [v6(1600), v6(1700)]
  t.equal(fit({ before, after, mtu: 1500 }), after, 'it was put together before')
  const bridged = { before: v6(1440), after, mtu: 1500, fields: { physicalIndev: 7 } }
  t.equal(fit(bridged), after)
  t.same(sent, [])
  fails(new Error('EPERM'))
  t.equal(fit({ before: v6(1440), after: v6(1500), mtu: 1500 }).length, 1280)
  t.same(errors, ['EPERM'])
})
