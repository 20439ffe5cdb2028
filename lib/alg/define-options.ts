import type { DefineHelperOptions, OnPacket } from '../../types/define.js'
import { MACHINE } from './interfaces.js'
import { checkObject, type KernelSideSettings, kernelSideSettings } from './kernel-side-options.js'
import { fail, integer, oneOf, or } from './options.js'

/** `DefineHelperOptions` with every default filled in and every value checked. */
export interface DefinedSettings extends KernelSideSettings {
  readonly name: string
  readonly onPacket: OnPacket
  readonly budgets: { readonly pinholes: number; readonly pinholesPerHost: number }
}

const KNOWN = ['name', 'ports', 'protocol', 'inside', 'outside', 'netns', 'queue', 'leaseSec', 'budgets', 'onPacket']
/** Tables of `ConeNat` and of the SIP helper's zones. */
const TAKEN = /^(cone|zone-\d+)$/

/** Checks options and fills in defaults. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function definedSettings(options: DefineHelperOptions): DefinedSettings {
  checkObject(options, KNOWN, '')
  const { name, onPacket } = options
  if (typeof name !== 'string' || !/^[a-z0-9][a-z0-9-]{0,19}$/.test(name))
    fail('name', `${JSON.stringify(name)} is not of lower case letters, digits and hyphens, at most 20`)
  if (TAKEN.test(name)) fail('name', `inet cthelper-${name} is another helper's table`)
  oneOf('protocol', options.protocol, ['udp'])
  if (typeof onPacket !== 'function') fail('onPacket', 'must be a function')
  const budgets = or(options.budgets, {})
  checkObject(budgets, ['pinholes', 'pinholesPerHost'], 'budgets')
  const place = kernelSideSettings(options, 5080)
  if (place.inside.includes(MACHINE)) fail('inside', 'the machine itself is not helped')
  return {
    ...place,
    name,
    onPacket,
    budgets: {
      pinholes: integer('budgets.pinholes', or(budgets.pinholes, 10_000), 1, 1_000_000),
      pinholesPerHost: integer('budgets.pinholesPerHost', or(budgets.pinholesPerHost, 1000), 1, 1_000_000),
    },
  }
}
