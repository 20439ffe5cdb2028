import type { DefineHelperOptions, Frame, OnPacket, OnStreamMessage } from '../../types/define.js'
import { MACHINE } from './interfaces.js'
import { checkObject, type KernelSideSettings, kernelSideSettings } from './kernel-side-options.js'
import { fail, integer, oneOf, or, portRange } from './options.js'

interface AnySettings extends KernelSideSettings {
  readonly name: string
  readonly mediaPorts: readonly [number, number] | undefined
  readonly budgets: { readonly pinholes: number; readonly pinholesPerHost: number }
}

export interface PacketSettings extends AnySettings {
  readonly protocol: 'udp'
  readonly onPacket: OnPacket
}

export interface StreamSettings extends AnySettings {
  readonly protocol: 'tcp'
  readonly frame: Frame
  readonly onMessage: OnStreamMessage
  readonly budgets: AnySettings['budgets'] & Readonly<Record<keyof typeof STREAM_BUDGETS, number>>
  readonly tcp: { readonly port: number; readonly mark: number; readonly table: number }
}

/** `DefineHelperOptions` with every default filled in and every value checked. */
export type DefinedSettings = PacketSettings | StreamSettings

const COMMON = [
  'name',
  'ports',
  'protocol',
  'inside',
  'outside',
  'netns',
  'queue',
  'leaseSec',
  'translation',
  'budgets',
  'media',
]
const KNOWN = {
  udp: [...COMMON, 'onPacket'],
  tcp: [...COMMON, 'frame', 'onMessage', 'tcp'],
} as const
/** Tables of `ConeNat` and of the SIP helper's zones. */
const TAKEN = /^(cone|zone-\d+)$/
const WAY_BUDGETS = { pinholes: 10_000, pinholesPerHost: 1000 } as const
const STREAM_BUDGETS = {
  messageBytes: 65_535,
  connections: 10_000,
  connectionsPerHost: 4096,
  connectionBytesPerHost: 33_554_432,
} as const
const MOST = 2 ** 31 - 1
/** Marks and numbers of routing tables have 32 bits. */
const LAST_WORD = 0xffffffff

/** Checks options and fills in defaults. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function definedSettings(options: DefineHelperOptions): DefinedSettings {
  const protocol = oneOf('protocol', options?.protocol, ['udp', 'tcp'])
  checkObject(options, KNOWN[protocol], '')
  const { name } = options
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]{0,19}$/.test(name))
    fail('name', `${JSON.stringify(name)} is not of lower case letters, digits and hyphens, at most 20`)
  if (TAKEN.test(name)) fail('name', `inet cthelper-${name} is another helper's table`)
  const place = kernelSideSettings(options, 5080)
  if (place.inside.includes(MACHINE)) fail('inside', 'the machine itself is not helped')
  const media = or(options.media, {})
  checkObject(media, ['ports'], 'media')
  const common = { ...place, name, mediaPorts: media.ports === undefined ? undefined : portRange(media.ports) }
  if (options.protocol === 'udp') {
    const { onPacket } = options
    handler('onPacket', onPacket)
    return { ...common, protocol: 'udp', onPacket, budgets: budgetsOf(options.budgets, WAY_BUDGETS) }
  }
  const { frame, onMessage } = options
  handler('frame', frame)
  handler('onMessage', onMessage)
  const budgets = budgetsOf(options.budgets, { ...WAY_BUDGETS, ...STREAM_BUDGETS })
  return { ...common, protocol: 'tcp', frame, onMessage, budgets, tcp: tcpSettings(or(options.tcp, {})) }
}

function handler(option: string, value: unknown): void {
  if (typeof value !== 'function') fail(option, 'must be a function')
}

/** Each is at least 1. */
function budgetsOf<Name extends string>(
  given: Readonly<Partial<Record<Name, number>>> | undefined,
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const budgets = (given === undefined ? {} : given) as Partial<Record<Name, number>>
  const names = Object.keys(defaults) as Name[]
  checkObject(budgets, names, 'budgets')
  const value = (name: Name) => integer(`budgets.${name}`, or(budgets[name], defaults[name]), 1, MOST)
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Record<Name, number>
}

function tcpSettings(tcp: { readonly port?: number; readonly mark?: number; readonly table?: number }) {
  checkObject(tcp, ['port', 'mark', 'table'], 'tcp')
  return {
    port: integer('tcp.port', or(tcp.port, 15_080), 1, 65_535),
    mark: integer('tcp.mark', or(tcp.mark, 0xc8005080), 1, LAST_WORD - 1),
    table: integer('tcp.table', or(tcp.table, 5080), 1, LAST_WORD),
  }
}
