import type { HelperEvents } from '../../types/helper.js'
import { CthelperError } from '../base/errors.js'
import { eventTexts } from './event-text.js'
import { printable } from './text.js'

export interface LogOptions {
  readonly format: 'text' | 'json'
  /** False: there is no room for the line, and it is lost. */
  readonly write: (line: string) => boolean
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** A stranger can cause lines (refused messages); he shall not fill the disk with them. */
const LINES_A_SECOND = 200

/** What `run` tells on standard output: one line an event, for people or for machines. */
export class Log {
  readonly #options: LogOptions
  #second = 0
  #lines = 0
  #leftOut = 0
  #lost = 0

  constructor(options: LogOptions) {
    this.#options = options
  }

  /** An event of `SipHelper`. More than 200 a second are left out, and how many is said. */
  event<K extends keyof HelperEvents>(name: K, ...args: HelperEvents[K]): void {
    const now = this.#options.now()
    const second = Math.floor(now / 1000)
    if (second !== this.#second) {
      this.#tellLeftOut()
      this.#second = second
      this.#lines = 0
    }
    if (++this.#lines > LINES_A_SECOND) {
      this.#leftOut++
      return
    }
    const text = (eventTexts[name] as (...args: HelperEvents[K]) => string)(...args)
    const thing: unknown = args[0]
    this.#write(name, text, thing instanceof Error ? errorFields(thing) : (thing as object))
  }

  /** Something about the process itself: `ready`, `stopping`, `stopped`. Never left out. */
  say(name: string, text: string): void {
    this.#tellLeftOut()
    this.#write(name, text, { message: text })
  }

  #tellLeftOut(): void {
    if (this.#leftOut === 0) return
    const text = `${this.#leftOut} lines left out: more than ${LINES_A_SECOND} a second`
    this.#write('log', text, { message: text })
    this.#leftOut = 0
  }

  #write(event: string, text: string, fields: object): void {
    if (this.#lost > 0) {
      const message = `${this.#lost} lines lost: nobody read them`
      if (this.#print('log', message, { message })) this.#lost = 0
    }
    if (!this.#print(event, text, fields)) this.#lost++
  }

  #print(event: string, text: string, fields: object): boolean {
    const { format, write, now } = this.#options
    const time = new Date(now()).toISOString()
    return write(format === 'json' ? JSON.stringify({ time, event, ...fields }) : `${time} ${event} ${printable(text)}`)
  }
}

/** Errors of the library say what the kernel refused; of any other, where it comes from is what a report needs. */
function errorFields(error: Error): object {
  const { message, stack } = error
  return error instanceof CthelperError ? { message, code: error.code, operation: error.operation } : { message, stack }
}
