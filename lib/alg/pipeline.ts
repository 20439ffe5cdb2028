import type { Flow, Way } from '../../types/flow.js'
import type { QueuedPacket, VerdictKind, VerdictOptions } from '../../types/nfqueue.js'
import type { PacketLocation } from '../../types/packet.js'
import type { MalformedSip, SipLimits, SipMessage } from '../../types/sip.js'
import type { CallEvent, Plan } from '../call/index.js'
import { locate, rebuild } from '../packet/index.js'
import { scanMessage } from '../sip/index.js'
import type { Answers } from './answers.js'
import type { Counters } from './counters.js'
import type { FlowSource } from './flows.js'
import type { HeldMessage, Judge, Message, MessagePolicy } from './judge.js'
import type { Outgrown } from './outgrown.js'

/** Where verdicts go; `Queue` of the nfqueue room. */
export interface VerdictSink {
  verdict(packet: QueuedPacket, kind: VerdictKind, options?: VerdictOptions): void
}

export interface PipelineOptions {
  readonly judge: Judge
  readonly flows: FlowSource
  readonly counters: Counters
  readonly policy: MessagePolicy
  /** Bounds of one message; what goes beyond is malformed. */
  readonly limits: SipLimits
  /** Where a script's answers go. */
  readonly answers: Pick<Answers, 'send'>
  readonly outgrown: Pick<Outgrown, 'fit'>
  /** Which way a packet crosses the gateway; undefined: it does not. */
  wayOf(packet: QueuedPacket): Way | undefined
}

const MAX_PACKET = 65_535
/** Smaller packets fit every link that carries IPv6 (RFC 8200 5). */
const SMALL = 1280
const PASS: VerdictOptions = {}

/**
 * From queued packet to verdict, in one straight line: locate, scan, flow, judge (plan, apply, edits), verdict. The judge decides
 * about most messages before `handle` returns, about the others when the kernel has acknowledged their pinholes.
 */
export class Pipeline {
  readonly #options: PipelineOptions
  readonly limits: SipLimits
  readonly #target = new Uint8Array(MAX_PACKET)

  constructor(options: PipelineOptions) {
    this.#options = options
    this.limits = options.limits
  }

