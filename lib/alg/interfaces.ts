import type { Side, Way } from '../../types/flow.js'
import type { QueuedPacket } from '../../types/nfqueue.js'
import type { Link } from '../../types/route.js'
import { CthelperError } from '../base/errors.js'
import { openRoute, type Route, type RouteWatch } from '../netlink/index.js'

/** As an inside interface: the machine itself, what its own programs send and receive. */
export const MACHINE = 'lo'

/** Index of no interface: that of a packet which this machine sends, or receives. */
const NO_INTERFACE = 0

export interface InterfacesOptions {
  readonly netns: string | undefined
  readonly inside: readonly string[]
  readonly outside: readonly string[]
  readonly onError: (error: Error) => void
}

/** What of a packet says where it comes from and goes to. */
export type Crossing = Pick<QueuedPacket, 'indev' | 'outdev' | 'physicalIndev' | 'physicalOutdev'>

/**
 * The gateway's interfaces and own addresses, kept current. Interfaces are told by name in options and by index in packets; an
 * interface that goes and comes back (ppp0) has another index.
 */
export class Interfaces {
  readonly #route: Route
  readonly #watch: RouteWatch
  readonly #names: Readonly<Record<Side, readonly string[]>>
  #inside: ReadonlySet<number> = new Set()
  #outside: ReadonlySet<number> = new Set()
  /** Whether an interface of one side is part of a bridge or a VRF, by whose index packets may come. */
  #hasMasters = false
  #own: ReadonlySet<string> = new Set()

  private constructor(route: Route, watch: RouteWatch, inside: readonly string[], outside: readonly string[]) {
    this.#route = route
    this.#watch = watch
    this.#names = { inside, outside }
    this.refresh()
  }

  /** Throws ERR_CONFIG when one of the names is no interface. */
  static async open({ netns, inside, outside, onError }: InterfacesOptions): Promise<Interfaces> {
    const route = openRoute(netns === undefined ? {} : { netns })
    try {
      const opened: { interfaces?: Interfaces } = {}
      const watch = await route.watch({ onEvent: () => opened.interfaces?.refresh(), onError })
      opened.interfaces = new Interfaces(route, watch, inside, outside)
      const known = [...watch.links.values()].map(({ name }) => name)
      const missing = [...inside, ...outside].find((name) => !known.includes(name))
      if (missing === undefined) return opened.interfaces
      opened.interfaces.close()
      const there = known.filter((name) => name !== MACHINE).join(', ') || 'none but lo'
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
    const inside = this.#linksOf('inside')
    const outside = this.#linksOf('outside')
    const indexes = (links: readonly Link[]) =>
      links.map(({ name, index }) => (name === MACHINE ? NO_INTERFACE : index))
    this.#inside = new Set(indexes(inside))
    this.#outside = new Set(indexes(outside))
    this.#hasMasters = [...inside, ...outside].some(({ master }) => master !== 0)
    this.#own = new Set(this.#watch.addresses().map(({ address }) => address))
  }

  #linksOf(side: Side): Link[] {
    return [...this.#watch.links.values()].filter(({ name }) => this.#names[side].includes(name))
  }

  /**
   * Names by which rules meet a side's packets: the named interfaces, and the bridges and VRFs they are part of now, as a packet
   * that crosses one comes by its name.
   */
  ruleNames(side: Side): string[] {
    const links = this.#linksOf(side)
    const masters = links.flatMap(({ master }) => this.#watch.links.get(master)?.name ?? [])
    const named = this.#names[side].filter((name) => name !== MACHINE)
    return [...new Set([...named, ...masters])]
  }

  /** Why connections of this machine's own would not go as packets between the two sides do; undefined: they would. */
  whyNotOwn(): string | undefined {
    return whyNotOwn([...this.#watch.links.values()], [...this.#names.inside, ...this.#names.outside])
  }

  /** Which way the packet crosses the gateway; undefined when it stays on one side, as it may within a bridge or a VRF. */
  wayOf(packet: Crossing): Way | undefined {
    const { indev, outdev, physicalIndev, physicalOutdev } = packet
    if (!this.#hasMasters) return this.#inside.has(indev) ? 'out' : 'in'
    const from = (physicalIndev === 0 ? undefined : this.#sideOf(physicalIndev)) ?? this.#sideOf(indev)
    const to = (physicalOutdev === 0 ? undefined : this.#sideOf(physicalOutdev)) ?? this.#sideOf(outdev)
    if (from === to) return undefined
    // What comes by a VRF, or leaves by one, is told by its other end.
    return from === 'inside' || to === 'outside' ? 'out' : 'in'
  }

  #sideOf(index: number): Side | undefined {
    if (this.#inside.has(index)) return 'inside'
    return this.#outside.has(index) ? 'outside' : undefined
  }

  /** Bytes of the largest packet that leaves by it; undefined when that is not known. */
  mtuOf(index: number): number | undefined {
    return this.#watch.links.get(index)?.mtu || undefined
  }

  isOwn(address: string): boolean {
    return this.#own.has(address)
  }

  close(): void {
    this.#watch.close()
    this.#route.close()
  }
}

/** Why connections of this machine's own would not go as packets between the named links do; undefined: they would. */
export function whyNotOwn(links: readonly Link[], names: readonly string[]): string | undefined {
  const masters = names.map((name) => {
    const { master } = links.find((it) => it.name === name) ?? { master: 0 }
    return links.find(({ index }) => index === master)
  })
  const [first] = masters
  if (first?.kind === 'bridge' && masters.every((it) => it === first))
    return `${names.join(' and ')} are ports of one bridge, ${first.name}: the proxy's own connections would need routes to both sides`
  const at = masters.findIndex((it) => it?.kind === 'vrf')
  return at < 0
    ? undefined
    : `${names[at]} is in a VRF, ${masters[at]!.name}, whose routes the proxy's own connections do not see`
}
