import t from 'tap'
import { settingsOf, tcpHandling } from '../../lib/alg/index.js'
import type { SipHelperOptions } from '../../types/options.js'

const BRIDGED = 'lan0 and wan0 are ports of one bridge'

const rows: readonly (readonly [string, Partial<SipHelperOptions>, boolean, string | undefined, unknown])[] = [
  ['what is translated is proxied', { mode: 'gateway' }, false, undefined, 'proxied'],
  ['and is not where the proxy cannot be', { mode: 'pbx' }, true, BRIDGED, { why: BRIDGED }],
  ['nor in a zone', { zone: 7 }, false, undefined, { why: 'conntracks are in zone 7' }],
  ['what is not translated is followed', { mode: 'firewall' }, false, undefined, 'followed'],
  ['on a bridge', { mode: 'firewall' }, false, BRIDGED, 'followed'],
  ['in a zone', { mode: 'firewall', zone: 7 }, false, undefined, 'followed'],
  ['a script may change it', { mode: 'firewall' }, true, undefined, 'proxied'],
  ['where somebody can', { mode: 'firewall' }, true, BRIDGED, 'followed'],
  ['switched off', { mode: 'firewall', tcp: { proxy: 'off' } }, false, undefined, { why: 'switched off' }],
]

for (const [name, options, isScripted, whyNotOwn, expected] of rows) {
  t.test(name, async (t) => {
    const settings = settingsOf({ inside: ['lan0'], outside: ['wan0'], ...options })
    t.same(tcpHandling({ ...settings, isScripted }, whyNotOwn), expected)
  })
}
