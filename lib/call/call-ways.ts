import type { Binding, Flow, Side } from '../../types/flow.js'
import type { AddressField, SipMessage } from '../../types/sip.js'
import { isGroup, isPrivate, isUnspecified } from './address-policy.js'
import type { Bindings } from './binding.js'
import type { Call } from './call.js'
import { legTag } from './offer-answer.js'
import { isAt, portOf } from './rewrite.js'
import type { SignallingWay, SignallingWays, WayChanges } from './signalling-ways.js'

/** Hosts of one dialog that may speak in it besides the signalling peer: a target and a route of some length. */
const MAX_TARGETS = 8
/** Requests that say, or change, where the far side is to be reached (RFC 3261 12.1, 12.2.1; RFC 3311 5.1). */
const TARGETS: ReadonlySet<string> = new Set(['INVITE', 'UPDATE'])

/**
 * The ways in for the signalling of calls: from every port of the host that was asked, as its answer may come from another one than it
 * was asked at; and from the hosts that the far side names as its own and its route's, as a BYE may come straight from them. They
 * last as long as the call's dialogs.
 */
export class CallWays {
  readonly #ways: SignallingWays
  readonly #bindings: Bindings
  readonly #isGateway: (address: string) => boolean

  constructor(ways: SignallingWays, bindings: Bindings, isGateway: (address: string) => boolean) {
    this.#ways = ways
    this.#bindings = bindings
    this.#isGateway = isGateway
  }

  /** Takes a message of a call into account. */
  follow(call: Call, side: Side, message: SipMessage, fields: readonly AddressField[], changes: WayChanges): void {
    // What comes over a connection needs no way in.
    if (call.flow.binding.transport !== 'udp') return
    if (side === 'outside' && TARGETS.has(message.method) && isTaken(message)) this.#learn(call, message, fields)
    this.settle(call, changes, side === 'inside' ? homeOf(call.flow, fields, this.#bindings) : undefined)
  }

  /** The far side's Contact and Record-Route, as far as they are addresses that can be reached from here. */
  #learn(call: Call, message: SipMessage, fields: readonly AddressField[]): void {
    // A request that makes dialogs speaks for all of them.
    const isForAll = message.kind === 'request' && message.toTag === ''
    for (const { header, part, family, address } of fields) {
      if (part !== 'uri' || (header !== 'contact' && header !== 'record-route')) continue
      if (family !== call.flow.family || address === call.peer.address || !this.#isReachable(address, call.flow))
        continue
      const owner = isForAll ? call : call.ensureLeg(legTag(call, message))
      if (!owner || owner.targets.includes(address) || owner.targets.length >= MAX_TARGETS) continue
      owner.targets = owner.targets.concat(address)
    }
  }

  #isReachable(address: string, { binding, peer }: Flow): boolean {
    if (address === binding.outside.address || address === binding.inside.address || this.#isGateway(address))
      return false
    if (isGroup(address) || isUnspecified(address)) return false
    return !isPrivate(address) || isPrivate(peer.address)
  }

  /** Brings the ways in line with the call's dialogs. */
  settle(call: Call, changes: WayChanges, named?: Binding): void {
    const { ways, flow } = call
    const sources = call.state === 'ended' ? [] : sourcesOf(call)
    // Where the phone wants to be reached, if that is not where it sends from: as its last Contact said.
    const home = named ?? ways.find(({ binding }) => binding !== flow.binding)?.binding
    const homes = home && home !== flow.binding ? [flow.binding, home] : [flow.binding]
    const count = sources.length * homes.length
    const isHeld = (way: SignallingWay, i: number) =>
      way.source === sources[i % sources.length] && way.binding === homes[Math.floor(i / sources.length)]
    if (count === ways.length && ways.every(isHeld)) return
    const next = homes.flatMap((binding) =>
      sources.map((source) => this.#ways.hold(flow.family, binding, source, changes)),
    )
    call.ways = next.length === 1 ? next[0]!.alone : next
    for (const way of ways) this.#ways.release(way, changes)
  }
}

/** The binding of the phone's Contact, where it names another port than the flow's. */
function homeOf({ binding }: Flow, fields: readonly AddressField[], bindings: Bindings): Binding | undefined {
  const { inside } = binding
  for (const field of fields) {
    if (field.header !== 'contact' || field.part !== 'uri' || field.address !== inside.address) continue
    return isAt(field, inside) ? binding : bindings.ofInside(field.address, portOf(field), 'udp')
  }
  return undefined
}

/** Whether the far side has said where it is: in a request, or in a response that makes or keeps a dialog. */
const isTaken = ({ kind, statusCode, toTag }: SipMessage): boolean =>
  kind === 'request' || (statusCode > 100 && statusCode < 300 && toTag !== '')

function sourcesOf(call: Call): readonly string[] {
  const { peer, targets, isConfirmed } = call
  const sources = [peer.address, ...targets]
  for (const leg of call.legs) {
    if (leg.state === 'over' || (isConfirmed && leg.state !== 'confirmed')) continue
    for (const target of leg.targets) if (!sources.includes(target)) sources.push(target)
  }
  return sources
}
