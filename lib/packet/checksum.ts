/** The Internet checksum (RFC 1071), on little-endian machines: the sum is taken in host order and its bytes are swapped once. */

/** 32 KiB of 16-bit words summed without leaving 31 bits, where JavaScript's integers are fast. */
const CHUNK = 32768

/** The array summed last, and its content as 32-bit words; empty where it does not begin at a multiple of four. */
let viewed = new Uint8Array(0)
let words = new Int32Array(0)

function view(bytes: Uint8Array): void {
  const { buffer, byteOffset, length } = bytes
  viewed = bytes as Uint8Array<ArrayBuffer>
  words = (byteOffset & 3) === 0 ? new Int32Array(buffer as ArrayBuffer, byteOffset, length >> 2) : new Int32Array(0)
}

/**
 * Sum of the 16-bit words bytes[start, end), the first byte of each low, an odd last byte padded with zero, plus `sum`. Folded to 16
 * bits. Sums add up: any even-length piece may be summed on its own. Fast for an array that is summed again and again.
 */
export function addWords(bytes: Uint8Array, start: number, end: number, sum: number): number {
  if (bytes !== viewed) view(bytes)
  while (end - start > CHUNK) {
    sum = addChunk(bytes, start, start + CHUNK, sum)
    start += CHUNK
  }
  return addChunk(bytes, start, end, sum)
}

function addChunk(bytes: Uint8Array, start: number, end: number, sum: number): number {
  let low = sum & 0xffff
  let high = 0
  let at = start
  if ((start & 3) === 0) {
    const local = words
    const last = Math.min(end >> 2, local.length)
    for (let i = start >> 2; i < last; i++) {
      const word = local[i]!
      low += word & 0xffff
      high += word >>> 16
    }
    at = Math.max(start, last << 2)
  }
  low = fold(low) + fold(high)
  for (; at + 1 < end; at += 2) low += bytes[at]! | (bytes[at + 1]! << 8)
  if (at < end) low += bytes[at]!
  return fold(low)
}

/** Brings a sum below 2^31 back to 16 bits, carries added (RFC 1071 1). */
export function fold(sum: number): number {
  sum = (sum & 0xffff) + (sum >>> 16)
  return (sum & 0xffff) + (sum >>> 16)
}

/** Writes the complement of `sum` at `at`. `zeroIsAbsent`: UDP's, where 0 means "none" and 0xffff stands for it (RFC 768). */
export function putChecksum(bytes: Uint8Array, at: number, sum: number, zeroIsAbsent: boolean): void {
  let value = ~sum & 0xffff
  if (value === 0 && zeroIsAbsent) value = 0xffff
  bytes[at] = value
  bytes[at + 1] = value >>> 8
}

/** A 16-bit number of the pseudo-header (RFC 768, 8200 8.1) as `addWords` would have read it from the wire. */
export function wireWord(value: number): number {
  return ((value & 0xff) << 8) | (value >>> 8)
}
