import type { NetlinkEvents, NetlinkMessage, NetlinkTransport } from '../../types/netlink.js'
import type { Link, LinkAddress, LocalRoute, RouteEvent, RoutingRule } from '../../types/route.js'
import { type CthelperError, kernelError } from '../base/errors.js'
import { openEvents } from './events.js'
import { NETLINK_ROUTE, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL } from './message.js'
import { openPackageEvents } from './package-events.js'
import { openPackageTransport } from './package-transport.js'
import {
  decodeAddress,
  decodeLink,
  encodeLocalRoute,
  encodeRule,
  IFADDRMSG_LENGTH,
  IFINFOMSG_LENGTH,
  RTM_DELADDR,
  RTM_DELLINK,
  RTM_DELROUTE,
  RTM_DELRULE,
  RTM_GETADDR,
  RTM_GETLINK,
  RTM_NEWADDR,
  RTM_NEWLINK,
  RTM_NEWROUTE,
  RTM_NEWRULE,
  routeGroups,
  ruleGroups,
} from './route.table.js'
import { RouteState } from './route-state.js'
import { openTransport } from './transport.js'

const [ENOENT, ESRCH, EEXIST] = [2, 3, 17]

export interface RouteOptions {
  /** Network namespace path; default: the process's own. */
  readonly netns?: string | undefined
}

export interface WatchOptions {
  /** Once a change, after `watch` has resolved. */
  readonly onEvent: (event: RouteEvent) => void
  /** The subscription is over. Default: thrown, an 'uncaughtException'. */
  readonly onError?: ((error: CthelperError) => void) | undefined
}

export interface RuleWatchOptions {
  readonly onDeleted: () => void
  /** The subscription is over. */
  readonly onError: (error: CthelperError) => void
}

/** A standing watch, with what it knows: current until closed. Do not write to the maps. */
export interface RouteWatch {
  /** By interface index. */
  readonly links: ReadonlyMap<number, Link>
  addresses(): LinkAddress[]
  close(): void
}

/** The namespace's links and addresses, over rtnetlink. Refusals by the kernel reject with CthelperError. */
export class Route {
  readonly #transport: NetlinkTransport
  readonly #netns: string | undefined

  /** Use `openRoute`. */
  constructor(netns: string | undefined) {
    this.#netns = netns
    this.#transport =
      netns === undefined ? openPackageTransport(NETLINK_ROUTE) : openTransport(NETLINK_ROUTE, { netns })
  }

  /** RTM_GETLINK. */
  async links(): Promise<Link[]> {
    const replies = await this.#dump('RTM_GETLINK', RTM_GETLINK, IFINFOMSG_LENGTH)
    return replies.flatMap(({ payload }) => decodeLink(payload) ?? [])
  }

  /** RTM_GETADDR: IPv4 and IPv6, of all links. */
  async addresses(): Promise<LinkAddress[]> {
    const replies = await this.#dump('RTM_GETADDR', RTM_GETADDR, IFADDRMSG_LENGTH)
    return replies.flatMap(({ payload }) => {
      const decoded = decodeAddress(payload)
      return decoded?.isUsable ? [decoded.address] : []
    })
  }

