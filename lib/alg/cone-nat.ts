import { EventEmitter } from 'node:events'
import type { PinholeInfo } from '../../types/call.js'
import type { ConeNatEvents, ConeNatOptions } from '../../types/cone.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import { CthelperError } from '../base/errors.js'
import { type Conntrack, openConntrack } from '../conntrack/index.js'
import { coneTable, openNftables } from '../nftables/index.js'
import { locate } from '../packet/index.js'
import { requireCarrier } from './carrier.js'
import { type ConeSettings, coneSettings } from './cone-options.js'
import { type ConeWay, ConeWays } from './cone-ways.js'
import { type FirstPacket, Flows } from './flows.js'
import { Interfaces, MACHINE } from './interfaces.js'
import { KernelEvents } from './kernel-events.js'
import type { Settings } from './options.js'
import { installOwnTable } from './own-table.js'
import { Pinholes } from './pinholes.js'
import type { VerdictSink } from './pipeline.js'
import { openQueues } from './queues.js'
import { Undo } from './undo.js'

const TICK_MS = 1000

interface Running {
  readonly conntrack: Conntrack
  readonly flows: Flows
  readonly pinholes: Pinholes
  readonly interfaces: Interfaces
}

/**
 * Restricted- or full-cone filtering for chosen outbound UDP flows (RFC 4787 5), by expectations: as long as a flow lives, its inside
 * endpoint can be reached by the outside one that stands for it, from any port of the host it asked, or by anybody. A flow's first packet
 * leaves when its way stands; no other packet comes to user space. What the firewall drops stays dropped: what comes in has
 * `ct state related`.
 *
 * Needs CAP_NET_ADMIN. Throws CthelperError like `SipHelper`: ERR_CONFIG (constructor, and interfaces that do not exist), ERR_PERMISSION,
 * ERR_IN_USE, ERR_UNSUPPORTED, ERR_ADDON, ERR_KERNEL from `start`, which then leaves nothing behind.
 *
 * @example
 * const cone = new ConeNat({ inside: ['lan0'], outside: ['wan0'], ports: [3478], filtering: 'full' })
 * await cone.start()
 */
export class ConeNat extends EventEmitter<ConeNatEvents> {
  readonly #settings: ConeSettings
  readonly #undo = new Undo()
  readonly #ways: ConeWays
  #running: Running | undefined

  constructor(options: ConeNatOptions) {
    super()
    this.#settings = coneSettings(options)
    const { filtering, lifetimeSec, budgets } = this.#settings
    this.#ways = new ConeWays({ filtering, lifetimeMs: lifetimeSec * 1000, ...budgets })
  }

