/** Session descriptions as byte ranges (RFC 8866), and as readable objects. */
export { readSdp } from './read.js'
export { scanSdp, scanSdpFragment } from './scan.js'
