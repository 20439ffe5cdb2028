import type { BudgetOptions, SipHelperOptions } from '../../types/options.js'
import type { OnMessage } from '../../types/script.js'
import type { SipLimits } from '../../types/sip.js'
import { CthelperError } from '../base/errors.js'
import { canonicalPrefix } from '../base/prefix.js'
import { type Budgets, budgetsOf, budgetTable, type EngineOptions } from '../call/index.js'
import { MACHINE } from './interfaces.js'

/** `SipHelperOptions` with every default filled in and every value checked. */
export interface Settings {
  readonly mode: Mode
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly netns: string | undefined
  readonly ports: readonly number[]
  readonly queue: number
  readonly zone: number
  readonly media: {
    readonly ports: readonly [number, number] | undefined
    readonly source: 'exact' | 'latch' | 'address'
    readonly early: 'peer' | 'none' | 'any'
    readonly hosts: readonly string[]
    readonly idleSec: number
  }
  readonly translation: 'auto' | 'function' | 'maps'
  readonly callers: 'registrar' | 'any' | readonly string[]
  /** Empty: everybody. */
  readonly peers: readonly string[]
  readonly ways: 'live' | 'registered'
  readonly cone: { readonly ports: readonly number[]; readonly filtering: 'restricted' | 'full' }
  readonly moh: { readonly sources: readonly string[]; readonly heldMedia: 'drop' | 'pass' }
  readonly onMessage: OnMessage | undefined
  readonly masquerade: boolean
  readonly leaseSec: number
  readonly policy: Readonly<Record<'notSip' | 'malformed' | 'failure', 'accept' | 'drop'>> & {
    readonly signed: 'leave' | 'edit'
  }
  readonly budgets: Budgets
  readonly tcp: {
    readonly proxy: 'auto' | 'on' | 'off'
    readonly port: number
    readonly mark: number
    readonly table: number
  }
}

export type Mode = NonNullable<SipHelperOptions['mode']>

/** What a mode is: its defaults, and what of the machine it counts on. */
export interface ModeRow {
  readonly early: 'peer' | 'none'
  /** Whether calls and requests open ways for signalling too, or the filter's own rules are to say who may signal. */
  readonly ways: 'live' | 'registered'
  /** Addresses are translated, or may be. */
  readonly translates: boolean
  /** Rules of the user's may forward SIP ports of the outside address to a host inside. */
  readonly forwardsPorts: boolean
}

export const MODES: Readonly<Record<Mode, ModeRow>> = {
  gateway: { early: 'peer', ways: 'live', translates: true, forwardsPorts: false },
  pbx: { early: 'peer', ways: 'live', translates: true, forwardsPorts: true },
  firewall: { early: 'none', ways: 'registered', translates: false, forwardsPorts: false },
}

/** Linux IFNAMSIZ, its NUL left out. */
const NAME_MAX = 15

export function fail(option: string, why: string): never {
  throw new CthelperError('ERR_CONFIG', `option ${option}`, `option ${option}: ${why}`)
}

/** Object keys that are options; anything else is a misspelling that would silently do nothing. */
const KNOWN: Readonly<Record<string, readonly string[]>> = {
  '': [
    'inside',
    'outside',
    'mode',
    'netns',
    'ports',
    'queue',
    'zone',
    'media',
    'translation',
    'signalling',
    'moh',
    'cone',
    'masquerade',
    'leaseSec',
    'policy',
    'budgets',
    'tcp',
    'onMessage',
  ],
  media: ['ports', 'source', 'early', 'hosts', 'idleSec'],
  signalling: ['callers', 'peers', 'ways'],
  moh: ['sources', 'heldMedia'],
  cone: ['ports', 'filtering'],
  policy: ['notSip', 'malformed', 'failure', 'signed'],
  budgets: budgetTable.map(({ name }) => name),
  tcp: ['proxy', 'port', 'mark', 'table'],
}

function checkKeys(group: string, value: object | undefined): void {
  if (value === undefined) return
  if (typeof value !== 'object' || value === null || Array.isArray(value)) fail(group || '(all)', 'must be an object')
  for (const key of Object.keys(value)) {
    if (!KNOWN[group]!.includes(key))
      fail(group ? `${group}.${key}` : key, `unknown; there are ${KNOWN[group]!.join(', ')}`)
  }
}

