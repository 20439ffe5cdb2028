import { CthelperError } from '../base/errors.js'
import { openRoute, type Route, type RouteWatch } from '../netlink/index.js'

/**
 * The gateway's interfaces and own addresses, kept current. Interfaces are told by name in options and by index in packets; an
 * interface that goes and comes back (ppp0) has another index.
 */
export class Interfaces {
  readonly #route: Route
  readonly #watch: RouteWatch
  readonly #insideNames: ReadonlySet<string>
  #inside: ReadonlySet<number> = new Set()
  #own: ReadonlySet<string> = new Set()

  private constructor(route: Route, watch: RouteWatch, inside: readonly string[]) {
    this.#route = route
    this.#watch = watch
    this.#insideNames = new Set(inside)
    this.refresh()
  }

  /** Throws ERR_CONFIG when one of the names is no interface. */
  static async open(
    netns: string | undefined,
    inside: readonly string[],
    outside: readonly string[],
    onError: (error: Error) => void,
  ): Promise<Interfaces> {
    const route = openRoute(netns === undefined ? {} : { netns })
    try {
      const opened: { interfaces?: Interfaces } = {}
      const watch = await route.watch({ onEvent: () => opened.interfaces?.refresh(), onError })
      opened.interfaces = new Interfaces(route, watch, inside)
      const known = [...watch.links.values()].map(({ name }) => name)
      const missing = [...inside, ...outside].find((name) => !known.includes(name))
      if (missing === undefined) return opened.interfaces
      opened.interfaces.close()
      const there = known.filter((name) => name !== 'lo').join(', ') || 'none but lo'
      throw new CthelperError(
        'ERR_CONFIG',
        'open interfaces',
        `interface ${missing} does not exist; there are: ${there}`,
      )
    } catch (error) {
      route.close()
      throw error
    }
  }

  private refresh(): void {
    const inside = new Set<number>()
    for (const { index, name } of this.#watch.links.values()) if (this.#insideNames.has(name)) inside.add(index)
    this.#inside = inside
    this.#own = new Set(this.#watch.addresses().map(({ address }) => address))
  }

  isInside(index: number): boolean {
    return this.#inside.has(index)
  }

  isOwn(address: string): boolean {
    return this.#own.has(address)
  }

  close(): void {
    this.#watch.close()
    this.#route.close()
  }
}
