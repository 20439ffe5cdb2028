/** The orchestrator: from queued packet to verdict. Read pipeline.ts first. */
export { engineSettings, type Settings, settingsOf } from './options.js'
export { SipHelper } from './sip-helper.js'
