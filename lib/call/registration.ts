import type { RegistrationInfo } from '../../types/call.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { AddressField, ContactValue, SipMessage } from '../../types/sip.js'
import { Deadlines, type Timed } from '../base/deadlines.js'
import { contactValues } from '../sip/index.js'
import type { Bindings } from './binding.js'
import { TRANSACTION_MS } from './call.js'
import { Path, type PathOwner } from './media.js'
import { isAt, portOf } from './rewrite.js'

/** RFC 3261 10.2.1.1: what a registrar grants that does not say. */
const DEFAULT_EXPIRES_SEC = 3600
/** A binding outlives its registration a little: the registrar may send until the last second, and a refresh may be on its way. */
const GRACE_MS = 5_000

interface Asked {
  readonly binding: Binding
  /** Seconds asked for in Contact or Expires. */
  readonly expiresSec: number | undefined
}

/** A REGISTER that waits for its final response. */
class Request implements Timed {
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
class Registration implements Timed {
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
class Contact implements PathOwner {
  readonly callId = undefined
  readonly flow: Flow
  readonly binding: Binding
  readonly paths: readonly Path[]
  readonly registrations = new Map<string, Registration>()
  /** The signalling flow whose conntrack is kept for it: the one of its last refresh. */
  kept: Flow | undefined

  constructor(flow: Flow, binding: Binding, callers: Callers) {
    this.flow = flow
    this.binding = binding
    const from = callers === 'registrar' ? [flow.peer.address] : callers === 'any' ? [undefined] : callers
    this.paths = from.map((it) => Path.signalling(flow.family, binding.inside, binding.outside, it, this))
  }
}

export type Callers = 'registrar' | 'any' | readonly string[]

/** What a granted or ended registration asks of the kernel. */
export interface RegistrationChange {
  readonly open: Path[]
  readonly close: Path[]
  /** Keep these signalling flows' conntracks, and with them the public ports, for so long; 0: no longer. */
  readonly keepAlive: Keep[]
  readonly registered: RegistrationInfo[]
  readonly unregistered: RegistrationInfo[]
  /** The budget had no room for a contact that the registrar granted. */
  isExhausted: boolean
}

export interface Keep {
  readonly flow: Flow
  readonly seconds: number
}

/** Contacts of one REGISTER that are looked at. */
const MAX_ASKED = 16

/** Registrations that went out through us: bound when the registrar grants them, for as long as it grants them (RFC 3261 10). */
export class Registrations {
  readonly #bindings: Bindings
  readonly #callers: Callers
  readonly #limit: number
  readonly #requests = new Map<string, Request>()
  readonly #contacts = new Map<string, Contact>()
  readonly #deadlines = new Deadlines<Request | Registration>()
  #count = 0

  constructor(bindings: Bindings, callers: Callers, limit: number) {
    this.#bindings = bindings
    this.#callers = callers
    this.#limit = limit
  }

  get size(): number {
    return this.#count
  }

  /** REGISTERs without an answer yet. */
  get pending(): number {
    return this.#requests.size
  }

  /** Notes what a REGISTER from inside asks for. */
  request(message: SipMessage, flow: Flow, now: number): void {
    const key = requestKey(message, flow)
    if (this.#requests.has(key)) return
    const contacts = contactValues(message)
    const isWildcard = contacts.some((it) => it.isWildcard)
    const asked = this.#askedOf(contacts, message, flow)
    if (asked.length === 0 && !isWildcard) return
    // A flood of REGISTERs pushes its own out, not a refresh whose answer is on its way.
    if (this.#requests.size >= this.#limit) this.#forgetRequest(this.#requests.values().next().value!)
    const request = new Request(key, flow.peer.address, message.fromTag, asked, isWildcard)
    this.#requests.set(key, request)
    this.#deadlines.set(request, now + TRANSACTION_MS)
  }

  #forgetRequest(request: Request): void {
    this.#requests.delete(request.key)
    this.#deadlines.clear(request)
  }

  /** The sender's own contacts, one a binding. Other hosts' are theirs to register. */
  #askedOf(contacts: readonly ContactValue[], message: SipMessage, flow: Flow): Asked[] {
    const own = flow.binding.inside
    const asked = new Map<Binding, Asked>()
    for (const { address, expiresSec } of contacts) {
      if (address?.address !== own.address || asked.size >= MAX_ASKED) continue
      const binding = isAt(address, own) ? flow.binding : this.#bindings.ofInside(own.address, portOf(address))
      if (!binding) continue
      const seconds = expiresSec ?? message.expiresSec
      // Two addresses of record in one REGISTER there are not: of two values for one contact the longer counts.
      const known = asked.get(binding)
      if (!known || (known.expiresSec ?? Infinity) < (seconds ?? Infinity))
        asked.set(binding, { binding, expiresSec: seconds })
    }
    return [...asked.values()]
  }

  /** Takes a final response to a REGISTER: 2xx binds what it grants, anything else leaves all as it was. */
  response(message: SipMessage, flow: Flow, now: number): RegistrationChange | undefined {
    if (message.statusCode < 200) return undefined
    const request = this.#requests.get(requestKey(message, flow))
    if (request?.registrar !== flow.peer.address || request.fromTag !== message.fromTag) return undefined
    this.#forgetRequest(request)
    if (message.statusCode >= 300) return undefined
    const change = emptyChange()
    const aor = aorOf(message)
    if (request.isWildcard) this.#forgetAll(aor, flow, change)
    const granted = contactValues(message)
    for (const asked of request.asked) {
      const seconds = grantedSec(asked, granted, message)
      if (seconds > 0) this.#bind(aor, asked.binding, flow, seconds, now, change)
      else this.#unbind(aor, asked.binding, flow, change)
    }
    return change
  }

