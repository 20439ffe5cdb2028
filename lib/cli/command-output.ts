import { spawnSync } from 'node:child_process'

/** Standard output of a command in a network namespace; undefined when it is not there, fails, or takes ten seconds. Never throws. */
export function outputOf(netns: string | undefined, argv: readonly string[]): string | undefined {
  const [file = '', ...args] = netns === undefined ? argv : ['nsenter', `--net=${netns}`, ...argv]
  const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`
  const env = { ...process.env, PATH: path }
  const done = spawnSync(file, args, { encoding: 'utf8', timeout: 10_000, maxBuffer: 64 << 20, env })
  return done.status === 0 ? done.stdout : undefined
}
