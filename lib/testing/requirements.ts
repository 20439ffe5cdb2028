import { spawnSync } from 'node:child_process'

/** Whether a command of that name can be started. */
function hasCommand(name: string): boolean {
  return spawnSync(name, ['--version'], { stdio: 'ignore' }).error === undefined
}

/**
 * Why a kernel test cannot run here, fit for tap's `skip`; false when it can. Asks for root, `ip`, and the commands named.
 *
 * @example
 * t.test('pinholes', { skip: whyNoLab('nft', 'conntrack') }, async (t) => { ... })
 */
export function whyNoLab(...commands: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root'
  const missing = ['ip', ...commands].filter((name) => !hasCommand(name))
  return missing.length > 0 && `needs the commands ${missing.join(', ')}`
}
