/** Work that is never done twice at a time: who asks while it is under way has it done once more after, however many have asked. */
export class OnceMore {
  readonly #work: () => Promise<void>
  readonly #onError: (error: Error) => void
  #running: Promise<void> | undefined
  #isAsked = false

  /** `onError` hears what `work` rejects with. */
  constructor(work: () => Promise<void>, onError: (error: Error) => void) {
    this.#work = work
    this.#onError = onError
  }

  ask(): void {
    this.#isAsked = true
    this.#running ??= this.#run()
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    await this.#running
  }

  async #run(): Promise<void> {
    while (this.#isAsked) {
      this.#isAsked = false
      await this.#work().catch(this.#onError)
    }
    this.#running = undefined
  }
}