  /**
   * Reads everything, then tells every change. What was lost in an overrun is made good by reading again. Keeps the process
   * alive until closed.
   */
  async watch({ onEvent, onError }: WatchOptions): Promise<RouteWatch> {
    let isReady = false
    const state = new RouteState((event) => {
      if (isReady) onEvent(event)
    })
    // Changes that come while the tables are read are applied after them: hearing of one twice is no event.
    let waiting: NetlinkMessage[] | undefined = []
    let subscription: NetlinkEvents | undefined
    const read = async () => {
      waiting ??= []
      state.replace(await this.links(), await this.addresses())
      const missed = waiting
      waiting = undefined
      for (const message of missed) apply(state, message)
    }
    const fail = (error: CthelperError) => {
      subscription?.close()
      if (!onError) throw error
      onError(error)
    }
    subscription = this.#subscribe(routeGroups, {
      onMessages: (messages) => {
        for (const message of messages) {
          if (waiting) waiting.push(copy(message))
          else apply(state, message)
        }
      },
      onOverrun: () => void read().catch(fail),
      onError: fail,
    })
    await read().catch((error) => {
      subscription.close()
      throw error
    })
    isReady = true
    const close = () => subscription.close()
    return { links: state.links, addresses: () => [...state.addresses.values()], close }
  }

  /** `onDeleted`: a routing rule is gone, whoever's it was and whoever took it; or one may be, as news were lost. Keeps the process alive until closed. */
  watchRules({ onDeleted, onError }: RuleWatchOptions): NetlinkEvents {
    return this.#subscribe(ruleGroups, {
      onMessages: (messages) => {
        if (messages.some(({ type }) => type === RTM_DELRULE)) onDeleted()
      },
      onOverrun: onDeleted,
      onError,
    })
  }

  /** RTM_NEWRULE. False when there is such a rule already. */
  addRule(rule: RoutingRule): Promise<boolean> {
    return this.#change('RTM_NEWRULE', RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, encodeRule(rule), EEXIST)
  }

  /** RTM_DELRULE. False when there was none. */
  deleteRule(rule: RoutingRule): Promise<boolean> {
    return this.#change('RTM_DELRULE', RTM_DELRULE, 0, encodeRule(rule), ENOENT)
  }

  /** RTM_NEWROUTE. False when there is such a route already. */
  addLocalRoute(route: LocalRoute): Promise<boolean> {
    return this.#change('RTM_NEWROUTE', RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, encodeLocalRoute(route), EEXIST)
  }

  /** RTM_DELROUTE. False when there was none. */
  deleteLocalRoute(route: LocalRoute): Promise<boolean> {
    return this.#change('RTM_DELROUTE', RTM_DELROUTE, 0, encodeLocalRoute(route), ESRCH)
  }

  async #change(operation: string, type: number, flags: number, payload: Uint8Array, expected: number) {
    const { errno, message } = await this.#transport.request({ type, flags, payload })
    if (errno !== 0 && errno !== expected) throw kernelError(operation, errno, message)
    return errno === 0
  }

  /** Watches are closed on their own. */
  close(): void {
    this.#transport.close()
  }

  #subscribe(groups: readonly number[], handlers: Parameters<typeof openPackageEvents>[2]): NetlinkEvents {
    const netns = this.#netns
    if (netns === undefined) return openPackageEvents(NETLINK_ROUTE, groups, handlers)
    return openEvents(NETLINK_ROUTE, groups, { ...handlers, netns })
  }

  async #dump(operation: string, type: number, headerLength: number): Promise<readonly NetlinkMessage[]> {
    const request = { type, flags: NLM_F_DUMP, payload: new Uint8Array(headerLength) }
    const { errno, message, replies } = await this.#transport.request(request)
    if (errno) throw kernelError(operation, errno, message)
    return replies
  }
}

const copy = (message: NetlinkMessage): NetlinkMessage => ({ ...message, payload: Uint8Array.from(message.payload) })

function apply(state: RouteState, { type, payload }: NetlinkMessage): void {
  if (type === RTM_NEWLINK || type === RTM_DELLINK) {
    const link = decodeLink(payload)
    if (link && type === RTM_NEWLINK) state.setLink(link)
    else if (link) state.removeLink(link.index)
  } else if (type === RTM_NEWADDR || type === RTM_DELADDR) {
    const decoded = decodeAddress(payload)
    if (decoded && type === RTM_NEWADDR && decoded.isUsable) state.setAddress(decoded.address)
    else if (decoded) state.removeAddress(decoded.address)
  }
}

/**
 * Opens rtnetlink: over the npm package `netlink` in the process's own namespace, over the addon in another one, with the same
 * answers. Throws ERR_ADDON, ERR_KERNEL (ENOENT: no such namespace) or ERR_PERMISSION.
 *
 * @example
 * const route = openRoute()
 * for (const { address, scope } of await route.addresses()) console.log(address, scope)
 * const watch = await route.watch({ onEvent: (event) => console.log(event.kind) })
 */
export function openRoute({ netns }: RouteOptions = {}): Route {
  return new Route(netns)
}