  /** A flow's first packet, seen in forward on kernels without NFQA_CT: it gets its token there and its help at postrouting. */
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void {
    const location = locate(packet.payload)
    if (location.state !== 'found') return sink.verdict(packet, 'accept')
    sink.verdict(packet, 'accept', { mark: this.#options.flows.first(packet, location) })
  }

  /** A packet in its final form. Every packet gets exactly one verdict. */
  handle(packet: QueuedPacket, sink: VerdictSink): void {
    const { flows, counters, policy, limits, judge } = this.#options
    const first = flows.take(packet.mark)
    const bytes = packet.payload
    const location = locate(bytes)
    const mark = first?.mark
    if (location.state !== 'found') return this.unhelped({ packet, sink, mark }, location.reason, 'accept')
    const { start, end } = location.payload
    const scan = scanMessage(bytes, start, end, limits)
    if (scan.state === 'absent') return this.unhelped({ packet, sink, mark }, scan.reason, policy.notSip)
    if (scan.state === 'malformed') {
      if (isBudget(scan.reason)) judge.say(overBudget(scan.reason, location))
      return this.unhelped({ packet, sink, mark }, scan.reason, policy.malformed)
    }
    const verdict = new PacketMessage(this, packet, sink, mark, location)
    const way = this.#options.wayOf(packet)
    if (!way) return verdict.unhelped('one-sided', 'accept')
    counters.add(scan.value.kind === 'request' ? 'requests' : 'responses')
    const flow = flows.lookup(packet, bytes, location, way, first)
    if (flow instanceof Promise) return this.#later(verdict.hold(), flow, way)
    if (!flow) return verdict.unhelped('flow-unknown', 'accept')
    judge.judge(verdict, scan.value, flow, way)
  }

  /** The flow is not known yet; when it is, the packet takes its turn in its call. */
  #later(held: HeldMessage, asked: Promise<Flow | undefined>, way: Way): void {
    const { judge } = this.#options
    const then = (flow: Flow | undefined) => {
      if (flow) judge.judgeHeld(held, flow, way)
      else held.unhelped('flow-unknown', 'accept')
    }
    asked.then(then).catch((error: Error) => judge.failed(held, error))
  }

  /** The packet goes on with the plan's edits. */
  finish(verdict: PacketMessage, plan: Plan): void {
    const { counters, judge, policy } = this.#options
    const { packet, sink, mark, location } = verdict
    const edits = plan.edits()
    if (edits.length === 0) sink.verdict(packet, 'accept', mark === undefined ? PASS : { mark })
    else {
      const length = rebuild(packet.payload, location, edits, this.#target)
      if (length < 0) return this.unhelped(verdict, 'packet-too-large', policy.failure, plan)
      const rebuilt = this.#target.subarray(0, length)
      const payload = length > SMALL ? this.#options.outgrown.fit(packet, location, rebuilt) : rebuilt
      sink.verdict(packet, 'accept', mark === undefined ? { payload } : { mark, payload })
      counters.add('rewritten')
    }
    judge.tell(plan)
  }

  /** The packet ends here; its sender hears from the one it was for. */
  answer(verdict: PacketMessage, reason: string, response: string, { binding, peer }: Flow, way: Way): void {
    this.unhelped(verdict, reason, 'drop')
    const [from, to] = way === 'out' ? [peer, binding.inside] : [binding.outside, peer]
    try {
      this.#options.answers.send(from, to, response)
    } catch (error) {
      this.#options.judge.report(error as Error)
    }
  }

  /** The packet goes on as it is, or not at all. */
  unhelped({ packet, sink, mark }: Verdict, reason: string, kind: VerdictKind, plan?: Plan): void {
    this.#options.counters.add(reason)
    sink.verdict(packet, kind, mark === undefined ? PASS : { mark })
    if (plan) this.#options.judge.tell(plan)
  }
}

type OverBudget = 'message-too-large' | 'headers-too-many'
const isBudget = (reason: MalformedSip): reason is OverBudget =>
  reason === 'message-too-large' || reason === 'headers-too-many'

function overBudget(reason: OverBudget, { source, payload }: PacketLocation): CallEvent {
  const detail = `a message of ${payload.end - payload.start} bytes from ${source.address}:${source.port}`
  return { kind: 'refused', refusal: { reason, callId: '', detail } }
}

/** What a verdict needs. */
interface Verdict {
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
  /** The mark to put back; undefined: leave it. */
  readonly mark: number | undefined
}

/** A queued packet with a SIP message, on its way to its verdict. */
class PacketMessage implements Message, Verdict {
  readonly #pipeline: Pipeline
  readonly packet: QueuedPacket
  readonly sink: VerdictSink
  readonly mark: number | undefined
  readonly location: PacketLocation

  constructor(
    pipeline: Pipeline,
    packet: QueuedPacket,
    sink: VerdictSink,
    mark: number | undefined,
    location: PacketLocation,
  ) {
    this.#pipeline = pipeline
    this.packet = packet
    this.sink = sink
    this.mark = mark
    this.location = location
  }

  /** A copy: the same bytes give the same ranges. */
  hold(): PacketMessage {
    const packet = this.packet.detach()
    const location = locate(packet.payload)
    if (location.state !== 'found') throw new Error(`a copy differs from its packet: ${location.reason}`)
    return new PacketMessage(this.#pipeline, packet, this.sink, this.mark, location)
  }

  message(): SipMessage {
    const { start, end } = this.location.payload
    const scan = scanMessage(this.packet.payload, start, end, this.#pipeline.limits)
    if (scan.state !== 'found') throw new Error(`a copy differs from its packet: ${scan.reason}`)
    return scan.value
  }

  finish(plan: Plan): void {
    this.#pipeline.finish(this, plan)
  }

  unhelped(reason: string, kind: VerdictKind, plan?: Plan): void {
    this.#pipeline.unhelped(this, reason, kind, plan)
  }

  answer(reason: string, response: string, flow: Flow, way: Way): void {
    this.#pipeline.answer(this, reason, response, flow, way)
  }
}