  #bind(aor: string, binding: Binding, flow: Flow, seconds: number, now: number, change: RegistrationChange): void {
    const known = this.#contacts.get(contactKey(binding, flow))
    let registration = known?.registrations.get(aor)
    if (!registration) {
      if (this.#count >= this.#limit) {
        change.isExhausted = true
        return
      }
      const contact = known ?? this.#addContact(binding, flow, change)
      registration = new Registration(aor, contact)
      contact.registrations.set(aor, registration)
      this.#count++
    }
    registration.expiresAt = now + seconds * 1000
    this.#deadlines.set(registration, registration.expiresAt + GRACE_MS)
    if (binding === flow.binding) this.#keep(registration.way, flow, now, change)
    change.registered.push(infoOf(registration))
  }

  #addContact(binding: Binding, flow: Flow, change: RegistrationChange): Contact {
    const contact = new Contact(flow, binding, this.#callers)
    this.#contacts.set(contactKey(binding, flow), contact)
    this.#bindings.hold(binding)
    change.open.push(...contact.paths)
    return contact
  }

  /** The flow is kept for the longest of the contact's registrations. */
  #keep(contact: Contact, flow: Flow, now: number, change: RegistrationChange): void {
    let until = 0
    for (const { expiresAt } of contact.registrations.values()) until = Math.max(until, expiresAt)
    contact.kept = flow
    change.keepAlive.push({ flow, seconds: (until + GRACE_MS - now) / 1000 })
  }

  #unbind(aor: string, binding: Binding, flow: Flow, change: RegistrationChange): void {
    const registration = this.#contacts.get(contactKey(binding, flow))?.registrations.get(aor)
    if (registration) this.#remove(registration, change)
  }

  #forgetAll(aor: string, flow: Flow, change: RegistrationChange): void {
    for (const contact of this.#contacts.values()) {
      if (contact.binding.inside.address !== flow.binding.inside.address) continue
      const registration = contact.registrations.get(aor)
      if (registration) this.#remove(registration, change)
    }
  }

  #remove(registration: Registration, change: RegistrationChange): void {
    const { way, aor } = registration
    if (!way.registrations.delete(aor)) return
    this.#count--
    this.#deadlines.clear(registration)
    change.unregistered.push(infoOf(registration))
    if (way.registrations.size > 0) return
    this.#contacts.delete(contactKey(way.binding, way.flow))
    this.#bindings.release(way.binding)
    change.close.push(...way.paths)
    if (way.kept) change.keepAlive.push({ flow: way.kept, seconds: 0 })
  }

  /** Ends what has run out; undefined when nothing has. */
  expire(now: number): RegistrationChange | undefined {
    const due = this.#deadlines.expire(now)
    if (due.length === 0) return undefined
    const change = emptyChange()
    for (const item of due) {
      if (item.kind === 'request') this.#forgetRequest(item)
      else this.#remove(item, change)
    }
    return change
  }

  /** Ends all, on shutdown. */
  clear(): RegistrationChange {
    const change = emptyChange()
    for (const contact of [...this.#contacts.values()]) {
      for (const registration of [...contact.registrations.values()]) this.#remove(registration, change)
    }
    for (const request of this.#requests.values()) this.#deadlines.clear(request)
    this.#requests.clear()
    return change
  }

  /** The ways in of all contacts, for repair. */
  *paths(): Generator<Path> {
    for (const contact of this.#contacts.values()) yield* contact.paths
  }

  list(): RegistrationInfo[] {
    return [...this.#contacts.values()].flatMap((contact) => [...contact.registrations.values()].map(infoOf))
  }
}

function emptyChange(): RegistrationChange {
  return { open: [], close: [], keepAlive: [], registered: [], unregistered: [], isExhausted: false }
}

function infoOf(registration: Registration): RegistrationInfo {
  const { binding, flow } = registration.way
  const { inside, outside } = binding
  return { aor: registration.aor, inside, outside, registrar: flow.peer, expiresAt: registration.expiresAt }
}

const requestKey = (message: SipMessage, flow: Flow): string =>
  `${flow.binding.inside.address}|${message.callId}|${message.cseq}`

function contactKey(binding: Binding, flow: Flow): string {
  const { inside, outside } = binding
  return `${inside.address}|${inside.port}|${outside.address}|${outside.port}|${flow.peer.address}`
}

/** The address of record: To's URI (RFC 3261 10.2), without display name and parameters. */
function aorOf(message: SipMessage): string {
  const to = message.get('to') ?? ''
  return /<([^<>]*)>\s*(?:;.*)?$/.exec(to)?.[1] ?? to.replace(/;.*$/s, '').trim()
}

/**
 * What the registrar granted a contact: its own entry's `expires`, the Expires header, what was asked, the default, in this order
 * (RFC 3261 10.3 step 8, 10.2.4). A list of contacts without ours means that ours is not registered.
 */
function grantedSec(asked: Asked, granted: readonly ContactValue[], response: SipMessage): number {
  if (asked.expiresSec === 0) return 0
  const isOurs = (field: AddressField | undefined) =>
    field !== undefined && (isAt(field, asked.binding.outside) || isAt(field, asked.binding.inside))
  const entry = granted.find((it) => isOurs(it.address))
  if (!entry && granted.length > 0) return 0
  return entry?.expiresSec ?? response.expiresSec ?? asked.expiresSec ?? DEFAULT_EXPIRES_SEC
}
