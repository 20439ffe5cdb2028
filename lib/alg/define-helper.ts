import { EventEmitter } from 'node:events'
import type { PinholeInfo } from '../../types/call.js'
import type {
  DefinedHelperEvents,
  DefinedHelperStatus,
  DefineHelperOptions,
  HelperRefusal,
} from '../../types/define.js'
import { sipTable } from '../nftables/index.js'
import type { TcpProxy } from '../proxy/index.js'
import { Counters } from './counters.js'
import { type DefinedSettings, definedSettings, type PacketSettings, type StreamSettings } from './define-options.js'
import { HelperPackets } from './define-packets.js'
import { openHelperStreams, streamTable } from './define-streams.js'
import { HelperWays } from './helper-ways.js'
import { KernelSide, type ServeOptions } from './kernel-side.js'
import { Lifecycle, raise } from './lifecycle.js'

/**
 * A connection-tracking helper in user space for a protocol of one's own, as conntrackd has them for C. Over UDP `onPacket` sees the
 * datagrams with their flow; over TCP `onMessage` sees the messages of connections, as `frame` cuts them. Both edit them, and open ways,
 * which stand before what asked for them goes on.
 *
 * Needs CAP_NET_ADMIN. Throws CthelperError like `SipHelper`: ERR_CONFIG (here, and from `start` for interfaces that do not exist),
 * ERR_PERMISSION, ERR_IN_USE, ERR_UNSUPPORTED, ERR_ADDON, ERR_KERNEL from `start`, which then leaves nothing behind.
 *
 * @example
 * const tftp = defineHelper({ name: 'tftp', ports: [69], protocol: 'udp', inside: ['lan0'], outside: ['wan0'], onPacket })
 * await tftp.start()
 */
export const defineHelper = (options: DefineHelperOptions): DefinedHelper => new DefinedHelper(definedSettings(options))

/** What `defineHelper` returns. */
export class DefinedHelper extends EventEmitter<DefinedHelperEvents> {
  readonly #settings: DefinedSettings
  readonly #lifecycle = new Lifecycle((error) => raise(this, error))
  readonly #counters = new Counters()
  readonly #ways: HelperWays
  #side: KernelSide | undefined
  /** Of streams alone. */
  #proxy: TcpProxy<Uint8Array> | undefined

  /** Settings as `defineHelper` has checked them. */
  constructor(settings: DefinedSettings) {
    super()
    this.#settings = settings
    this.#ways = new HelperWays({
      budgets: settings.budgets,
      mediaPorts: settings.mediaPorts,
      counters: this.#counters,
      onWays: (kind, list) => this.#tell(kind, list),
      onRefused: (reason, detail) => this.emit('refused', { reason, detail }),
      onError: (error) => raise(this, error),
    })
  }

  /** Resolves when packets and connections are being handled. */
  start(): Promise<void> {
    return this.#lifecycle.start(() => this.#start())
  }

  async #start(): Promise<void> {
    const settings = this.#settings
    const { undo } = this.#lifecycle
    undo.push(() => this.#forget())
    const table = `cthelper-${settings.name}`
    const side = await KernelSide.open({ settings, table, undo, onError: (error) => raise(this, error) })
    this.#side = side
    this.#ways.serve(side.pinholes)
    undo.push(() => this.#ways.shutAll())
    const served = settings.protocol === 'udp' ? this.#packets(settings, side) : await this.#streams(settings, side)
    await side.serve({
      ...served,
      tick: (now) => {
        this.#proxy?.tick()
        return this.#ways.tick(now)
      },
    })
  }

  #packets(settings: PacketSettings, side: KernelSide): Pick<ServeOptions, 'handler' | 'table'> {
    const { name, ports, mediaPorts, onPacket } = settings
    const packets = new HelperPackets({
      onPacket,
      side,
      ways: this.#ways,
      counters: this.#counters,
      onTooLarge: (detail) => this.#refuse('packet-too-large', detail),
      onError: (error) => raise(this, error),
    })
    this.#lifecycle.undo.push(() => packets.end())
    const own = { name: `cthelper-${name}`, ports, portSet: 'ports', forwardsPorts: true }
    return {
      handler: {
        handle: (packet, sink) => packets.handle(packet, sink),
        handleFirst: (packet, sink) => side.handleFirst(packet, sink),
      },
      table: (place) => sipTable({ ...own, ...(mediaPorts ? { mediaPorts } : {}), ...place }),
    }
  }

  async #streams(settings: StreamSettings, side: KernelSide): Promise<Pick<ServeOptions, 'handler' | 'table'>> {
    const { undo } = this.#lifecycle
    const onError = (error: Error) => raise(this, error)
    const { proxy, requests } = await openHelperStreams({
      settings,
      side,
      ways: this.#ways,
      counters: this.#counters,
      undo,
      onError,
    })
    this.#proxy = proxy
    return { handler: requests, table: (place) => streamTable(settings, place) }
  }

  /** Takes everything back: table, queues, connections, ways. */
  stop(): Promise<void> {
    return this.#lifecycle.stop()
  }

  #forget(): void {
    this.#side = undefined
    this.#proxy = undefined
  }

  /** The ways that stand. */
  pinholes(): PinholeInfo[] {
    return this.#side?.pinholes.list() ?? []
  }

  status(): DefinedHelperStatus {
    const side = this.#side
    return {
      isRunning: side !== undefined,
      counters: this.#counters.snapshot(),
      sizes: { pinholes: this.#ways.size, flows: side?.flows.size.flows ?? 0, ...this.#proxy?.size },
      queues: (side?.queues ?? []).map((queue) => ({ number: queue.number, ...queue.counters() })),
      carrier: side?.carrier.name,
      translation: side?.translator,
    }
  }

  #refuse(reason: HelperRefusal, detail: string): void {
    this.#counters.add(reason)
    this.emit('refused', { reason, detail })
  }

  #tell(kind: 'open' | 'close', list: () => PinholeInfo[]): void {
    if (this.listenerCount('pinhole') === 0) return
    for (const pinhole of list()) this.emit('pinhole', { kind, pinhole })
  }
}
