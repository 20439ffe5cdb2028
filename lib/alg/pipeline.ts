import type { PinholeInfo } from '../../types/call.js'
import type { Flow, Way } from '../../types/flow.js'
import type { QueuedPacket, VerdictKind, VerdictOptions } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import type { SipMessage } from '../../types/sip.js'
import type { CallEvent, Engine, Path, Plan } from '../call/index.js'
import { locate, rebuild } from '../packet/index.js'
import { scanMessage } from '../sip/index.js'
import type { Counters } from './counters.js'
import type { Flows } from './flows.js'
import type { KeepAlive } from './keep-alive.js'
import type { Pinholes } from './pinholes.js'

/** Where verdicts go; `Queue` of the nfqueue room. */
export interface VerdictSink {
  verdict(packet: QueuedPacket, kind: VerdictKind, options?: VerdictOptions): void
}

/** What happens to a packet that is not helped. */
export interface PacketPolicy {
  readonly notSip: 'accept' | 'drop'
  readonly malformed: 'accept' | 'drop'
  readonly failure: 'accept' | 'drop'
}

export interface PipelineOptions {
  readonly engine: Engine
  readonly flows: Flows
  readonly pinholes: Pinholes
  readonly keepAlive: KeepAlive
  readonly counters: Counters
  readonly policy: PacketPolicy
  /** Interface indices towards the inside. */
  isInside(index: number): boolean
  now(): number
  onEvent(event: CallEvent): void
  /** Ways opened or shut; `list` describes them, for those who want to know. */
  onPinholes(kind: 'open' | 'close', list: () => PinholeInfo[]): void
  /** A failure that is no packet's fault; the packet gets the verdict of `policy.failure`. */
  onError(error: Error): void
}

const MAX_PACKET = 65_535
const PASS: VerdictOptions = {}

