import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, type WriteStream } from 'node:fs'
import { type Namespace, scaled } from '../../lib/testing/index.js'

/** A program in a namespace: what it says is kept in a file and can be waited for; what it takes is written to it. */
export class ClientProcess {
  readonly #child: ChildProcess
  readonly #log: WriteStream
  #said = ''
  readonly #listeners = new Set<() => void>()

  /** `argv` is started in `namespace`, its standard output and error go to `logFile`. The namespace kills it at the latest. */
  constructor(namespace: Namespace, argv: readonly string[], logFile: string, env: Record<string, string> = {}) {
    this.#log = createWriteStream(logFile)
    this.#child = namespace.spawn(argv, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env } })
    this.#child.stdin?.on('error', () => {})
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => this.#hear(text))
    }
    this.#child.once('close', () => {
      this.#log.end()
      this.#wake()
    })
  }

  get said(): string {
    return this.#said
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  write(text: string): void {
    this.#child.stdin?.write(text)
  }

  /** Resolves with the match in what was said after character `from`. Rejects after the time, or when the program has ended. */
  async says(pattern: RegExp, { from = 0, timeoutMs = 8000 } = {}): Promise<RegExpExecArray> {
    const deadline = performance.now() + scaled(timeoutMs)
    for (;;) {
      const match = pattern.exec(this.#said.slice(from))
      if (match) return match
      if (!this.isRunning) throw new Error(`ended before saying ${pattern}`)
      if (!(await this.changed(deadline))) throw new Error(`did not say ${pattern} within ${timeoutMs} ms`)
    }
  }

  /** Resolves with true when something more was said or the program ended, with false at the deadline (`performance.now()`). */
  changed(deadline: number): Promise<boolean> {
    return new Promise((resolve) => {
      const done = (more: boolean) => {
        clearTimeout(timer)
        this.#listeners.delete(wake)
        resolve(more)
      }
      const wake = () => done(true)
      const timer = setTimeout(() => done(false), Math.max(0, deadline - performance.now()))
      this.#listeners.add(wake)
    })
  }

  /** SIGTERM, and SIGKILL when that does not end it within two seconds. */
  async end(): Promise<void> {
    if (!this.isRunning) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGTERM')
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), scaled(2000))
    await closed
    clearTimeout(timer)
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    if (!this.isRunning) return
    const closed = once(this.#child, 'close')
    this.#child.kill('SIGKILL')
    await closed
  }

  #hear(text: string): void {
    this.#said += text
    this.#log.write(text)
    this.#wake()
  }

  #wake(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}
