import { EventEmitter } from 'node:events'
import type { PinholeInfo } from '../../types/call.js'
import type { ConeNatEvents, ConeNatOptions } from '../../types/cone.js'
import type { Flow } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import { CONE_TABLE, coneTable } from '../nftables/index.js'
import { locate } from '../packet/index.js'
import { type ConeSettings, coneSettings } from './cone-options.js'
import { type ConeWay, ConeWays } from './cone-ways.js'
import type { FirstPacket } from './flows.js'
import { MACHINE } from './interfaces.js'
import { KernelSide } from './kernel-side.js'
import { Lifecycle, raise } from './lifecycle.js'
import type { Settings } from './options.js'
import type { VerdictSink } from './pipeline.js'
import type { Undo } from './undo.js'

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
  readonly #lifecycle = new Lifecycle((error) => raise(this, error))
  readonly #ways: ConeWays
  #side: KernelSide | undefined

  constructor(options: ConeNatOptions) {
    super()
    this.#settings = coneSettings(options)
    const { filtering, lifetimeSec, budgets } = this.#settings
    this.#ways = new ConeWays({ filtering, lifetimeMs: lifetimeSec * 1000, ...budgets })
  }

  /** Resolves when packets are being handled. */
  start(): Promise<void> {
    return this.#lifecycle.start(() => this.#start())
  }

  async #start(): Promise<void> {
    const { undo } = this.#lifecycle
    undo.push(() => {
      this.#side = undefined
    })
    const side = await KernelSide.open({
      settings: this.#settings,
      table: CONE_TABLE.name,
      undo,
      onError: (error) => raise(this, error),
    })
    this.#side = side
    undo.push(() => this.#shut(this.#ways.all()))
    const { ports } = this.#settings
    await side.serve({
      handler: {
        handle: (packet, sink) => this.#handle(packet, sink),
        handleFirst: (packet, sink) => side.handleFirst(packet, sink),
      },
      table: (place) => coneTable({ ...place, ports }),
      tick: (now) => this.#tick(now),
    })
  }

  /** Takes everything back: table, queues, ways. */
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  /** The ways that stand. */
  ways(): PinholeInfo[] {
    return this.#side?.pinholes.list() ?? []
  }

  /** A flow's first packet in its final form: it goes on, with or without a way. */
  #handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { flows } = this.#side!
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
      .catch((error: Error) => raise(this, error))
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
    const { pinholes } = this.#side!
    const [failure] = await pinholes.apply([way.path], [], now, () => false)
    if (failure) {
      this.#ways.remove(way)
      this.emit('refused', { reason: 'kernel-refused', detail: failure.detail })
    } else this.#tell('open', way)
  }

  #tell(kind: 'open' | 'close', way: ConeWay): void {
    if (this.listenerCount('way') === 0) return
    for (const pinhole of this.#side!.pinholes.describe([way.path])) this.emit('way', { kind, pinhole })
  }

  async #tick(now: number): Promise<void> {
    const { conntrack } = this.#side!
    const unused: ConeWay[] = []
    for (const way of this.#ways.due(now)) {
      const flows = way.flows()
      const entries = await Promise.all(flows.map((tuple) => conntrack.get(tuple)))
      const gone = flows.filter((_, index) => entries[index] === undefined)
      if (!this.#ways.keep(way, gone, Date.now())) unused.push(way)
    }
    await this.#shut(unused)
  }

  async #shut(ways: readonly ConeWay[]): Promise<void> {
    if (ways.length === 0) return
    for (const way of ways) {
      this.#tell('close', way)
      this.#ways.remove(way)
    }
    const paths = ways.map(({ path }) => path)
    await this.#side!.pinholes.apply([], paths, Date.now(), () => false)
  }
}

export interface OpenConeOptions {
  readonly settings: Pick<Settings, 'inside' | 'outside' | 'netns' | 'queue' | 'leaseSec' | 'translation' | 'cone'>
  readonly undo: Undo
  onWay(change: ConeNatEvents['way'][0]): void
  onError(error: Error): void
}

/** Starts one beside a SIP helper, its queues behind the helper's own. */
export async function openCone({ settings, undo, onWay, onError }: OpenConeOptions): Promise<ConeNat> {
  const { inside, outside, netns, queue, leaseSec, translation, cone } = settings
  const named = inside.filter((name) => name !== MACHINE)
  const place = { inside: named, outside, ...(netns === undefined ? {} : { netns }) }
  const own = new ConeNat({ ...place, queue: queue + 2, leaseSec, translation, ...cone })
  own.on('error', onError).on('way', onWay)
  await own.start()
  undo.push(() => own.stop())
  return own
}

/** Accepts a packet with the mark it had before it got a token. */
function passing(sink: VerdictSink, first: FirstPacket | undefined) {
  return (packet: QueuedPacket) => sink.verdict(packet, 'accept', first === undefined ? {} : { mark: first.mark })
}
