/**
 * Finds which of a fixed list of ASCII names a byte range spells, in any case, without making a string: names are filed by
 * length, first and last letter, and the few that share a drawer are compared.
 */
export class NameIndex {
  readonly #names: readonly Uint8Array[]
  /** Drawer to first row, plus one. */
  readonly #heads = new Uint16Array(1 << 15)
  /** Row to the next row of its drawer, plus one. */
  readonly #next: Uint16Array
  readonly #longest: number

  /** `names` are lower case, not empty; a name's position is its row. */
  constructor(names: readonly string[]) {
    this.#names = names.map((name) => Uint8Array.from(name, (character) => character.charCodeAt(0)))
    this.#next = new Uint16Array(names.length)
    this.#longest = Math.max(...names.map((name) => name.length))
    for (const [row, name] of this.#names.entries()) {
      const drawer = drawerOf(name, 0, name.length)
      this.#next[row] = this.#heads[drawer]!
      this.#heads[drawer] = row + 1
    }
  }

  /** The row of the name that bytes[start, end) spell, or -1. */
  find(bytes: Uint8Array, start: number, end: number): number {
    if (end <= start || end - start > this.#longest) return -1
    let entry = this.#heads[drawerOf(bytes, start, end)]!
    while (entry !== 0) {
      if (spells(bytes, start, end, this.#names[entry - 1]!)) return entry - 1
      entry = this.#next[entry - 1]!
    }
    return -1
  }
}

function drawerOf(bytes: Uint8Array, start: number, end: number): number {
  return (((end - start) & 31) << 10) | ((bytes[start]! & 31) << 5) | (bytes[end - 1]! & 31)
}

function spells(bytes: Uint8Array, start: number, end: number, lower: Uint8Array): boolean {
  if (end - start !== lower.length) return false
  for (let i = 0; i < lower.length; i++) {
    const byte = bytes[start + i]!
    const expected = lower[i]!
    // 0x20 is the case bit of letters only: "-" is 0x2d, and 0x0d must not pass for it.
    if (byte !== expected && ((byte | 0x20) !== expected || expected < 97)) return false
  }
  return true
}
