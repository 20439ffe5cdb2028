/** The orchestrator: from queued packet to verdict. Read pipeline.ts first. */
export { type Settings, settingsOf } from './options.js'
export { SipHelper } from './sip-helper.js'
