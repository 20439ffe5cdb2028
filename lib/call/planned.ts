import type { RefusalReason } from '../../types/call.js'
import type { Flow } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import type { SipMessage } from '../../types/sip.js'
import type { Path } from './media.js'
import type { CallEvent, HeldCall, Plan } from './plan.js'
import type { RegistrationChange } from './registration-records.js'

const noEdits = (): Edit[] => []

/** A plan in the making. */
export class Planned implements Plan {
  readonly open: Path[] = []
  readonly close: Path[] = []
  readonly events: CallEvent[] = []
  readonly held: HeldCall[] = []
  readonly keepAlive: { readonly flow: Flow; readonly seconds: number }[] = []
  /** Makes the edits; they are asked for after the ways in `open` stand. */
  render: () => Edit[] = noEdits
  readonly #message: SipMessage | undefined

  constructor(message: SipMessage | undefined) {
    this.#message = message
  }

  edits(): Edit[] {
    return this.render()
  }

  refuse(reason: RefusalReason, detail: string): void {
    this.events.push({ kind: 'refused', refusal: { reason, callId: this.#message?.callId ?? '', detail } })
  }

  add(change: RegistrationChange): void {
    this.open.push(...change.open)
    this.close.push(...change.close)
    this.keepAlive.push(...change.keepAlive)
    if (change.refused) this.refuse(change.refused, `a contact that was granted is one too many`)
    for (const registration of change.registered) this.events.push({ kind: 'registration', registration })
    for (const registration of change.unregistered) this.events.push({ kind: 'unregistration', registration })
  }
}
