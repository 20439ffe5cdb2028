/** A half-open span of a packet's bytes, `start` inclusive, `end` exclusive, both counted from the start of the scanned buffer. */
export interface Range {
  readonly start: number
  readonly end: number
}

/** One replacement in a packet. `text` is written as latin1, one byte a character. `start === end` inserts. */
export interface Edit extends Range {
  readonly text: string
}
