/** SIP messages as byte ranges (RFC 3261): scanned without copying, edited by `splice` of lib/base/range.ts, never serialised anew. */
export { bodyParts, sdpBodies } from './body.js'
export { type UriBody, uriBodies } from './body-uris.js'
export { contactValues } from './contact.js'
export { type HeaderGrammar, type HeaderRow, headerTable } from './header.table.js'
export { addressFields } from './message.js'
export { scanMessage } from './scan.js'
export { sessionExpiresSec } from './session-expires.js'
export { summary } from './summary.js'
