import { Call } from './call.js'
import type { LocalStream, Path, Session } from './media.js'
import { hold, type PathPolicy, shared, wantedPaths } from './paths.js'
import type { Planned } from './planned.js'
import type { Ports } from './ports.js'
import type { Streams } from './streams.js'

/** The media ways and streams of calls: held as long as a dialog says so, given back when none does. */
export class CallPaths {
  readonly #ports: Ports
  readonly #streams: Streams
  readonly #policy: PathPolicy
  /** Paths a call may have. */
  readonly #limit: number

  constructor(ports: Ports, streams: Streams, policy: PathPolicy, limit: number) {
    this.#limit = limit
    this.#ports = ports
    this.#streams = streams
    this.#policy = policy
  }

  /** Brings the call's ways in line with what its dialogs say now, and gives back the streams that nobody names any more. */
  settle(call: Call, plan: Planned): void {
    const wanted = shared(call, wantedPaths(call, this.#policy))
    if (wanted.length > this.#limit) {
      plan.refuse('pinholes-exhausted', `the call asks for ${wanted.length} pinholes`)
      wanted.length = this.#limit
    }
    const { open, close } = hold(call, wanted)
    for (const path of open) plan.open.push(path)
    for (const path of close) plan.close.push(path)
    this.#dropUnused(call)
    const held = call.legs.some((leg) => leg.state === 'confirmed' && (leg.inside?.held || leg.outside?.held))
    if (held || call.held) plan.held.push({ call, streams: call.heldStreams() })
    if (held === call.held) return
    call.held = held
    plan.events.push({ kind: held ? 'hold' : 'resume', call: call.info() })
  }

  #dropUnused(call: Call): void {
    const inUse = new Set<unknown>()
    const keep = (session: Session | undefined) => {
      if (session?.by !== 'inside') return
      for (const local of session.streams) inUse.add(local)
      for (const traits of session.traits?.lines ?? []) for (const { local } of traits?.ends ?? []) inUse.add(local)
    }
    keep(call.early?.inside)
    for (const { inside, delayed } of call.legs) {
      keep(inside)
      keep(delayed)
    }
    for (const { offer, before } of call.transactions) {
      keep(offer)
      keep(before?.inside)
    }
    if (call.locals.every((local) => inUse.has(local))) return
    const { locals } = call
    call.locals = locals.filter((local) => inUse.has(local)).slice()
    for (const local of locals) if (!inUse.has(local)) this.#release(local)
  }

  /** One call less names the stream; with the last its ports are free. */
  #release(local: LocalStream): void {
    if (--local.holders > 0) return
    this.#streams.remove(local)
    if (local.isTranslated) this.#ports.release(local.outsideAddress, local.outsidePort, local.portCount)
  }

  /** Shuts all of a call that has ended. Its `locals` stay in its list: the message that ends it may still carry their ports. */
  end(call: Call, plan: Planned): void {
    plan.close.push(...hold(call, []).close)
    if (call.held) plan.held.push({ call, streams: [] })
    for (const local of call.locals) this.#release(local)
  }

  /**
   * The kernel would not have the path's outside ports: leases the next ones for its stream. False when they have been told to the
   * far side, when another way of the stream stands on them, or when no port is left.
   */
  relocate(path: Path): boolean {
    const { local } = path
    if (!local?.isTranslated || local.isAnnounced) return false
    if (local.paths.some((it) => it !== path && it.kernel)) return false
    local.refused ??= new Set()
    local.refused.add(local.outsidePort)
    this.#ports.release(local.outsideAddress, local.outsidePort, local.portCount)
    const { outsideAddress, inside, portCount, refused } = local
    local.outsidePort = this.#ports.lease(outsideAddress, inside.port, portCount, local, refused)
    return local.outsidePort !== 0
  }

  /** The kernel refused the path for good: the call goes on without it. */
  abandon(path: Path): void {
    const { owner, local } = path
    if (owner instanceof Call) {
      owner.paths = owner.paths.filter((it) => it !== path)
      owner.isIncomplete = true
    }
    if (local) local.paths = local.paths.filter((it) => it !== path)
  }
}
