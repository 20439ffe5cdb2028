import type { Link, LinkAddress, RouteEvent } from '../../types/route.js'

/** One entry an address of a link: IPv6 link-local addresses are equal on several links. */
const keyOf = ({ linkIndex, address }: LinkAddress): string => `${linkIndex} ${address}`

const isSame = (a: LinkAddress, b: LinkAddress): boolean =>
  a.prefixLength === b.prefixLength && a.scope === b.scope && a.isDeprecated === b.isDeprecated

/**
 * Links and addresses as last heard of. Every change is told to `tell` as a difference, so that a repeated message (rtnetlink
 * repeats itself: renewed leases, statistics) is no event, and a table read again after a loss yields just what was missed.
 */
export class RouteState {
  readonly links = new Map<number, Link>()
  readonly addresses = new Map<string, LinkAddress>()
  readonly #tell: (event: RouteEvent) => void

  constructor(tell: (event: RouteEvent) => void) {
    this.#tell = tell
  }

  setLink(link: Link): void {
    const before = this.links.get(link.index)
    this.links.set(link.index, link)
    if (!before) this.#tell({ kind: 'link-added', link })
    else this.#tellLinkChange(before, link)
  }

  #tellLinkChange(before: Link, link: Link): void {
    if (before.name !== link.name) this.#tell({ kind: 'link-renamed', link, previousName: before.name })
    if (before.isUp !== link.isUp) this.#tell({ kind: link.isUp ? 'link-up' : 'link-down', link })
  }

  removeLink(index: number): void {
    const link = this.links.get(index)
    if (!link) return
    // The kernel says the addresses first, except where a link moves to another namespace.
    for (const address of this.addresses.values()) if (address.linkIndex === index) this.removeAddress(address)
    this.links.delete(index)
    this.#tell({ kind: 'link-removed', link })
  }

  setAddress(address: LinkAddress): void {
    const before = this.addresses.get(keyOf(address))
    this.addresses.set(keyOf(address), address)
    if (!before) this.#tell({ kind: 'address-added', address })
    else if (!isSame(before, address)) this.#tell({ kind: 'address-changed', address })
  }

  removeAddress(address: LinkAddress): void {
    if (this.addresses.delete(keyOf(address))) this.#tell({ kind: 'address-removed', address })
  }

  /** Takes what a dump showed for the whole truth. */
  replace(links: readonly Link[], addresses: readonly LinkAddress[]): void {
    const indexes = new Set(links.map(({ index }) => index))
    const keys = new Set(addresses.map(keyOf))
    for (const address of this.addresses.values()) if (!keys.has(keyOf(address))) this.removeAddress(address)
    for (const index of this.links.keys()) if (!indexes.has(index)) this.removeLink(index)
    for (const link of links) this.setLink(link)
    for (const address of addresses) this.setAddress(address)
  }
}
