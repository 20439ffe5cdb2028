import type { Family } from '../../types/endpoint.js'
import type { LocalRoute, RoutingRule } from '../../types/route.js'
import { CthelperError } from '../base/errors.js'
import { OnceMore } from '../base/once-more.js'
import { openRoute, type Route } from '../netlink/index.js'

export interface RoutingOptions {
  readonly netns: string | undefined
  /** By whose names packets come that may carry the mark. */
  readonly interfaces: readonly string[]
  readonly mark: number
  /** What this machine sends to itself. */
  readonly ownMark: number
  readonly table: number
  /** Somebody has taken so many of the rules and routes, and they stand again. */
  onRepair(count: number): void
  onError(error: Error): void
}

/** Whoever takes rules takes one after the other. */
const REPAIR_MS = 100

/** Before everybody's rules but the local table's (0): what has the mark is for this machine. */
const PRIORITY = 5

/** The families served, and how to take it all back. */
export interface Routing {
  readonly families: readonly Family[]
  close(): Promise<void>
}

/**
 * Sends packets with the mark that come in by one of the interfaces to this machine. Packets of this machine's own match by another
 * mark, `ownMark`, so that its sockets' marks, and `tcp_fwmark_accept`, do not meet the first. What a killed process left behind is taken over; rules that
 * somebody takes (systemd-networkd takes foreign ones when it starts) are put back. A machine without one of the IP versions is served for
 * the other. Throws ERR_UNSUPPORTED where there is no policy routing (CONFIG_IP_MULTIPLE_TABLES).
 */
export async function openRouting(options: RoutingOptions): Promise<Routing> {
  const route = openRoute({ netns: options.netns })
  try {
    const families = await installAll(route, options)
    const repairs = new OnceMore(() => repair(route, options, families), options.onError)
    const watch = route.watchRules({ onDeleted: () => repairs.ask(), onError: options.onError })
    const close = async () => {
      watch.close()
      await repairs.idle()
      await takeBack(route, options, families).finally(() => route.close())
    }
    return { families, close }
  } catch (error) {
    route.close()
    throw error
  }
}

/** The families that could be had. */
async function installAll(route: Route, options: RoutingOptions): Promise<Family[]> {
  const families: Family[] = []
  let refusal: unknown
  for (const family of [4, 6] as const) {
    try {
      await install(route, options, family)
      families.push(family)
    } catch (error) {
      if (!(error instanceof CthelperError)) throw error
      refusal = error
    }
  }
  if (families.length === 0) throw refusal
  return families
}

async function repair(route: Route, options: RoutingOptions, families: readonly Family[]): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, REPAIR_MS))
  let count = 0
  for (const family of families) count += await install(route, options, family)
  if (count > 0) options.onRepair(count)
}

function rulesOf({ interfaces, mark, ownMark, table }: RoutingOptions, family: Family): RoutingRule[] {
  const common = { family, table, priority: PRIORITY }
  return [...interfaces.map((iifname) => ({ ...common, iifname, mark })), { ...common, iifname: 'lo', mark: ownMark }]
}

const loopbackOf = async (route: Route): Promise<number> =>
  (await route.links()).find(({ name }) => name === 'lo')?.index ?? 1

/** How many there were not yet. */
async function install(route: Route, options: RoutingOptions, family: Family): Promise<number> {
  const local: LocalRoute = { family, table: options.table, linkIndex: await loopbackOf(route) }
  const isOurs = await route.addLocalRoute(local)
  let count = isOurs ? 1 : 0
  try {
    for (const rule of rulesOf(options, family)) if (await route.addRule(rule)) count++
  } catch (error) {
    if (isOurs) await route.deleteLocalRoute(local)
    throw error
  }
  return count
}

async function takeBack(route: Route, options: RoutingOptions, families: readonly Family[]): Promise<void> {
  const linkIndex = await loopbackOf(route)
  for (const family of families) {
    for (const rule of rulesOf(options, family)) await route.deleteRule(rule)
    await route.deleteLocalRoute({ family, table: options.table, linkIndex })
  }
}
