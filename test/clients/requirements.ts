import { spawnSync } from 'node:child_process'
import { whyNoLab } from '../../lib/testing/index.js'

/** Debian's packages of the clients, by the command that shows they are there. */
const packages = {
  baresip: 'baresip-core',
  linphonec: 'linphone-cli',
  kamailio: 'kamailio',
  turnserver: 'coturn',
} as const

export type Client = keyof typeof packages

const hasCommand = (name: string): boolean =>
  spawnSync('sh', ['-c', `command -v ${name} || test -x /usr/sbin/${name}`]).status === 0

/**
 * Why a test with these clients cannot run here, fit for tap's `skip`; false when it can. They take minutes, and are asked for:
 * `npm run test:clients` sets CTHELPER_CLIENTS.
 */
export function whyNoClients(...clients: readonly Client[]): string | false {
  if (!process.env.CTHELPER_CLIENTS) return 'npm run test:clients runs it'
  const whyNot = whyNoLab('nft', 'conntrack', 'tcpdump')
  if (whyNot) return whyNot
  const missing = clients.filter((name) => !hasCommand(name)).map((name) => packages[name])
  return missing.length > 0 && `needs the Debian packages ${missing.join(', ')}`
}