  /** Resolves when packets are being handled. */
  async start(): Promise<void> {
    if (!this.#undo.isEmpty) throw new CthelperError('ERR_IN_USE', 'start', 'this is started already')
    try {
      await this.#start()
    } catch (error) {
      await this.#undo.unwind()
      throw error
    }
  }

  async #start(): Promise<void> {
    const { netns, inside, outside, leaseSec, queue } = this.#settings
    const undo = this.#undo
    const onError = (error: Error) => this.#onError(error)
    const interfaces = await Interfaces.open({ netns, inside, outside, onError })
    undo.push(() => interfaces.close())
    const conntrack = await openConntrack(netns === undefined ? {} : { netns })
    undo.push(() => conntrack.close())
    const carrier = await requireCarrier(conntrack, { leaseSec, translates: true }, undo)
    const pinholes = new Pinholes({ kernel: conntrack, carrier, leaseSec })
    const bindingOf = (from: Endpoint, to: Endpoint) => bind(from, to)
    const flows = new Flows({ get: (tuple) => conntrack.get(tuple), bindingOf, heldBinding: () => undefined })
    const events = new KernelEvents({ conntrack, flows, pinholes, now: Date.now, onRepair: () => undefined, onError })
    undo.push(() => events.close())
    this.#running = { conntrack, flows, pinholes, interfaces }
    undo.push(() => this.#shut(this.#ways.all()))
    const queues = await openQueues({ netns, number: queue, asks: true, handler: this, undo, onError })
    const nftables = openNftables({ netns })
    undo.push(() => nftables.close())
    await installOwnTable({
      nftables,
      table: () => this.#table(queues[1]?.number),
      undo,
      onRepair: () => undefined,
      onError,
    })
    const timer = setInterval(() => void this.#tick().catch(onError), TICK_MS)
    undo.push(() => clearInterval(timer))
  }

  #table(firstPacketQueue: number | undefined) {
    const { ports, queue } = this.#settings
    const { interfaces } = this.#running!
    const [inside, outside] = [interfaces.ruleNames('inside'), interfaces.ruleNames('outside')]
    const first = firstPacketQueue === undefined ? {} : { firstPacketQueue }
    return coneTable({ inside, outside, ports, queue, ...first })
  }

  /** Takes everything back: table, queues, ways. */
  async stop(): Promise<void> {
    const [error] = await this.#undo.unwind()
    this.#running = undefined
    if (error) this.#onError(error as Error)
  }

  /** The ways that stand. */
  ways(): PinholeInfo[] {
    return this.#running?.pinholes.list() ?? []
  }

  /** A flow's first packet before source NAT, on kernels without NFQA_CT. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    const location = locate(packet.payload)
    if (location.state !== 'found' || !this.#running) return sink.verdict(packet, 'accept')
    sink.verdict(packet, 'accept', { mark: this.#running.flows.first(packet, location) })
  }

  /** A flow's first packet in its final form: it goes on, with or without a way. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { flows } = this.#running!
    const first = flows.take(packet.mark)
    const pass = passing(sink, first)
    const bytes = packet.payload
    const location = locate(bytes)
    if (location.state !== 'found') return pass(packet)
    const flow = flows.lookup(packet, bytes, location, 'out', first)
    if (flow === undefined) return pass(packet)
    const held = packet.detach()
    Promise.resolve(flow)
      .then((it) => it && this.#open(it))
      .catch((error: Error) => this.#onError(error))
      .then(() => pass(held))
  }

  async #open(flow: Flow): Promise<void> {
    const now = Date.now()
    const asked = this.#ways.ask(flow, now)
    if (typeof asked === 'string') {
      const { address, port } = flow.binding.inside
      this.emit('refused', { reason: asked, detail: `a flow of ${address} port ${port}` })
      return
    }
    const { way, isNew } = asked
    if (!isNew) return
    const { pinholes } = this.#running!
    const [failure] = await pinholes.apply([way.path], [], now, () => false)
    if (failure) {
      this.#ways.remove(way)
      this.emit('refused', { reason: 'kernel-refused', detail: failure.detail })
    } else this.#tell('open', way)
  }

  #tell(kind: 'open' | 'close', way: ConeWay): void {
    if (this.listenerCount('way') === 0) return
    for (const pinhole of this.#running!.pinholes.describe([way.path])) this.emit('way', { kind, pinhole })
  }

  async #tick(): Promise<void> {
    const running = this.#running
    if (!running) return
    const { conntrack, pinholes } = running
    const unused: ConeWay[] = []
    for (const way of this.#ways.due(Date.now())) {
      const flows = way.flows()
      const entries = await Promise.all(flows.map((tuple) => conntrack.get(tuple)))
      const gone = flows.filter((_, index) => entries[index] === undefined)
      if (!this.#ways.keep(way, gone, Date.now())) unused.push(way)
    }
    await this.#shut(unused)
    await pinholes.tick(Date.now())
  }

  async #shut(ways: readonly ConeWay[]): Promise<void> {
    if (ways.length === 0) return
    for (const way of ways) {
      this.#tell('close', way)
      this.#ways.remove(way)
    }
    const paths = ways.map(({ path }) => path)
    await this.#running!.pinholes.apply([], paths, Date.now(), () => false)
  }

  #onError(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    else process.emitWarning(error)
  }
}

export interface OpenConeOptions {
  readonly settings: Pick<Settings, 'inside' | 'outside' | 'netns' | 'queue' | 'leaseSec' | 'cone'>
  readonly undo: Undo
  onWay(change: ConeNatEvents['way'][0]): void
  onError(error: Error): void
}

/** Starts one beside a SIP helper, its queues behind the helper's own. */
export async function openCone({ settings, undo, onWay, onError }: OpenConeOptions): Promise<ConeNat> {
  const { inside, outside, netns, queue, leaseSec, cone } = settings
  const named = inside.filter((name) => name !== MACHINE)
  const place = { inside: named, outside, ...(netns === undefined ? {} : { netns }) }
  const own = new ConeNat({ ...place, queue: queue + 2, leaseSec, ...cone })
  own.on('error', onError).on('way', onWay)
  await own.start()
  undo.push(() => own.stop())
  return own
}

const bind = (inside: Endpoint, outside: Endpoint) => ({
  transport: 'udp' as const,
  inside,
  outside,
  implied: undefined,
})

/** Accepts a packet with the mark it had before it got a token. */
function passing(sink: VerdictSink, first: FirstPacket | undefined) {
  return (packet: QueuedPacket) => sink.verdict(packet, 'accept', first === undefined ? {} : { mark: first.mark })
}
