/** The orchestrator: from queued packet to verdict. Read pipeline.ts first. */
export { ConeNat } from './cone-nat.js'
export { DefinedHelper, defineHelper } from './define-helper.js'
export { MACHINE, whyNotOwn } from './interfaces.js'
export { engineSettings, MODES, type Settings, settingsOf, sipLimits } from './options.js'
export { tableName, tableOf } from './own-table.js'
export { SipHelper } from './sip-helper.js'
export { type TcpHandling, tcpHandling, withTcp } from './tcp-handling.js'
