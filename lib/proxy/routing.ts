import type { Family } from '../../types/endpoint.js'
import type { LocalRoute, RoutingRule } from '../../types/route.js'
import { CthelperError } from '../base/errors.js'
import { openRoute, type Route } from '../netlink/index.js'

export interface RoutingOptions {
  readonly netns: string | undefined
  /** By whose names packets come that may carry the mark. */
  readonly interfaces: readonly string[]
  readonly mark: number
  /** What this machine sends to itself. */
  readonly ownMark: number
  readonly table: number
}

/** Before everybody's rules but the local table's (0): what has the mark is for this machine. */
const PRIORITY = 5

/** The families served, and how to take it all back. */
export interface Routing {
  readonly families: readonly Family[]
  close(): Promise<void>
}

/**
 * Sends packets with the mark that come in by one of the interfaces to this machine. Packets of this machine's own match by another
 * mark, `ownMark`, so that its sockets' marks, and `tcp_fwmark_accept`, do not meet the first. What a killed process left behind is taken over. A machine without
 * one of the IP versions is served for the other. Throws ERR_UNSUPPORTED where there is no policy routing (CONFIG_IP_MULTIPLE_TABLES).
 */
export async function openRouting(options: RoutingOptions): Promise<Routing> {
  const route = openRoute({ netns: options.netns })
  const families: Family[] = []
  let refusal: unknown
  try {
    const linkIndex = (await route.links()).find(({ name }) => name === 'lo')?.index ?? 1
    for (const family of [4, 6] as const) {
      try {
        await install(route, rulesOf(options, family), { family, table: options.table, linkIndex })
        families.push(family)
      } catch (error) {
        if (!(error instanceof CthelperError)) throw error
        refusal = error
      }
    }
    if (families.length === 0) throw refusal
  } finally {
    route.close()
  }
  return { families, close: () => takeBack(options, families) }
}

function rulesOf({ interfaces, mark, ownMark, table }: RoutingOptions, family: Family): RoutingRule[] {
  const common = { family, table, priority: PRIORITY }
  return [...interfaces.map((iifname) => ({ ...common, iifname, mark })), { ...common, iifname: 'lo', mark: ownMark }]
}

async function install(route: Route, rules: readonly RoutingRule[], local: LocalRoute): Promise<void> {
  const isOurs = await route.addLocalRoute(local)
  try {
    for (const rule of rules) await route.addRule(rule)
  } catch (error) {
    if (isOurs) await route.deleteLocalRoute(local)
    throw error
  }
}

async function takeBack(options: RoutingOptions, families: readonly Family[]): Promise<void> {
  const route = openRoute({ netns: options.netns })
  try {
    const linkIndex = (await route.links()).find(({ name }) => name === 'lo')?.index ?? 1
    for (const family of families) {
      for (const rule of rulesOf(options, family)) await route.deleteRule(rule)
      await route.deleteLocalRoute({ family, table: options.table, linkIndex })
    }
  } finally {
    route.close()
  }
}
