import { ROW } from './header.table.js'

const { STRIDE } = ROW

/**
 * Where scanned header lines are kept. A typed array a message costs more than the scan of its headers, so messages share slabs: a
 * message keeps the slab alive that it is in, 32 KiB at most when it has no more than the default number of headers.
 */
const SLAB = 8192

let slab = new Int32Array(SLAB)
let used = 0

/** A slab with room for `maxHeaders` lines from `start` on, until `keep` or the next `room`. One object for all calls. */
export const room = { slab, start: 0 }

/** Finds room for one message; what an earlier call found and `keep` did not claim is given again. */
export function makeRoom(maxHeaders: number): void {
  if (used + maxHeaders * STRIDE > slab.length) {
    slab = new Int32Array(Math.max(SLAB, maxHeaders * STRIDE))
    used = 0
  }
  room.slab = slab
  room.start = used
}

/** Claims the first numbers of the room found last, up to position `end`, for good. */
export function keep(end: number): void {
  used = end
}
