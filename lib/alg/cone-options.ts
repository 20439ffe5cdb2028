import type { ConeNatOptions } from '../../types/cone.js'
import { fail, integer, names, oneOf, or } from './options.js'

/** `ConeNatOptions` with every default filled in and every value checked. */
export interface ConeSettings {
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly ports: readonly number[]
  readonly filtering: 'restricted' | 'full'
  readonly netns: string | undefined
  readonly queue: number
  readonly lifetimeSec: number
  readonly leaseSec: number
  readonly budgets: { readonly ways: number; readonly waysPerHost: number }
}

const KNOWN = ['inside', 'outside', 'ports', 'filtering', 'netns', 'queue', 'lifetimeSec', 'leaseSec', 'budgets']
const KNOWN_BUDGETS = ['ways', 'waysPerHost']

function checkKeys(value: object, known: readonly string[], group: string): void {
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) fail(`${group}${key}`, `unknown; there are ${known.join(', ')}`)
  }
}

/** Checks options and fills in defaults. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function coneSettings(options: ConeNatOptions): ConeSettings {
  if (typeof options !== 'object' || options === null) fail('(all)', 'must be an object')
  checkKeys(options, KNOWN, '')
  const budgets = or(options.budgets, {})
  if (typeof budgets !== 'object' || budgets === null) fail('budgets', 'must be an object')
  checkKeys(budgets, KNOWN_BUDGETS, 'budgets.')
  const inside = names('inside', options.inside)
  const outside = names('outside', options.outside)
  const both = inside.find((name) => outside.includes(name))
  if (both) fail('outside', `${both} is an inside interface already`)
  const { ports, netns } = options
  if (!Array.isArray(ports) || ports.length === 0) fail('ports', 'name at least one destination port')
  if (netns !== undefined && (typeof netns !== 'string' || netns === ''))
    fail('netns', 'must be the path of a network namespace')
  return {
    inside,
    outside,
    ports: ports.map((it) => integer('ports', it, 1, 65_535)),
    filtering: oneOf('filtering', or(options.filtering, 'restricted'), ['restricted', 'full']),
    netns,
    queue: integer('queue', or(options.queue, 5070), 0, 65_534),
    lifetimeSec: integer('lifetimeSec', or(options.lifetimeSec, 30), 1, 86_400),
    leaseSec: integer('leaseSec', or(options.leaseSec, 120), 3, 3600),
    budgets: {
      ways: integer('budgets.ways', or(budgets.ways, 10_000), 1, 1_000_000),
      waysPerHost: integer('budgets.waysPerHost', or(budgets.waysPerHost, 1000), 1, 1_000_000),
    },
  }
}
