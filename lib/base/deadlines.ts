/**
 * Something that `Deadlines` can wake. `deadline` is seconds since the epoch, rounded up, which takes no room of its own; 0 when none is
 * set; only `Deadlines` writes it.
 */
export interface Timed {
  deadline: number
}

const SLOT_MS = 1000

/**
 * Many deadlines on one clock that the caller owns: slots of one second, so that setting and clearing are O(1) and a hundred
 * thousand calls cost no timer each. An item has at most one deadline.
 */
export class Deadlines<T extends Timed> {
  readonly #slots = new Map<number, Set<T>>()
  #nextSlot = 0

  get size(): number {
    let size = 0
    for (const slot of this.#slots.values()) size += slot.size
    return size
  }

  /** Sets or moves the item's deadline. It is returned by the first `expire` at or after `at`, up to a second late. */
  set(item: T, at: number): void {
    const slot = Math.ceil(at / SLOT_MS)
    if (item.deadline === slot) return
    this.clear(item)
    item.deadline = slot
    const items = this.#slots.get(slot)
    if (items) items.add(item)
    else this.#slots.set(slot, new Set([item]))
    if (this.#nextSlot === 0 || slot < this.#nextSlot) this.#nextSlot = slot
  }

  clear(item: T): void {
    if (item.deadline === 0) return
    const items = this.#slots.get(item.deadline)
    items?.delete(item)
    if (items?.size === 0) this.#slots.delete(item.deadline)
    item.deadline = 0
  }

  /** Takes out and returns every item whose deadline has passed. */
  expire(now: number): T[] {
    const slotNow = Math.floor(now / SLOT_MS)
    if (this.#nextSlot === 0 || this.#nextSlot > slotNow) return []
    const due: T[] = []
    let next = 0
    for (const [slot, items] of this.#slots) {
      if (slot > slotNow) {
        if (next === 0 || slot < next) next = slot
        continue
      }
      this.#slots.delete(slot)
      for (const item of items) {
        item.deadline = 0
        due.push(item)
      }
    }
    this.#nextSlot = next
    return due
  }
}
