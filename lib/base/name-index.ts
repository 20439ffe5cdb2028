/**
 * Finds which of a fixed list of ASCII names a byte range spells, in any case, without making a string: names are filed by
 * length, first and last letter, and the few that share a drawer are compared.
 */
export class NameIndex {
  /** All names behind one another: one array to look into instead of one a name. */
  readonly #letters: Uint8Array
  /** Row to the position of its name; one more than there are names. */
  readonly #starts: Uint32Array
  /** Drawer to first row, plus one. */
  readonly #heads = new Uint16Array(1 << 15)
  /** Row to the next row of its drawer, plus one. */
  readonly #next: Uint16Array

  /** `names` are lower case, not empty; a name's position is its row. */
  constructor(names: readonly string[]) {
    this.#letters = Uint8Array.from(names.join(''), (character) => character.charCodeAt(0))
    this.#starts = new Uint32Array(names.length + 1)
    this.#next = new Uint16Array(names.length)
    for (const [row, name] of names.entries()) {
      const start = this.#starts[row]!
      this.#starts[row + 1] = start + name.length
      const drawer = drawerOf(this.#letters, start, start + name.length)
      this.#next[row] = this.#heads[drawer]!
      this.#heads[drawer] = row + 1
    }
  }

  /** The row of the name that bytes[start, end) spell, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    if (end <= start) return -1
    let entry = this.#heads[drawerOf(bytes, start, end)]!
    while (entry !== 0) {
      if (this.#spells(entry - 1, bytes, start, end)) return entry - 1
      entry = this.#next[entry - 1]!
    }
    return -1
  }

  #spells(row: number, bytes: Uint8Array, start: number, end: number): boolean {
    const letters = this.#letters
    const first = this.#starts[row]!
    if (this.#starts[row + 1]! - first !== end - start) return false
    const shift = first - start
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!
      const expected = letters[i + shift]!
      // 0x20 is the case bit of letters only: "-" is 0x2d, and 0x0d must not pass for it.
      if (byte !== expected && ((byte | 0x20) !== expected || expected < 97)) return false
    }
    return true
  }
}

function drawerOf(bytes: Uint8Array, start: number, end: number): number {
  return (((end - start) & 31) << 10) | ((bytes[start]! & 31) << 5) | (bytes[end - 1]! & 31)
}
