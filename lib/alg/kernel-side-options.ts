import { fail, integer, names, or, translationOf } from './options.js'

/** Where a helper without SIP works, every value checked. */
export interface KernelSideSettings {
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly ports: readonly number[]
  readonly netns: string | undefined
  readonly queue: number
  readonly leaseSec: number
  readonly translation: 'auto' | 'function' | 'maps'
}

interface KernelSideGiven {
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly ports: readonly number[]
  readonly netns?: string
  readonly queue?: number
  readonly leaseSec?: number
  readonly translation?: 'auto' | 'function' | 'maps'
}

/** Object keys that are no options are misspellings that would silently do nothing. `group`: of which option; empty: all. */
export function checkObject(value: unknown, known: readonly string[], group: string): void {
  if (typeof value !== 'object' || value === null) fail(group || '(all)', 'must be an object')
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) fail(group ? `${group}.${key}` : key, `unknown; there are ${known.join(', ')}`)
  }
}

/** Checks what such helpers' options have in common. Throws CthelperError ERR_CONFIG that names the option and what is wrong with it. */
export function kernelSideSettings(options: KernelSideGiven, standardQueue: number): KernelSideSettings {
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
    netns,
    queue: integer('queue', or(options.queue, standardQueue), 0, 65_534),
    leaseSec: integer('leaseSec', or(options.leaseSec, 120), 3, 3600),
    translation: translationOf(options.translation),
  }
}
