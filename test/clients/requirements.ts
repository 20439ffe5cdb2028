import { spawnSync } from 'node:child_process'
import { whyNoLab } from '../../lib/testing/index.js'

/** Debian's packages of the clients, by the command, or the library for Python, that shows they are there. */
const packages = {
  baresip: 'baresip-core',
  linphonec: 'linphone-cli',
  kamailio: 'kamailio',
  turnserver: 'coturn',
  ffmpeg: 'ffmpeg',
  'gst-launch-1.0': 'gstreamer1.0-tools and gstreamer1.0-plugins-good',
  GstRtspServer: 'gir1.2-gst-rtsp-server-1.0 and python3-gi',
} as const

export type Client = keyof typeof packages

const LIBRARY = /^[A-Z]/

function isThere(name: string): boolean {
  if (!LIBRARY.test(name))
    return spawnSync('sh', ['-c', `command -v ${name} || test -x /usr/sbin/${name}`]).status === 0
  return spawnSync('/usr/bin/python3', ['-c', `import gi; gi.require_version('${name}', '1.0')`]).status === 0
}

/**
 * Why a test with these clients cannot run here, fit for tap's `skip`; false when it can. They take minutes, and are asked for:
 * `npm run test:clients` sets CTHELPER_CLIENTS.
 */
export function whyNoClients(...clients: readonly Client[]): string | false {
  if (!process.env.CTHELPER_CLIENTS) return 'npm run test:clients runs it'
  const whyNot = whyNoLab('nft', 'conntrack', 'tcpdump')
  if (whyNot) return whyNot
  const missing = clients.filter((name) => !isThere(name)).map((name) => packages[name])
  return missing.length > 0 && `needs the Debian packages ${missing.join(', ')}`
}
