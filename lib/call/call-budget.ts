import type { Refusal } from '../../types/call.js'
import { Rates } from '../base/rates.js'
import type { Budgets } from './budget.table.js'
import type { Calls } from './calls.js'

/** Whether one call more may begin: there is room in all and at its inside host, and its sender begins no more a second than it may. */
export class CallBudget {
  readonly #budgets: Budgets
  readonly #rates: Rates

  constructor(budgets: Budgets) {
    this.#budgets = budgets
    this.#rates = new Rates(budgets.callsPerSecond)
  }

  /** Why a new call is refused; undefined: it is not, and counts as one of `sender`'s this second. */
  refusal(calls: Calls, inside: string, sender: string, now: number): Omit<Refusal, 'callId'> | undefined {
    const { callsPerHost, callsPerSecond } = this.#budgets
    if (calls.size >= this.#budgets.calls)
      return { reason: 'calls-exhausted', detail: `${calls.size} calls are live already` }
    const own = calls.ofHost(inside)
    if (own >= callsPerHost)
      return { reason: 'host-calls-exhausted', detail: `${inside} has ${own} live calls already` }
    if (this.#rates.take(sender, now)) return undefined
    return { reason: 'call-rate-exceeded', detail: `${sender} begins more than ${callsPerSecond} calls a second` }
  }
}