export function names(option: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || value.length === 0) fail(option, 'name at least one interface')
  for (const name of value) {
    if (typeof name !== 'string' || name === '' || name.length > NAME_MAX || /[\s/]/.test(name))
      fail(option, `${JSON.stringify(name)} is no interface name`)
  }
  return value
}

export function integer(option: string, value: unknown, low: number, high: number): number {
  if (!Number.isInteger(value) || (value as number) < low || (value as number) > high)
    fail(option, `${JSON.stringify(value)} is not a whole number from ${low} to ${high}`)
  return value as number
}

export function oneOf<T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  if (!choices.includes(value as T)) fail(option, `${JSON.stringify(value)} is none of ${choices.join(', ')}`)
  return value as T
}

function prefixes(option: string, value: unknown): readonly string[] {
  return listOf(option, value, canonicalPrefix, 'is no IP address, nor a prefix such as 192.0.2.0/24')
}

function listOf(
  option: string,
  value: unknown,
  canonical: (text: string) => string | undefined,
  complaint: string,
): readonly string[] {
  if (!Array.isArray(value)) fail(option, 'must be a list of addresses')
  return value.map((it) => {
    const text = typeof it === 'string' ? canonical(it) : undefined
    return text ?? fail(option, `${JSON.stringify(it)} ${complaint}`)
  })
}

/** Who translates. Throws for what nobody is. */
export const translationOf = (value: SipHelperOptions['translation']): Settings['translation'] =>
  oneOf('translation', or(value, 'auto'), ['auto', 'function', 'maps'])

/** A range of media ports. Throws for what is none. */
export function portRange(value: unknown): readonly [number, number] {
  if (!Array.isArray(value) || value.length !== 2) fail('media.ports', 'must be [first, last]')
  const first = integer('media.ports', value[0], 1024, 65535)
  const last = integer('media.ports', value[1], 1024, 65535)
  if (last - first < 1 + (first & 1))
    fail('media.ports', `${first} to ${last} holds no even pair of ports (RTP and RTCP)`)
  return [first, last]
}

/** The default where nothing is said; `null` says something, and something wrong. */
export function or<T>(value: T | undefined, standard: T): T {
  return value === undefined ? standard : value
}

function sipPorts(value: unknown): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) fail('ports', 'name at least one SIP port')
  return value.map((it) => integer('ports', it, 1, 65535))
}

function conePorts(value: unknown, sip: readonly number[]): readonly number[] {
  if (!Array.isArray(value)) fail('cone.ports', 'must be a list of ports')
  return value.map((it) => {
    if (sip.includes(it)) fail('cone.ports', `${it} is a SIP port, whose flows have ways of their own`)
    return integer('cone.ports', it, 1, 65535)
  })
}

function checkedBudgets(given: BudgetOptions, ports: readonly [number, number] | undefined): Budgets {
  for (const { name, low, high } of budgetTable) {
    if (given[name] !== undefined) integer(`budgets.${name}`, given[name], low, high)
  }
  return budgetsOf(given, ports)
}

/** Those of the settings that are the engine's. */
export function engineSettings({
  media,
  callers,
  ways,
  budgets,
  policy: { signed },
}: Pick<Settings, 'media' | 'callers' | 'ways' | 'budgets' | 'policy'>): EngineOptions {
  const { source, early, ports, hosts: mediaHosts, idleSec } = media
  return { source, early, ports, mediaHosts, idleMs: idleSec * 1000, callers, ways, budgets, signed }
}

/** Those that bound a message. */
export function sipLimits({ budgets }: Pick<Settings, 'budgets'>): SipLimits {
  return { maxHeaders: budgets.headers, maxBytes: budgets.messageBytes }
}

