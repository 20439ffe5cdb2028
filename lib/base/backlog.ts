const EMPTY = new Uint8Array(0)
const SMALLEST = 1024

/**
 * Bytes of a stream that have come and not been taken. One piece is kept as it is; several are joined, in room that doubles, so that
 * each byte is copied a bounded number of times. What has been taken is a view, and is never written again.
 */
export class Backlog {
  #bytes: Uint8Array = EMPTY
  #start = 0
  #end = 0

  get size(): number {
    return this.#end - this.#start
  }

  /** What holds them, at [start, end), until the next `push` or `take`. */
  get bytes(): Uint8Array {
    return this.#bytes
  }

  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#end
  }

  /** Takes the next piece, which is kept and must not change. */
  push(chunk: Uint8Array): void {
    if (this.#start === this.#end) {
      this.#bytes = chunk
      this.#start = 0
      this.#end = chunk.length
      return
    }
    const size = this.size + chunk.length
    if (this.#end + chunk.length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(SMALLEST, size * 2))
      grown.set(this.peek())
      this.#bytes = grown
      this.#end = this.size
      this.#start = 0
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
  }

  /** All that is there, as a view. */
  peek(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end)
  }

  /** Takes the first `length` bytes out, or as many as there are. */
  take(length: number): Uint8Array {
    const to = Math.min(this.#start + length, this.#end)
    const taken = this.#bytes.subarray(this.#start, to)
    this.#start = to
    if (to === this.#end) {
      this.#bytes = EMPTY
      this.#start = this.#end = 0
    }
    return taken
  }
}
