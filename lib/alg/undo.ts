/** What has been done and is to be taken back, last first. */
export class Undo {
  #steps: (() => unknown)[] = []

  get isEmpty(): boolean {
    return this.#steps.length === 0
  }

  push(step: () => unknown): void {
    this.#steps.push(step)
  }

  /** The same; throws the first thing that was thrown, after all is done. */
  async unwindOrThrow(): Promise<void> {
    const [error] = await this.unwind()
    if (error) throw error
  }

  /** Takes everything back. A step that fails does not keep the others from being done: what they threw is returned. */
  async unwind(): Promise<unknown[]> {
    const steps = this.#steps.reverse()
    this.#steps = []
    const errors: unknown[] = []
    for (const step of steps)
      await Promise.resolve()
        .then(step)
        .catch((error) => errors.push(error))
    return errors
  }
}
