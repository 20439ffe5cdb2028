import { parse } from 'sdp-transform'
import type { SdpModel } from '../../types/sdp.js'

/**
 * The session description as a readable object, by npm sdp-transform: for hooks and displays. Reading only: what it writes is
 * not what was read (lines vanish, `port/n` turns into NaN), so packets are edited by the ranges of `scanSdp` instead.
 * `text` is latin1 or UTF-8 text; lines that do not parse are missing. The result is the caller's.
 */
export function readSdp(text: string): SdpModel {
  return parse(text)
}
