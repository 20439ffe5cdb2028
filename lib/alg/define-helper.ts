import { EventEmitter } from 'node:events'
import type { PinholeInfo } from '../../types/call.js'
import type {
  DefinedHelperEvents,
  DefinedHelperStatus,
  DefineHelperOptions,
  HelperRefusal,
} from '../../types/define.js'
import type { Flow, Way } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import { CthelperError } from '../base/errors.js'
import { sipTable } from '../nftables/index.js'
import { locate, rebuild } from '../packet/index.js'
import { Counters } from './counters.js'
import { type DefinedSettings, definedSettings } from './define-options.js'
import { type AskedWay, type ExpectedWay, ExpectedWays } from './expected-ways.js'
import { KernelSide } from './kernel-side.js'
import { PacketTurn } from './packet-turn.js'
import type { VerdictSink } from './pipeline.js'
import { Undo } from './undo.js'

const MAX_PACKET = 65_535

/** A queued datagram, and what its verdict needs. */
interface Pending {
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
  readonly location: PacketLocation
  /** The mark to put back, where it carries a token instead. */
  readonly mark: { readonly mark?: number }
}

/**
 * A connection-tracking helper in user space for a UDP protocol of one's own, as conntrackd has them for C: `onPacket` sees the
 * datagrams with their flow, edits them, and opens ways in, which stand before the datagram goes on.
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
  readonly #undo = new Undo()
  readonly #ways: ExpectedWays
  readonly #counters = new Counters()
  readonly #target = new Uint8Array(MAX_PACKET)
  #side: KernelSide | undefined

  /** Settings as `defineHelper` has checked them. */
  constructor(settings: DefinedSettings) {
    super()
    this.#settings = settings
    this.#ways = new ExpectedWays(settings.budgets)
  }

  /** Resolves when packets are being handled. */
  async start(): Promise<void> {
    if (!this.#undo.isEmpty) throw new CthelperError('ERR_IN_USE', 'start', 'this is started already')
    try {
      await this.#start()
    } catch (error) {
      await this.#undo.unwind()
      this.#side = undefined
      throw error
    }
  }

  async #start(): Promise<void> {
    const undo = this.#undo
    const side = await KernelSide.open({ settings: this.#settings, undo, onError: (error) => this.#onError(error) })
    this.#side = side
    undo.push(() => this.#shut(this.#ways.all()))
    const { name, ports } = this.#settings
    const own = { name: `cthelper-${name}`, ports, portSet: 'ports', forwardsPorts: true }
    await side.serve({
      handle: (packet, sink) => this.#handle(packet, sink),
      table: (place) => sipTable({ ...own, ...place }),
      tick: (now) => this.#shut(this.#ways.due(now)),
    })
  }

  /** Takes everything back: table, queues, ways. */
  async stop(): Promise<void> {
    const [error] = await this.#undo.unwind()
    this.#side = undefined
    if (error) this.#onError(error as Error)
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
      sizes: { pinholes: this.#ways.size, flows: side?.flows.size.flows ?? 0 },
      queues: (side?.queues ?? []).map((queue) => ({ number: queue.number, ...queue.counters() })),
      carrier: side?.carrier.name,
    }
  }

  #handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { flows, interfaces } = this.#side!
    const first = flows.take(packet.mark)
    const mark = first ? { mark: first.mark } : {}
    const location = locate(packet.payload)
    const way = interfaces.wayOf(packet)
    if (location.state !== 'found' || !way) return sink.verdict(packet, 'accept', mark)
    const flow = flows.lookup(packet, packet.payload, location, way, first)
    if (!(flow instanceof Promise)) return this.#judge({ packet, sink, location, mark }, flow, way)
    // A copy: the same ranges.
    const held = { packet: packet.detach(), sink, location, mark }
    const failed = (error: Error) => {
      this.#onError(error)
      return undefined
    }
    void flow.catch(failed).then((found) => this.#judge(held, found, way))
  }

  /** Asks `onPacket`; the datagram goes on at once, or when the ways it asked for stand. */
  #judge(pending: Pending, flow: Flow | undefined, way: Way): void {
    if (!flow || !this.#side) {
      this.#counters.add('flow-unknown')
      return this.#pass(pending)
    }
    this.#counters.add('packets')
    const asked: AskedWay[] = []
    const turn = this.#ask(pending, flow, way, asked)
    if (!turn || turn.isDropped) for (const it of asked.reverse()) this.#ways.takeBack(it)
    if (!turn) return this.#pass(pending)
    if (turn.isDropped) {
      this.#counters.add('dropped')
      return pending.sink.verdict(pending.packet, 'drop')
    }
    this.#open(asked)
    const opening = asked.flatMap(({ way: it }) => it.opening ?? [])
    if (opening.length === 0) return this.#finish(pending, turn)
    const held = { ...pending, packet: pending.packet.detach() }
    void Promise.all(opening).then(() => this.#finish(held, turn))
  }

  /** What the author says; undefined: he failed. */
  #ask({ packet, location }: Pending, flow: Flow, way: Way, asked: AskedWay[]): PacketTurn | undefined {
    const { start, end } = location.payload
    const turn = new PacketTurn(flow, way, end - start, (expected) => {
      const answer = this.#ways.ask(flow, expected, Date.now())
      if (typeof answer !== 'string') {
        asked.push(answer)
        return answer.way.path.outside
      }
      const { address } = flow.binding.inside
      this.#refuse(answer, `a way to ${address} port ${expected.to}`)
      return undefined
    })
    try {
      const result: unknown = this.#settings.onPacket({ bytes: packet.payload.subarray(start, end), way }, turn)
      if (!(result instanceof Promise)) return turn
      result.catch((error: Error) => this.#onError(error))
      throw new CthelperError('ERR_ARGUMENT', 'onPacket', 'onPacket must decide at once, and returned a promise')
    } catch (error) {
      this.#counters.add('failed')
      this.#onError(error as Error)
      return undefined
    } finally {
      turn.end()
    }
  }

  /** Opens what is new in one batch; each way's `opening` ends with it, whatever becomes of it. */
  #open(asked: readonly AskedWay[]): void {
    const fresh = asked.filter(({ way, isNew }) => isNew && this.#ways.has(way)).map(({ way }) => way)
    if (fresh.length === 0) return
    const replaced = asked.flatMap((it) => it.replaced)
    const opening = this.#apply(fresh, replaced).catch((error: Error) => this.#onError(error))
    for (const way of fresh) {
      way.opening = opening.then(() => {
        way.opening = undefined
      })
    }
  }

  async #apply(open: readonly ExpectedWay[], close: readonly ExpectedWay[]): Promise<void> {
    for (const way of close) this.#tell('close', way)
    const { pinholes } = this.#side!
    const [opened, closed] = [open.map(({ path }) => path), close.map(({ path }) => path)]
    const failures = await pinholes.apply(opened, closed, Date.now(), () => false)
    for (const way of open) {
      const failure = failures.find(({ path }) => path === way.path)
      if (!failure) {
        this.#tell('open', way)
        continue
      }
      this.#ways.remove(way)
      this.#refuse('kernel-refused', failure.detail)
    }
  }

  async #shut(ways: readonly ExpectedWay[]): Promise<void> {
    if (ways.length === 0) return
    for (const way of ways) this.#ways.remove(way)
    await this.#apply([], ways)
  }

  #finish(pending: Pending, { edits }: PacketTurn): void {
    if (edits.length === 0) return this.#pass(pending)
    const { packet, sink, location, mark } = pending
    const { start } = location.payload
    const placed = edits.map((edit) => ({ start: edit.start + start, end: edit.end + start, text: edit.text }))
    const length = rebuild(packet.payload, location, placed, this.#target)
    if (length < 0) {
      this.#pass(pending)
      return this.#refuse('packet-too-large', `an edited datagram to ${location.destination.address}`)
    }
    sink.verdict(packet, 'accept', { ...mark, payload: this.#target.subarray(0, length) })
    this.#counters.add('rewritten')
  }

  #pass({ packet, sink, mark }: Pending): void {
    sink.verdict(packet, 'accept', mark)
  }

  #refuse(reason: HelperRefusal, detail: string): void {
    this.#counters.add(reason)
    this.emit('refused', { reason, detail })
  }

  #tell(kind: 'open' | 'close', { path }: ExpectedWay): void {
    if (this.listenerCount('pinhole') === 0) return
    for (const pinhole of this.#side!.pinholes.describe([path])) this.emit('pinhole', { kind, pinhole })
  }

  #onError(error: Error): void {
    if (this.listenerCount('error') > 0) this.emit('error', error)
    else process.emitWarning(error)
  }
}
