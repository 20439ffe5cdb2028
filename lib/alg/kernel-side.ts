import type { Queue, QueuedPacket } from '../../types/nfqueue.js'
import type { Table } from '../../types/nftables.js'
import { type Conntrack, openConntrack } from '../conntrack/index.js'
import { type Nftables, openNftables } from '../nftables/index.js'
import { locate } from '../packet/index.js'
import type { Carrier } from './carrier.js'
import { Flows } from './flows.js'
import { Interfaces } from './interfaces.js'
import { KernelEvents } from './kernel-events.js'
import type { KernelSideSettings } from './kernel-side-options.js'
import { type OpenedPinholes, openPinholes } from './open-pinholes.js'
import { installOwnTable } from './own-table.js'
import type { Translator } from './path-expectations.js'
import type { Pinholes } from './pinholes.js'
import type { VerdictSink } from './pipeline.js'
import { openQueues, type PacketHandler } from './queues.js'
import type { TranslationMaps } from './translation-maps.js'
import type { Undo } from './undo.js'

const TICK_MS = 1000

export interface KernelSideOptions {
  readonly settings: KernelSideSettings
  /** Name of the table that is going to be served. */
  readonly table: string
  readonly undo: Undo
  readonly onError: (error: Error) => void
}

/** What goes into a table of one's own. */
export interface TablePlace {
  /** Interface names as rules meet them. */
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly queue: number
  readonly firstPacketQueue?: number
}

export interface ServeOptions {
  /** Every packet gets exactly one verdict. */
  readonly handler: PacketHandler
  table(place: TablePlace): Table
  /** Once a second; leases are renewed after it. */
  tick(now: number): Promise<void>
}

/**
 * What a helper without SIP needs of the kernel, opened in order and taken back by `undo` in reverse: interfaces, conntrack, pinholes
 * under a carrier, flows, and once there is somebody to `serve`, the queues and a table of its own.
 */
export class KernelSide {
  readonly #options: KernelSideOptions
  readonly interfaces: Interfaces
  readonly conntrack: Conntrack
  readonly carrier: Carrier
  readonly pinholes: Pinholes
  readonly flows: Flows
  readonly #nftables: Nftables
  readonly #maps: TranslationMaps | undefined
  /** Who translates what ways let in. */
  readonly translator: Translator
  #queues: readonly Queue[] = []

  private constructor(
    options: KernelSideOptions,
    interfaces: Interfaces,
    conntrack: Conntrack,
    nftables: Nftables,
    { carrier, maps, pinholes }: OpenedPinholes,
  ) {
    this.#options = options
    this.#nftables = nftables
    this.#maps = maps
    this.translator = maps ? 'maps' : 'function'
    this.interfaces = interfaces
    this.conntrack = conntrack
    this.carrier = carrier
    this.pinholes = pinholes
    this.flows = new Flows({
      get: (tuple) => conntrack.get(tuple),
      bindingOf: (inside, outside) => ({ transport: 'udp', inside, outside, implied: undefined }),
      heldBinding: () => undefined,
    })
  }

  static async open(options: KernelSideOptions): Promise<KernelSide> {
    const { settings, table, undo, onError } = options
    const { netns, inside, outside, leaseSec, translation } = settings
    const interfaces = await Interfaces.open({ netns, inside, outside, onError })
    undo.push(() => interfaces.close())
    const conntrack = await openConntrack(netns === undefined ? {} : { netns })
    undo.push(() => conntrack.close())
    const nftables = openNftables({ netns })
    undo.push(() => nftables.close())
    const opened = await openPinholes({ conntrack, nftables, table, leaseSec, translation, undo })
    const side = new KernelSide(options, interfaces, conntrack, nftables, opened)
    const { flows, pinholes } = side
    const events = new KernelEvents({ conntrack, flows, pinholes, now: Date.now, onRepair: () => undefined, onError })
    undo.push(() => events.close())
    return side
  }

  get queues(): readonly Queue[] {
    return this.#queues
  }

  /** Packets come from now on. */
  async serve({ handler, table, tick }: ServeOptions): Promise<void> {
    const { settings, undo, onError } = this.#options
    const { netns, queue } = settings
    this.#queues = await openQueues({ netns, number: queue, asks: true, handler, undo, onError })
    await installOwnTable({
      nftables: this.#nftables,
      table: () => table(this.#place()),
      maps: this.#maps,
      undo,
      onRepair: () => undefined,
      onError,
    })
    const everySecond = async () => {
      await tick(Date.now())
      await this.pinholes.tick(Date.now())
    }
    const timer = setInterval(() => void everySecond().catch(onError), TICK_MS)
    undo.push(() => clearInterval(timer))
  }

  #place(): TablePlace {
    const [inside, outside] = [this.interfaces.ruleNames('inside'), this.interfaces.ruleNames('outside')]
    const { queue } = this.#options.settings
    const first = this.#queues[1]?.number
    return { inside, outside, queue, ...(first === undefined ? {} : { firstPacketQueue: first }) }
  }

  /** A flow's first datagram before translation, on kernels without NFQA_CT. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    const location = locate(packet.payload)
    if (location.state !== 'found') return sink.verdict(packet, 'accept')
    sink.verdict(packet, 'accept', { mark: this.flows.first(packet, location) })
  }
}
