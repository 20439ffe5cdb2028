/** Work that is never done twice at a time: who asks while it is under way has it done once more after, however many have asked. */
export class OnceMore {
  readonly #work: () => Promise<void>
  readonly #onError: (error: Error) => void
  #isRunning = false
  #isAsked = false

  /** `onError` hears what `work` rejects with. */
  constructor(work: () => Promise<void>, onError: (error: Error) => void) {
    this.#work = work
    this.#onError = onError
  }

  ask(): void {
    this.#isAsked = true
    if (!this.#isRunning) void this.#run()
  }

  async #run(): Promise<void> {
    this.#isRunning = true
    while (this.#isAsked) {
      this.#isAsked = false
      await this.#work().catch(this.#onError)
    }
    this.#isRunning = false
  }
}
