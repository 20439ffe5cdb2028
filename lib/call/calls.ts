import type { Flow, Side, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Call } from './call.js'
import { belongs, callerSide } from './offer-answer.js'

/** By inside host and Call-ID: a key a call would cost as much as the call's own fields. */
type Hosts = Map<string, Map<string, Call>>

const SIDES: readonly Side[] = ['inside', 'outside']

/**
 * Live calls, by inside host, Call-ID and the side that called: where both ends are of one host (two lines of an adapter that call each
 * other by way of their registrar) there are two of one Call-ID.
 */
export class Calls {
  readonly #hosts: Readonly<Record<Side, Hosts>> = { inside: new Map(), outside: new Map() }
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The call that a message is of. `foreign`: its Call-ID is known, its tags are nobody's. */
  find(message: SipMessage, { binding }: Flow, way: Way): Call | 'foreign' | undefined {
    let isForeign = false
    for (const side of SIDES) {
      const call = this.#hosts[side].get(binding.inside.address)?.get(message.callId)
      if (!call) continue
      if (!belongs(call, message)) isForeign = true
      else if (callerSide(call, message, way) === side) return call
    }
    return isForeign ? 'foreign' : undefined
  }

  /** Live calls of one inside host. */
  ofHost(insideAddress: string): number {
    return SIDES.reduce((sum, side) => sum + (this.#hosts[side].get(insideAddress)?.size ?? 0), 0)
  }

  add(call: Call): void {
    const { address } = call.flow.binding.inside
    const hosts = this.#hosts[call.caller]
    const calls = hosts.get(address)
    if (calls) calls.set(call.callId, call)
    else hosts.set(address, new Map([[call.callId, call]]))
    this.#size++
  }

  remove(call: Call): void {
    const { address } = call.flow.binding.inside
    const hosts = this.#hosts[call.caller]
    const calls = hosts.get(address)
    if (!calls?.delete(call.callId)) return
    this.#size--
    if (calls.size === 0) hosts.delete(address)
  }

  *values(): Generator<Call> {
    for (const side of SIDES) for (const calls of this.#hosts[side].values()) yield* calls.values()
  }
}
