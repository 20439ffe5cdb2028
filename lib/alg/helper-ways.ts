import type { PinholeInfo } from '../../types/call.js'
import type { HelperRefusal, MediaWay } from '../../types/define.js'
import type { Flow, Way } from '../../types/flow.js'
import type { Edit } from '../../types/range.js'
import { CthelperError } from '../base/errors.js'
import type { Counters } from './counters.js'
import { type AskedWay, type ExpectedBudgets, type ExpectedWay, ExpectedWays } from './expected-ways.js'
import { HelperTurn } from './helper-turn.js'
import type { Pinholes } from './pinholes.js'

export interface HelperWaysOptions {
  readonly budgets: ExpectedBudgets
  /** As those of `ExpectedWays`. */
  readonly mediaPorts: readonly [number, number] | undefined
  readonly counters: Counters
  /** Ways opened, or are about to be shut; `list` describes them, for those who want to know. */
  onWays(kind: 'open' | 'close', list: () => PinholeInfo[]): void
  onRefused(reason: HelperRefusal, detail: string): void
  onError(error: Error): void
}

/** A datagram or message that its author is to be asked about. */
export interface Subject {
  readonly flow: Flow
  readonly way: Way
  /** Of the payload, bytes. */
  readonly length: number
  readonly connection: object | undefined
}

/** What becomes of it. `close`: of its whole connection. */
export interface Decided {
  readonly verdict: 'pass' | 'drop' | 'close'
  readonly edits: readonly Edit[]
}

const PASS: Decided = { verdict: 'pass', edits: [] }

/** Asks a defined helper's author about datagrams and messages, and makes the kernel follow the ways he asks for. */
export class HelperWays {
  readonly #options: HelperWaysOptions
  readonly #ways: ExpectedWays
  #pinholes: Pinholes | undefined

  constructor(options: HelperWaysOptions) {
    this.#options = options
    this.#ways = new ExpectedWays(options.budgets, options.mediaPorts)
  }

  get size(): number {
    return this.#ways.size
  }

  /** Where the ways are from now on. */
  serve(pinholes: Pinholes): void {
    this.#pinholes = pinholes
  }

  /**
   * What `handle` decides: at once, or when the ways it asked for stand. Where it fails, whatever it asked for is forgotten, and the
   * subject passes as it is.
   */
  decide(subject: Subject, handle: (turn: HelperTurn) => unknown): Decided | Promise<Decided> {
    const asked: AskedWay[] = []
    const turn = this.#ask(subject, handle, asked)
    if (!turn || turn.isDropped) for (const it of asked.reverse()) this.#ways.takeBack(it)
    if (!turn) return PASS
    if (turn.isDropped) {
      this.#options.counters.add('dropped')
      return { verdict: turn.isClosed ? 'close' : 'drop', edits: [] }
    }
    this.#open(asked)
    const opening = asked.flatMap(({ way }) => way.opening ?? [])
    const finish = () => this.#finish(turn, asked)
    return opening.length === 0 ? finish() : Promise.all(opening).then(finish)
  }

  #ask(subject: Subject, handle: (turn: HelperTurn) => unknown, asked: AskedWay[]): HelperTurn | undefined {
    const { flow } = subject
    const { address } = flow.binding.inside
    const take = (answer: AskedWay | HelperRefusal, to: number): WayHandle | undefined => {
      if (typeof answer === 'string') return this.#refuse(answer, `a way to ${address} port ${to}`)
      asked.push(answer)
      return new WayHandle(answer.way, this)
    }
    const turn = new HelperTurn({
      ...subject,
      finder: {
        expect: (it) => take(this.#ways.ask(flow, it, Date.now()), it.to),
        expectMedia: (it) => take(this.#ways.askMedia(flow, it, Date.now()), it.to),
      },
    })
    try {
      const result: unknown = handle(turn)
      if (!(result instanceof Promise)) return turn
      result.catch((error: Error) => this.#options.onError(error))
      throw new CthelperError('ERR_ARGUMENT', 'decide', 'a handler must decide at once: it returned a promise')
    } catch (error) {
      this.#failed(error as Error)
      return undefined
    } finally {
      turn.end()
    }
  }

  /** The ways stand, or were refused: outside ports are what they will be. */
  #finish(turn: HelperTurn, asked: readonly AskedWay[]): Decided {
    for (const { way } of asked) if (way.path.local) way.path.local.isAnnounced = true
    try {
      return { verdict: 'pass', edits: turn.edits() }
    } catch (error) {
      this.#failed(error as Error)
      return PASS
    }
  }

  #failed(error: Error): void {
    this.#options.counters.add('failed')
    this.#options.onError(error)
  }

  /** Opens what is new in one batch; each way's `opening` ends with it, whatever becomes of it. */
  #open(asked: readonly AskedWay[]): void {
    const fresh = asked.filter(({ way, isNew }) => isNew && this.#ways.has(way)).map(({ way }) => way)
    if (fresh.length === 0) return
    const replaced = asked.flatMap((it) => it.replaced)
    const opening = this.#apply(fresh, replaced).catch((error: Error) => this.#options.onError(error))
    for (const way of fresh) {
      way.opening = opening.then(() => {
        way.opening = undefined
      })
    }
  }

  async #apply(open: readonly ExpectedWay[], close: readonly ExpectedWay[]): Promise<void> {
    const pinholes = this.#pinholes!
    const [opened, closed] = [open.map(({ path }) => path), close.map(({ path }) => path)]
    if (close.length > 0) this.#options.onWays('close', () => pinholes.describe(closed))
    const failures = await pinholes.apply(opened, closed, Date.now(), (path) => this.#ways.relocate(path))
    for (const { path, reason, detail } of failures) {
      const way = open.find((it) => it.path === path)
      if (way) this.#ways.remove(way)
      this.#refuse(reason === 'ports-exhausted' ? reason : 'kernel-refused', detail)
    }
    if (open.length > 0) this.#options.onWays('open', () => pinholes.describe(opened))
  }

  /** Shuts those of `ways` that stand. */
  async shut(ways: readonly ExpectedWay[]): Promise<void> {
    const standing = ways.filter((way) => this.#ways.has(way))
    if (standing.length === 0) return
    for (const way of standing) this.#ways.remove(way)
    await this.#apply([], standing)
  }

  shutAll(): Promise<void> {
    return this.shut(this.#ways.all())
  }

  /** Shuts what is over. */
  tick(now: number): Promise<void> {
    return this.shut(this.#ways.due(now))
  }

  /** A connection has ended, and with it what stood for its sake alone. */
  async leave(connection: object): Promise<void> {
    this.#ways.leave(connection)
    await this.tick(Date.now())
  }

  close(way: ExpectedWay): void {
    void this.shut([way]).catch((error: Error) => this.#options.onError(error))
  }

  #refuse(reason: HelperRefusal, detail: string): undefined {
    this.#options.counters.add(reason)
    this.#options.onRefused(reason, detail)
    return undefined
  }
}

/** A way as its author has it. */
class WayHandle implements MediaWay {
  readonly #way: ExpectedWay
  readonly #ways: HelperWays

  constructor(way: ExpectedWay, ways: HelperWays) {
    this.#way = way
    this.#ways = ways
  }

  get address(): string {
    return this.#way.path.outside.address
  }

  get port(): number {
    return this.#way.path.outside.port
  }

  get rtcpPort(): number {
    return this.#way.path.local?.outsideRtcpPort ?? 0
  }

  close(): void {
    this.#ways.close(this.#way)
  }
}
