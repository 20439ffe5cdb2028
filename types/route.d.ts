import type { Family } from './endpoint.js'

/** A network interface. */
export interface Link {
  /** ifi_index. */
  readonly index: number
  /** IFLA_IFNAME. */
  readonly name: string
  /** IFLA_MTU: bytes of the largest packet; 0 where the kernel names none. */
  readonly mtu: number
  /** IFLA_MASTER: index of the bridge, VRF or bond it is a part of; 0 when of none. */
  readonly master: number
  /** IFLA_INFO_KIND: `bridge`, `vrf`, `veth` ...; empty for hardware. */
  readonly kind: string
  /** Usable: IFF_UP (an administrator's word) and IFF_LOWER_UP (carrier). */
  readonly isUp: boolean
}

/** enum rt_scope_t. */
export type AddressScope = 'global' | 'site' | 'link' | 'host' | 'nowhere'

/** An address of this machine. Those still being tested for duplicates (tentative), or that failed, are not listed. */
export interface LinkAddress {
  readonly linkIndex: number
  readonly family: Family
  /** IFA_LOCAL, or IFA_ADDRESS where there is none. */
  readonly address: string
  readonly prefixLength: number
  readonly scope: AddressScope
  /** IFA_F_DEPRECATED: its preferred lifetime is over; still good for what uses it. */
  readonly isDeprecated: boolean
}

/** `ip rule add iif IIFNAME fwmark MARK lookup TABLE priority PRIORITY`. */
export interface RoutingRule {
  readonly family: Family
  /** Packets that came in by it; `lo`: those of this machine's own. */
  readonly iifname: string
  /** All 32 bits are compared. */
  readonly mark: number
  readonly table: number
  readonly priority: number
}

/** `ip route add local default dev LINK table TABLE`: everything that looks there is for this machine. */
export interface LocalRoute {
  readonly family: Family
  readonly table: number
  readonly linkIndex: number
}

/** What changed, against what was known before. */
export type RouteEvent =
  | { readonly kind: 'link-added' | 'link-removed' | 'link-up' | 'link-down'; readonly link: Link }
  | { readonly kind: 'link-renamed'; readonly link: Link; readonly previousName: string }
  | { readonly kind: 'address-added' | 'address-removed' | 'address-changed'; readonly address: LinkAddress }
