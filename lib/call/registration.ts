import type { RegistrationInfo } from '../../types/call.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { ContactValue, SipMessage } from '../../types/sip.js'
import { Deadlines } from '../base/deadlines.js'
import { contactValues } from '../sip/index.js'
import type { Bindings } from './binding.js'
import type { Budgets } from './budget.table.js'
import { aorOf, grantedSec } from './granted.js'
import {
  type Asked,
  type Callers,
  Contact,
  contactKey,
  emptyChange,
  infoOf,
  Registration,
  type RegistrationChange,
  type RegistrationRefusal,
  Request,
  requestKey,
} from './registration-records.js'
import { isAt, namedBinding } from './rewrite.js'
import type { SignallingWays } from './signalling-ways.js'
import { TRANSACTION_MS } from './transaction.js'

/** A binding outlives its registration a little: the registrar may send until the last second, and a refresh may be on its way. */
const GRACE_MS = 5_000

/** Contacts of one REGISTER that are looked at. */
const MAX_ASKED = 16

/** Registrations that went out through us: bound when the registrar grants them, for as long as it grants them (RFC 3261 10). */
export class Registrations {
  readonly #bindings: Bindings
  readonly #ways: SignallingWays
  readonly #callers: Callers
  readonly #limits: Pick<Budgets, 'registrations' | 'registrationsPerHost'>
  /** Registrations by inside address. */
  readonly #hosts = new Map<string, number>()
  readonly #requests = new Map<string, Request>()
  readonly #contacts = new Map<string, Contact>()
  readonly #deadlines = new Deadlines<Request | Registration>()
  #count = 0

  constructor(
    bindings: Bindings,
    ways: SignallingWays,
    callers: Callers,
    limits: Pick<Budgets, 'registrations' | 'registrationsPerHost'>,
  ) {
    this.#bindings = bindings
    this.#ways = ways
    this.#callers = callers
    this.#limits = limits
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
    if (this.#requests.size >= this.#limits.registrations) this.#forgetRequest(this.#requests.values().next().value!)
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
      const binding = isAt(address, own) ? flow.binding : namedBinding(address, 'out', this.#bindings)
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
      change.refused ??= this.#refusal(binding)
      if (change.refused) return
      const contact = known ?? this.#addContact(binding, flow, change)
      registration = new Registration(aor, contact)
      contact.registrations.set(aor, registration)
      this.#add(binding, 1)
      this.#supersede(aor, binding, flow, change)
    }
    registration.expiresAt = now + seconds * 1000
    this.#deadlines.set(registration, registration.expiresAt + GRACE_MS)
    // A connection lives as long as its ends want.
    if (binding === flow.binding && binding.transport === 'udp') this.#keep(registration.way, flow, now, change)
    change.registered.push(infoOf(registration))
  }

  /**
   * The same contact at the same registrar under another outside address: the gateway's has changed, and nobody comes by the old one. By
   * another port the old one still leads to the phone, for as long as the registrar knows it.
   */
  #supersede(aor: string, { inside, outside, transport }: Binding, flow: Flow, change: RegistrationChange): void {
    for (const binding of this.#bindings.allOfInside(inside, transport)) {
      if (binding.outside.address !== outside.address) this.#unbind(aor, binding, flow, change)
    }
  }

  /** Why there is no room for one more. */
  #refusal({ inside }: Binding): RegistrationRefusal | undefined {
    const { registrations, registrationsPerHost } = this.#limits
    if (this.#count >= registrations) return 'registrations-exhausted'
    return (this.#hosts.get(inside.address) ?? 0) >= registrationsPerHost ? 'host-registrations-exhausted' : undefined
  }

  #add({ inside }: Binding, count: 1 | -1): void {
    this.#count += count
    const own = (this.#hosts.get(inside.address) ?? 0) + count
    if (own === 0) this.#hosts.delete(inside.address)
    else this.#hosts.set(inside.address, own)
  }

  #addContact(binding: Binding, flow: Flow, change: RegistrationChange): Contact {
    const contact = new Contact(flow, binding)
    this.#contacts.set(contactKey(binding, flow), contact)
    this.#bindings.hold(binding)
    contact.ways = this.#callersOf(flow).map((it) => this.#ways.hold(flow.family, binding, it, change))
    return contact
  }

  /** Sources of the family that may call; undefined: anybody. */
  #callersOf({ family, peer }: Flow): readonly (string | undefined)[] {
    if (this.#callers === 'registrar') return [peer.address]
    if (this.#callers === 'any') return [undefined]
    return this.#callers.filter((it) => it.includes(':') === (family === 6))
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
    this.#add(way.binding, -1)
    this.#deadlines.clear(registration)
    change.unregistered.push(infoOf(registration))
    if (way.registrations.size > 0) return
    this.#contacts.delete(contactKey(way.binding, way.flow))
    this.#bindings.release(way.binding)
    for (const it of way.ways) this.#ways.release(it, change)
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

  list(): RegistrationInfo[] {
    return [...this.#contacts.values()].flatMap((contact) => [...contact.registrations.values()].map(infoOf))
  }
}
