import type { Call } from './call.js'

/** Live calls, by inside host and Call-ID: a key a call would cost as much as the call's own fields. */
export class Calls {
  readonly #hosts = new Map<string, Map<string, Call>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(insideAddress: string, callId: string): Call | undefined {
    return this.#hosts.get(insideAddress)?.get(callId)
  }

  /** Live calls of one inside host. */
  ofHost(insideAddress: string): number {
    return this.#hosts.get(insideAddress)?.size ?? 0
  }

  add(call: Call): void {
    const { address } = call.flow.binding.inside
    const calls = this.#hosts.get(address)
    if (calls) calls.set(call.callId, call)
    else this.#hosts.set(address, new Map([[call.callId, call]]))
    this.#size++
  }

  remove(call: Call): void {
    const { address } = call.flow.binding.inside
    const calls = this.#hosts.get(address)
    if (!calls?.delete(call.callId)) return
    this.#size--
    if (calls.size === 0) this.#hosts.delete(address)
  }

  *values(): Generator<Call> {
    for (const calls of this.#hosts.values()) yield* calls.values()
  }
}
