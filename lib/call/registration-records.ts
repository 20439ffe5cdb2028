/** What a registration is made of, and what a change of one asks of the kernel. */
import type { RegistrationInfo } from '../../types/call.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Timed } from '../base/deadlines.js'
import type { Path } from './media.js'
import type { SignallingWay } from './signalling-ways.js'

/** A contact of ours that a REGISTER asks for. */
export interface Asked {
  readonly binding: Binding
  /** Seconds asked for in Contact or Expires. */
  readonly expiresSec: number | undefined
}

/** A REGISTER that waits for its final response. */
export class Request implements Timed {
  deadline = 0
  readonly kind = 'request'
  readonly key: string
  /** Where it went, and who sent it: a stranger's answer to it grants nothing. */
  readonly registrar: string
  readonly fromTag: string
  readonly asked: readonly Asked[]
  readonly isWildcard: boolean

  constructor(key: string, registrar: string, fromTag: string, asked: readonly Asked[], isWildcard: boolean) {
    this.key = key
    this.registrar = registrar
    this.fromTag = fromTag
    this.asked = asked
    this.isWildcard = isWildcard
  }
}

/** One address of record at one contact, as granted. */
export class Registration implements Timed {
  deadline = 0
  readonly kind = 'registration'
  readonly aor: string
  readonly way: Contact
  expiresAt = 0

  constructor(aor: string, way: Contact) {
    this.aor = aor
    this.way = way
  }
}

/** One contact of ours at one registrar: what its registrations share, the way in among them. */
export class Contact {
  readonly flow: Flow
  readonly binding: Binding
  /** Ways in from those who may call. */
  ways: readonly SignallingWay[] = []
  readonly registrations = new Map<string, Registration>()
  /** The signalling flow whose conntrack is kept for it: the one of its last refresh. */
  kept: Flow | undefined

  constructor(flow: Flow, binding: Binding) {
    this.flow = flow
    this.binding = binding
  }
}

/** Who may send requests to a registered contact: its registrar, anybody, or these addresses and networks (canonical `net/length`). */
export type Callers = 'registrar' | 'any' | readonly string[]

export type RegistrationRefusal = 'registrations-exhausted' | 'host-registrations-exhausted'

/** What a granted or ended registration asks of the kernel. */
export interface RegistrationChange {
  readonly open: Path[]
  readonly close: Path[]
  /** Keep these signalling flows' conntracks, and with them the public ports, for so long; 0: no longer. */
  readonly keepAlive: Keep[]
  readonly registered: RegistrationInfo[]
  readonly unregistered: RegistrationInfo[]
  /** The budget had no room for a contact that the registrar granted. */
  refused: RegistrationRefusal | undefined
}

export interface Keep {
  readonly flow: Flow
  readonly seconds: number
}

export function emptyChange(): RegistrationChange {
  return { open: [], close: [], keepAlive: [], registered: [], unregistered: [], refused: undefined }
}

export function infoOf(registration: Registration): RegistrationInfo {
  const { binding, flow } = registration.way
  const { inside, outside, transport } = binding
  return { aor: registration.aor, transport, inside, outside, registrar: flow.peer, expiresAt: registration.expiresAt }
}

export const requestKey = (message: SipMessage, flow: Flow): string =>
  `${flow.binding.inside.address}|${message.callId}|${message.cseq}`

export function contactKey(binding: Binding, flow: Flow): string {
  const { inside, outside, transport } = binding
  return `${transport}|${inside.address}|${inside.port}|${outside.address}|${outside.port}|${flow.peer.address}`
}
