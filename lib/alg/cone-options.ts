import type { ConeNatOptions } from '../../types/cone.js'
import { checkObject, type KernelSideSettings, kernelSideSettings } from './kernel-side-options.js'
import { integer, oneOf, or } from './options.js'

/** `ConeNatOptions` with every default filled in and every value checked. */
export interface ConeSettings extends KernelSideSettings {
  readonly filtering: 'restricted' | 'full'
  readonly lifetimeSec: number
  readonly budgets: { readonly ways: number; readonly waysPerHost: number }
}

const KNOWN = [
  'inside',
  'outside',
  'ports',
  'filtering',
  'netns',
  'queue',
  'lifetimeSec',
  'leaseSec',
  'translation',
  'budgets',
]

/** Checks options and fills in defaults. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function coneSettings(options: ConeNatOptions): ConeSettings {
  checkObject(options, KNOWN, '')
  const budgets = or(options.budgets, {})
  checkObject(budgets, ['ways', 'waysPerHost'], 'budgets')
  return {
    ...kernelSideSettings(options, 5070),
    filtering: oneOf('filtering', or(options.filtering, 'restricted'), ['restricted', 'full']),
    lifetimeSec: integer('lifetimeSec', or(options.lifetimeSec, 30), 1, 86_400),
    budgets: {
      ways: integer('budgets.ways', or(budgets.ways, 10_000), 1, 1_000_000),
      waysPerHost: integer('budgets.waysPerHost', or(budgets.waysPerHost, 1000), 1, 1_000_000),
    },
  }
}
