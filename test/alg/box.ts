import { Counters } from '../../lib/alg/counters.js'
import { Flows } from '../../lib/alg/flows.js'
import { Judge, type MessagePolicy } from '../../lib/alg/judge.js'
import { KeepAlive } from '../../lib/alg/keep-alive.js'
import { Pipeline } from '../../lib/alg/pipeline.js'
import { TcpContacts } from '../../lib/alg/tcp-contacts.js'
import { parseAddress } from '../../lib/base/address.js'
import { AddressSet } from '../../lib/base/address-set.js'
import { locate } from '../../lib/packet/index.js'
import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Way } from '../../types/flow.js'
import type { QueuedPacket, VerdictKind, VerdictOptions } from '../../types/nfqueue.js'
import type { SipLimits } from '../../types/sip.js'
import { endpoint, INSIDE, OUTSIDE, PEER, World, type WorldOptions } from '../call/world.js'

export const PHONE = endpoint(INSIDE, 5060)
const NATTED = endpoint(OUTSIDE, 40000)
export const PROXY = endpoint(PEER, 5060)

/** The ends of the flow that every message is on. */
export interface Ends {
  readonly inside: Endpoint
  readonly outside: Endpoint
  readonly peer: Endpoint
}

/** A packet as it stands after source NAT (out), or after destination NAT (in). */
export function packetOf(text: string | Uint8Array, source: Endpoint, destination: Endpoint): Uint8Array {
  const payload = typeof text === 'string' ? Buffer.from(text, 'latin1') : text
  const isV6 = source.address.includes(':')
  const header = isV6 ? 40 : 20
  const packet = Buffer.alloc(header + 8 + payload.length)
  if (isV6) {
    packet.set([0x60, 0, 0, 0, 0, 0, 17, 64])
    packet.writeUInt16BE(8 + payload.length, 4)
  } else {
    packet.set([0x45, 0, 0, 0, 0, 1, 0x40, 0, 64, 17])
    packet.writeUInt16BE(packet.length, 2)
  }
  packet.set([...parseAddress(source.address)!, ...parseAddress(destination.address)!], isV6 ? 8 : 12)
  packet.writeUInt16BE(source.port, header)
  packet.writeUInt16BE(destination.port, header + 2)
  packet.writeUInt16BE(8 + payload.length, header + 4)
  packet.set(payload, header + 8)
  return packet
}

export interface Judged {
  readonly id: number
  readonly kind: VerdictKind
  readonly options: VerdictOptions | undefined
  /** The UDP payload that leaves. */
  readonly text: string
}

export const accepting: MessagePolicy = { notSip: 'accept', malformed: 'accept', failure: 'accept' }

/** A pipeline over the fake kernel; batches can be held back. */
export class Box {
  readonly world: World
  readonly ends: Ends
  readonly counters = new Counters()
  readonly flows: Flows
  readonly judge: Judge
  readonly pipeline: Pipeline
  readonly judged: Judged[] = []
  readonly errors: Error[] = []
  readonly asked: unknown[] = []
  listenerFails = false
  /** What conntrack answers about a flow. */
  get: () => Promise<ConntrackEntry | undefined>
  #next = 1

  constructor(
    policy: MessagePolicy = accepting,
    limits: SipLimits = {},
    ends: Ends = { inside: PHONE, outside: NATTED, peer: PROXY },
    options: WorldOptions = {},
  ) {
    this.ends = ends
    this.world = new World(options)
    const { world, counters } = this
    const { inside, outside, peer } = ends
    const family: Family = inside.address.includes(':') ? 6 : 4
    const out = { family, protocol: 17, source: inside, destination: peer }
    const entry = { original: out, reply: { ...out, source: peer, destination: outside }, id: 7 }
    this.get = () => Promise.resolve(entry)
    this.flows = new Flows({
      get: (tuple) => {
        this.asked.push(tuple)
        return this.get()
      },
      bindingOf: (inside, outside) => world.engine.bindingOf(inside, outside),
      heldBinding: ({ address, port }) => world.engine.bindings.ofInside(address, port, 'udp'),
    })
    this.judge = new Judge({
      peers: new AddressSet([]),
      engine: world.engine,
      contacts: new TcpContacts((error) => void this.errors.push(error)),
      pinholes: world.pinholes,
      keepAlive: new KeepAlive((operations) => world.kernel.batch(operations)),
      counters,
      policy,
      now: () => world.now,
      onHeld: () => undefined,
      onEvent: (event) => {
        world.events.push(event)
        if (this.listenerFails) throw new Error('listener')
      },
      onPinholes: () => undefined,
      onError: (error) => void this.errors.push(error),
    })
    const { judge, flows } = this
    const wayOf = ({ indev }: QueuedPacket) => (indev === 1 ? 'out' : 'in')
    this.pipeline = new Pipeline({
      judge,
      flows,
      counters,
      policy,
      limits,
      answers: { send: () => undefined },
      wayOf,
      outgrown: { fit: (_packet, _location, rebuilt) => rebuilt },
    })
  }

  packet(way: Way, text: string | Uint8Array, mark = 0): QueuedPacket {
    const { inside, outside, peer } = this.ends
    const [source, destination] = way === 'out' ? [outside, peer] : [peer, inside]
    const payload = packetOf(text, source, destination)
    const packet: QueuedPacket = {
      id: this.#next++,
      hook: 'postrouting',
      etherType: this.ends.inside.address.includes(':') ? 0x86dd : 0x0800,
      mark,
      indev: way === 'out' ? 1 : 2,
      outdev: way === 'out' ? 2 : 1,
      physicalIndev: 0,
      physicalOutdev: 0,
      payload,
      originalLength: payload.length,
      conntrack: undefined,
      conntrackInfo: undefined,
      skbInfo: 0,
      detach: () => ({ ...packet, payload: Uint8Array.from(payload), detach: () => packet }),
    }
    return packet
  }

  /** Hands a packet in; its bytes are gone when this returns, as those of a receive buffer. */
  give(packet: QueuedPacket): void {
    this.pipeline.handle(packet, {
      verdict: ({ id, payload }, kind, options) => {
        const bytes = options?.payload ?? payload
        const location = locate(bytes)
        const text =
          location.state === 'found'
            ? Buffer.from(bytes.subarray(location.payload.start, location.payload.end)).toString('latin1')
            : ''
        this.judged.push({ id, kind, options, text })
      },
    })
    packet.payload.fill(0xff)
  }

  async settle(): Promise<void> {
    for (let i = 0; i < 50; i++) await Promise.resolve()
    await new Promise((resolve) => setImmediate(resolve))
  }

  async pass(way: Way, text: string | Uint8Array): Promise<Judged> {
    const packet = this.packet(way, text)
    this.give(packet)
    await this.settle()
    const mine = this.judged.filter(({ id }) => id === packet.id)
    if (mine.length !== 1) throw new Error(`${mine.length} verdicts`)
    return mine[0]!
  }
}
