import type { RegistrationInfo } from '../../types/call.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { AddressField, ContactValue, SipMessage } from '../../types/sip.js'
import { Deadlines, type Timed } from '../base/deadlines.js'
import { contactValues } from '../sip/index.js'
import type { Bindings } from './binding.js'
import { TRANSACTION_MS } from './call.js'
import { Path, type PathOwner } from './media.js'
import { isAt } from './rewrite.js'

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
  readonly asked: readonly Asked[]
  readonly isWildcard: boolean

  constructor(key: string, asked: readonly Asked[], isWildcard: boolean) {
    this.key = key
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
  /** Keep the signalling flow's conntrack, and with it the public port, for so long. */
  readonly keepAlive: { readonly flow: Flow; readonly seconds: number } | undefined
  readonly registered: RegistrationInfo[]
  readonly unregistered: RegistrationInfo[]
}

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

  /** Notes what a REGISTER from inside asks for. False when the budget is used up: then it goes on without our help. */
  request(message: SipMessage, flow: Flow, now: number): boolean {
    const key = requestKey(message, flow)
    if (this.#requests.has(key)) return true
    if (this.#count + this.#requests.size >= this.#limit) return false
    const contacts = contactValues(message)
    const asked = contacts.flatMap((contact) => this.#ask(contact, message, flow))
    const request = new Request(
      key,
      asked,
      contacts.some((it) => it.isWildcard),
    )
    this.#requests.set(key, request)
    this.#deadlines.set(request, now + TRANSACTION_MS)
    return true
  }

  #ask(contact: ContactValue, message: SipMessage, flow: Flow): Asked[] {
    const { address } = contact
    if (!address) return []
    const binding = isAt(address, flow.binding.inside)
      ? flow.binding
      : this.#bindings.ofInside(address.address, address.portNumber)
    return binding ? [{ binding, expiresSec: contact.expiresSec ?? message.expiresSec }] : []
  }

  /** Takes a final response to a REGISTER: 2xx binds what it grants, anything else leaves all as it was. */
  response(message: SipMessage, flow: Flow, now: number): RegistrationChange | undefined {
    if (message.statusCode < 200) return undefined
    const key = requestKey(message, flow)
    const request = this.#requests.get(key)
    if (!request) return undefined
    this.#requests.delete(key)
    this.#deadlines.clear(request)
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

  #bind(aor: string, binding: Binding, flow: Flow, seconds: number, now: number, change: Writable): void {
    const key = contactKey(binding, flow)
    let contact = this.#contacts.get(key)
    if (!contact) {
      contact = new Contact(flow, binding, this.#callers)
      this.#contacts.set(key, contact)
      this.#bindings.hold(binding)
      change.open.push(...contact.paths)
    }
    let registration = contact.registrations.get(aor)
    if (!registration) {
      registration = new Registration(aor, contact)
      contact.registrations.set(aor, registration)
      this.#count++
    }
    registration.expiresAt = now + seconds * 1000
    this.#deadlines.set(registration, registration.expiresAt + GRACE_MS)
    if (binding === flow.binding) change.keepAlive = { flow, seconds: seconds + GRACE_MS / 1000 }
    change.registered.push(infoOf(registration))
  }

  #unbind(aor: string, binding: Binding, flow: Flow, change: Writable): void {
    const registration = this.#contacts.get(contactKey(binding, flow))?.registrations.get(aor)
    if (registration) this.#remove(registration, change)
  }

  #forgetAll(aor: string, flow: Flow, change: Writable): void {
    for (const contact of this.#contacts.values()) {
      if (contact.binding.inside.address !== flow.binding.inside.address) continue
      const registration = contact.registrations.get(aor)
      if (registration) this.#remove(registration, change)
    }
  }

  #remove(registration: Registration, change: Writable): void {
    const { way, aor } = registration
    if (!way.registrations.delete(aor)) return
    this.#count--
    this.#deadlines.clear(registration)
    change.unregistered.push(infoOf(registration))
    if (way.registrations.size > 0) return
    this.#contacts.delete(contactKey(way.binding, way.flow))
    this.#bindings.release(way.binding)
    change.close.push(...way.paths)
  }

  /** Ends what has run out; undefined when nothing has. */
  expire(now: number): RegistrationChange | undefined {
    const due = this.#deadlines.expire(now)
    if (due.length === 0) return undefined
    const change = emptyChange()
    for (const item of due) {
      if (item.kind === 'request') this.#requests.delete(item.key)
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

type Writable = { -readonly [K in keyof RegistrationChange]: RegistrationChange[K] }

function emptyChange(): Writable {
  return { open: [], close: [], keepAlive: undefined, registered: [], unregistered: [] }
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
