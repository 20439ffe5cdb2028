import { CthelperError } from '../base/errors.js'
import { Undo } from './undo.js'

/** Starting and stopping: all or nothing, and one after the other. */
export class Lifecycle {
  /** What `open` has done, and `stop` takes back. */
  readonly undo = new Undo()
  readonly #onError: (error: Error) => void
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  /** `onError` hears what could not be taken back. */
  constructor(onError: (error: Error) => void) {
    this.#onError = onError
  }

  /** Rejects with what `open` rejected with, after all is taken back; ERR_IN_USE when it is started already. */
  async start(open: () => Promise<void>): Promise<void> {
    if (this.#starting) throw new CthelperError('ERR_IN_USE', 'start', 'this helper is started already')
    this.#starting = open().catch(async (error) => {
      await this.#unwind()
      throw error
    })
    await this.#starting
  }

  /** Takes everything back, what is just being started as well. `end` comes before. */
  stop(end: () => Promise<void> = async () => {}): Promise<void> {
    this.#stopping ??= this.#stop(end).finally(() => {
      this.#stopping = undefined
    })
    return this.#stopping
  }

  async #stop(end: () => Promise<void>): Promise<void> {
    const isStarted = await this.#starting?.then(
      () => true,
      () => false,
    )
    // What failed to start takes itself back.
    if (!isStarted) return
    try {
      await end()
    } finally {
      await this.#unwind()
    }
  }

  async #unwind(): Promise<void> {
    const [error] = await this.undo.unwind()
    this.#starting = undefined
    if (error) this.#onError(error as Error)
  }
}

/** Whoever has an event `error`. */
export interface ErrorEmitter {
  listenerCount(name: 'error'): number
  emit(name: 'error', error: Error): boolean
}

/** Tells those who listen of a failure that is no caller's; where nobody does, it is a warning of the process. */
export function raise(emitter: ErrorEmitter, error: Error): void {
  if (emitter.listenerCount('error') > 0) emitter.emit('error', error)
  else process.emitWarning(error)
}