/** Checks options and fills in defaults. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function settingsOf(options: SipHelperOptions): Settings {
  if (options === undefined) fail('(all)', 'must be an object')
  for (const group of Object.keys(KNOWN)) {
    checkKeys(group, group === '' ? options : (options[group as keyof SipHelperOptions] as object | undefined))
  }
  const { media = {}, signalling = {}, moh = {}, policy = {}, budgets = {}, tcp = {} } = options
  const inside = names('inside', options.inside)
  const outside = names('outside', options.outside)
  const both = inside.find((name) => outside.includes(name))
  if (both) fail('outside', `${both} is an inside interface already`)
  if (outside.includes(MACHINE)) fail('outside', `${MACHINE} is this machine itself`)
  const mode = oneOf('mode', or(options.mode, 'gateway'), Object.keys(MODES) as Mode[])
  if (!MODES[mode].translates && options.masquerade === true) fail('masquerade', `mode ${mode} translates nothing`)
  if (!MODES[mode].translates && media.ports !== undefined)
    fail('media.ports', `mode ${mode} translates nothing, and media keeps the ports it has`)
  if (!MODES[mode].translates && options.translation !== undefined)
    fail('translation', `mode ${mode} translates nothing`)
  if (options.masquerade !== undefined && typeof options.masquerade !== 'boolean')
    fail('masquerade', 'must be true or false')
  if (options.onMessage !== undefined && typeof options.onMessage !== 'function')
    fail('onMessage', 'must be a function')
  if (options.netns !== undefined && (typeof options.netns !== 'string' || options.netns === ''))
    fail('netns', 'must be the path of a network namespace')
  const { callers = 'registrar' } = signalling
  const ports = media.ports === undefined ? undefined : portRange(media.ports)
  return {
    mode,
    inside,
    outside,
    netns: options.netns,
    ports: sipPorts(or(options.ports, [5060])),
    queue: integer('queue', or(options.queue, 5060), 0, 65534),
    zone: integer('zone', or(options.zone, 0), 0, 65535),
    media: {
      ports,
      source: oneOf('media.source', or(media.source, 'latch'), ['exact', 'latch', 'address']),
      early: oneOf('media.early', or(media.early, MODES[mode].early), ['peer', 'none', 'any']),
      hosts: prefixes('media.hosts', or(media.hosts, [])),
      idleSec: integer('media.idleSec', or(media.idleSec, 3600), 10, 604_800),
    },
    translation: translationOf(options.translation),
    callers: callers === 'registrar' || callers === 'any' ? callers : prefixes('signalling.callers', callers),
    peers: prefixes('signalling.peers', or(signalling.peers, [])),
    ways: oneOf('signalling.ways', or(signalling.ways, MODES[mode].ways), ['live', 'registered']),
    cone: {
      ports: conePorts(or(options.cone?.ports, []), or(options.ports, [5060])),
      filtering: oneOf('cone.filtering', or(options.cone?.filtering, 'restricted'), ['restricted', 'full']),
    },
    moh: {
      sources: prefixes('moh.sources', or(moh.sources, [])),
      heldMedia: oneOf('moh.heldMedia', or(moh.heldMedia, 'drop'), ['drop', 'pass']),
    },
    onMessage: options.onMessage,
    masquerade: or(options.masquerade, false),
    leaseSec: integer('leaseSec', or(options.leaseSec, 120), 3, 3600),
    policy: {
      notSip: oneOf('policy.notSip', or(policy.notSip, 'accept'), ['accept', 'drop']),
      malformed: oneOf('policy.malformed', or(policy.malformed, 'accept'), ['accept', 'drop']),
      failure: oneOf('policy.failure', or(policy.failure, 'accept'), ['accept', 'drop']),
      signed: oneOf('policy.signed', or(policy.signed, 'leave'), ['leave', 'edit']),
    },
    budgets: checkedBudgets(budgets, ports),
    tcp: {
      proxy: oneOf('tcp.proxy', or(tcp.proxy, 'auto'), ['auto', 'on', 'off']),
      port: integer('tcp.port', or(tcp.port, 15_060), 1, 65_535),
      mark: integer('tcp.mark', or(tcp.mark, 0xc8005060), 1, 0xffff_fffe),
      table: integer('tcp.table', or(tcp.table, 5060), 1, 0xffff_ffff),
    },
  }
}