/**
 * From queued packet to verdict, in one straight line: locate, scan, flow, plan, apply, edits, verdict. Messages that change no
 * pinhole are decided before `handle` returns; the others wait for the kernel's acknowledgement, and what follows in the same
 * call waits behind them.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly #chains = new Map<string, Promise<void>>()
  readonly #target = new Uint8Array(MAX_PACKET)

  constructor(options: PipelineOptions) {
    this.#options = options
  }

  /** Calls with a message waiting. */
  get waiting(): number {
    return this.#chains.size
  }

  /** A flow's first packet, seen in forward on kernels without NFQA_CT: it gets its token there and its help at postrouting. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    const location = locate(packet.payload)
    if (location.state !== 'found') return sink.verdict(packet, 'accept')
    sink.verdict(packet, 'accept', { mark: this.#options.flows.first(packet, location) })
  }

  /** A packet in its final form. Every packet gets exactly one verdict. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { flows, counters, policy } = this.#options
    const first = flows.take(packet.mark)
    const verdict: Verdict = { packet, sink, mark: first?.mark }
    const bytes = packet.payload
    const location = locate(bytes)
    if (location.state !== 'found') return this.#unhelped(verdict, location.reason, 'accept')
    const { start, end } = location.payload
    const scan = scanMessage(bytes, start, end)
    if (scan.state === 'absent') return this.#unhelped(verdict, scan.reason, policy.notSip)
    if (scan.state === 'malformed') return this.#unhelped(verdict, scan.reason, policy.malformed)
    const way: Way = this.#options.isInside(packet.indev) ? 'out' : 'in'
    counters.add(scan.value.kind === 'request' ? 'requests' : 'responses')
    const flow = flows.lookup(packet, bytes, location, way, first)
    if (flow instanceof Promise) return this.#later({ ...verdict, packet: packet.detach() }, flow, way)
    if (!flow) return this.#unhelped(verdict, 'flow-unknown', 'accept')
    const { engine } = this.#options
    // Most of the time no call waits, and then nobody needs the key.
    const key = this.#chains.size > 0 ? engine.keyOf(scan.value, flow) : undefined
    if (key !== undefined && this.#chains.has(key))
      return this.#queueUp(key, { ...verdict, packet: packet.detach() }, flow, way)
    const plan = this.#plan(verdict, scan.value, flow, way)
    if (!plan) return
    if (plan.open.length === 0 && plan.close.length === 0) return this.#finish(verdict, location, bytes, plan)
    const detached = { ...verdict, packet: packet.detach() }
    this.#chain(key ?? engine.keyOf(scan.value, flow), detached, () => this.#apply(detached, location, plan))
  }

  /** The flow is not known yet; when it is, the packet takes its turn in its call. */
  #later(verdict: Verdict, asked: Promise<Flow | undefined>, way: Way): void {
    const then = (flow: Flow | undefined) => {
      if (!flow) return this.#unhelped(verdict, 'flow-unknown', 'accept')
      const scan = rescan(verdict.packet)
      this.#queueUp(this.#options.engine.keyOf(scan.message, flow), verdict, flow, way)
    }
    asked.then(then).catch((error: Error) => this.#failed(verdict, error))
  }

  #queueUp(key: string, verdict: Verdict, flow: Flow, way: Way): void {
    this.#chain(key, verdict, async () => {
      const { message, location } = rescan(verdict.packet)
      const plan = this.#plan(verdict, message, flow, way)
      if (plan) await this.#apply(verdict, location, plan)
    })
  }

  #chain(key: string, verdict: Verdict, step: () => Promise<void>): void {
    const turn = this.#chains.get(key)?.then(step) ?? step()
    const done = turn
      .catch((error: Error) => this.#failed(verdict, error))
      .then(() => {
        if (this.#chains.get(key) === done) this.#chains.delete(key)
      })
    this.#chains.set(key, done)
  }

  #plan(verdict: Verdict, message: SipMessage, flow: Flow, way: Way): Plan | undefined {
    try {
      return this.#options.engine.plan(message, flow, way, this.#options.now())
    } catch (error) {
      this.#failed(verdict, error as Error)
      return undefined
    }
  }

  /** The only wait: the SDP leaves after its pinholes stand. */
  async #apply(verdict: Verdict, location: PacketLocation, plan: Plan): Promise<void> {
    const isOpen = await this.enact(plan)
    if (!isOpen && this.#options.policy.failure === 'drop')
      return this.#unhelped(verdict, 'pinhole-refused', 'drop', plan)
    this.#finish(verdict, location, verdict.packet.payload, plan)
  }

  /** Makes the kernel follow a plan; false when a pinhole was refused. */
  async enact(plan: Plan): Promise<boolean> {
    const { engine, pinholes, counters, onPinholes } = this.#options
    if (plan.close.length > 0) onPinholes('close', () => pinholes.describe(plan.close))
    const failures = await pinholes.apply(plan.open, plan.close, this.#options.now(), (path: Path) =>
      engine.relocate(path),
    )
    counters.add('pinholes-opened', plan.open.length - failures.length)
    counters.add('pinholes-closed', plan.close.length)
    for (const { path, reason, detail } of failures) {
      engine.abandon(path)
      plan.events.push({ kind: 'refused', refusal: { reason, callId: path.owner.callId ?? '', detail } })
    }
    if (plan.open.length > 0) onPinholes('open', () => pinholes.describe(plan.open))
    return failures.length === 0
  }

  #finish(verdict: Verdict, location: PacketLocation, bytes: Uint8Array, plan: Plan): void {
    const { packet, sink, mark } = verdict
    const edits = plan.edits()
    if (edits.length === 0) sink.verdict(packet, 'accept', mark === undefined ? PASS : { mark })
    else {
      const length = rebuild(bytes, location, edits, this.#target)
      if (length < 0) return this.#unhelped(verdict, 'packet-too-large', this.#options.policy.failure, plan)
      const payload = this.#target.subarray(0, length)
      sink.verdict(packet, 'accept', mark === undefined ? { payload } : { mark, payload })
      this.#options.counters.add('rewritten')
    }
    this.tell(plan)
  }

  /** Publishes a plan's events and notes the flows it wants kept. A listener that throws is reported; packets do not wait for it. */
  tell(plan: Plan): void {
    const { keepAlive, now, onEvent, onError, counters } = this.#options
    for (const { flow, seconds } of plan.keepAlive) keepAlive.keep(flow, seconds, now())
    for (const event of plan.events) {
      if (event.kind === 'refused') counters.add(`refused-${event.refusal.reason}`)
      try {
        onEvent(event)
      } catch (error) {
        onError(error as Error)
      }
    }
  }

  #unhelped({ packet, sink, mark }: Verdict, reason: string, kind: VerdictKind, plan?: Plan): void {
    this.#options.counters.add(reason)
    sink.verdict(packet, kind, mark === undefined ? PASS : { mark })
    if (plan) this.tell(plan)
  }

  #failed(verdict: Verdict, error: Error): void {
    this.#unhelped(verdict, 'internal-error', this.#options.policy.failure)
    this.#options.onError(error)
  }
}

interface Verdict {
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
  /** The mark to put back; undefined: leave it. */
  readonly mark: number | undefined
}

/** A detached copy of a packet that scanned before: the same bytes give the same ranges. */
function rescan(packet: QueuedPacket): { message: SipMessage; location: PacketLocation } {
  const bytes = packet.payload
  const location = locate(bytes)
  if (location.state !== 'found') throw new Error(`a copy differs from its packet: ${location.reason}`)
  const scan = scanMessage(bytes, location.payload.start, location.payload.end)
  if (scan.state !== 'found') throw new Error(`a copy differs from its packet: ${scan.reason}`)
  return { message: scan.value, location }
}
