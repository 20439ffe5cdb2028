import { ASCII } from '../base/ascii.js'

const { CR, LF, SP } = ASCII

const found = { start: 0, end: 0 }

/** Fields of an SDP line, separated by single spaces (RFC 8866 9); several are read over. One object for all calls. */
export const word = found

/** Reads the next word at `at`; false when the line ends first. `word` holds its range. */
export function nextWord(bytes: Uint8Array, at: number, end: number): boolean {
  while (at < end && bytes[at] === SP) at++
  found.start = at
  while (at < end && bytes[at] !== SP) at++
  found.end = at
  return at > found.start
}

/** Position of the line feed that ends the line at `at`, or `end`. */
export function lineFeed(bytes: Uint8Array, at: number, end: number): number {
  while (at < end && bytes[at] !== LF) at++
  return at
}

/** Content end of the line whose line feed is at `feed`: without CR and trailing spaces. */
export function contentEnd(bytes: Uint8Array, start: number, feed: number): number {
  while (feed > start && (bytes[feed - 1] === CR || bytes[feed - 1] === SP)) feed--
  return feed
}
