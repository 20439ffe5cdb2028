import type { Flow, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Call } from './call.js'
import { belongs, callerSide } from './offer-answer.js'

/** Of one Call-ID: one, or where both ends are of one host, two. */
type Known = Call | readonly [Call, Call]

/**
 * Live calls, by inside host and Call-ID: a key a call would cost as much as the call's own fields. Where both ends are of one host (two
 * lines of an adapter that call each other by way of their registrar) there are two of one Call-ID, told apart by the side that called.
 */
export class Calls {
  readonly #hosts = new Map<string, Map<string, Known>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The call that a message is of. `foreign`: its Call-ID is known, its tags are nobody's. */
  find(message: SipMessage, { binding }: Flow, way: Way): Call | 'foreign' | undefined {
    const known = this.#hosts.get(binding.inside.address)?.get(message.callId)
    if (!known) return undefined
    if (!isPair(known)) return isOf(known, message, way)
    const [first, second] = known
    const found = isOf(first, message, way)
    return typeof found === 'object' ? found : (isOf(second, message, way) ?? found)
  }

  /** Live calls of one inside host. */
  ofHost(insideAddress: string): number {
    return this.#hosts.get(insideAddress)?.size ?? 0
  }

  add(call: Call): void {
    const { address } = call.flow.binding.inside
    const calls = this.#hosts.get(address)
    if (!calls) this.#hosts.set(address, new Map([[call.callId, call]]))
    else {
      const other = calls.get(call.callId)
      calls.set(call.callId, other && !isPair(other) ? [other, call] : call)
    }
    this.#size++
  }

  remove(call: Call): void {
    const { address } = call.flow.binding.inside
    const calls = this.#hosts.get(address)
    const known = calls?.get(call.callId)
    if (!calls || !known) return
    if (isPair(known)) {
      if (!known.includes(call)) return
      calls.set(call.callId, known[0] === call ? known[1] : known[0])
    } else if (known === call) calls.delete(call.callId)
    else return
    this.#size--
    if (calls.size === 0) this.#hosts.delete(address)
  }

  *values(): Generator<Call> {
    for (const calls of this.#hosts.values())
      for (const known of calls.values()) {
        if (isPair(known)) yield* known
        else yield known
      }
  }
}

const isPair = (known: Known): known is readonly [Call, Call] => Array.isArray(known)

function isOf(call: Call, message: SipMessage, way: Way): Call | 'foreign' | undefined {
  if (!belongs(call, message)) return 'foreign'
  return callerSide(call, message, way) === call.caller ? call : undefined
}
