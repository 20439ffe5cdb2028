import { wrap } from '../help.js'
import { painted } from '../text.js'

const WIDTH = 100

/** What the demo tells a person, 100 columns wide, and whether all of it came true. */
export class Story {
  readonly #out: (text: string) => void
  readonly isColoured: boolean
  #chapters = 0
  #failures = 0

  constructor(out: (text: string) => void, isColoured: boolean) {
    this.#out = out
    this.isColoured = isColoured
  }

  get isTrue(): boolean {
    return this.#failures === 0
  }

  chapter(title: string): void {
    this.#out(`\n${painted(`${++this.#chapters}. ${title}`, 'bold', this.isColoured)}\n`)
  }

  say(text: string): void {
    for (const line of wrap(text, WIDTH - 3)) this.#out(`   ${line}\n`)
  }

  blank(): void {
    this.#out('\n')
  }

  /** Lines as they are, further ones of a long line indented. */
  show(lines: readonly string[]): void {
    this.#out('\n')
    for (const line of lines) {
      const [first = '', ...rest] = line.length > WIDTH - 3 ? wrap(line, WIDTH - 9) : [line]
      this.#out(`   ${first}\n`.replace(/ +\n$/, '\n'))
      for (const more of rest) this.#out(`         ${more}\n`)
    }
    this.#out('\n')
  }

  /** Something that must be so for the demo to succeed. */
  claim(text: string, isTrue: boolean): void {
    if (!isTrue) this.#failures++
    const word = isTrue ? painted('yes', 'green', this.isColoured) : painted('NO ', 'red', this.isColoured)
    this.#out(`   ${word}  ${text}\n`)
  }
}
