/** rtnetlink's links and addresses. Sources: linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h. */
import type { AddressScope, Link, LinkAddress } from '../../types/route.js'
import { formatAddress } from '../base/address.js'
import { decode, raw, text, u32 } from './attribute.js'
import { readU32 } from './message.js'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22

/** enum rtnetlink_groups: RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR */
export const routeGroups: readonly number[] = [1, 5, 9]

const AF_INET = 2
const AF_INET6 = 10

/** sizeof(struct ifinfomsg): u8 family, u8, u16 type, s32 index, u32 flags, u32 change. */
export const IFINFOMSG_LENGTH = 16
const IFF_UP = 1
const IFF_LOWER_UP = 1 << 16

const linkTable = {
  name: text(3), // IFLA_IFNAME
}

/** sizeof(struct ifaddrmsg): u8 family, u8 prefix length, u8 flags, u8 scope, u32 index. */
export const IFADDRMSG_LENGTH = 8
const IFA_F_DADFAILED = 0x08
const IFA_F_DEPRECATED = 0x20
const IFA_F_TENTATIVE = 0x40

const addressTable = {
  address: raw(1), // IFA_ADDRESS; of a point-to-point link the peer's
  local: raw(2), // IFA_LOCAL
  flags: u32(8), // IFA_FLAGS, the header's eight bits and more
}

/** enum rt_scope_t; numbers between these are an administrator's own, and count as the next wider. */
function scopeOf(number: number): AddressScope {
  if (number >= 255) return 'nowhere'
  if (number >= 254) return 'host'
  if (number >= 253) return 'link'
  return number >= 200 ? 'site' : 'global'
}

/** RTM_NEWLINK's or RTM_DELLINK's payload. Undefined when it is too short, or a bridge port's (AF_BRIDGE) or other family's. */
export function decodeLink(payload: Uint8Array): Link | undefined {
  if (payload.length < IFINFOMSG_LENGTH || payload[0] !== 0) return undefined
  const { name = '' } = decode(linkTable, payload, IFINFOMSG_LENGTH)
  const flags = readU32(payload, 8)
  const wanted = IFF_UP | IFF_LOWER_UP
  return { index: readU32(payload, 4), name, isUp: (flags & wanted) === wanted }
}

/** RTM_NEWADDR's or RTM_DELADDR's payload, and whether the address can be used yet. Undefined for other families. */
export function decodeAddress(payload: Uint8Array): { address: LinkAddress; isUsable: boolean } | undefined {
  if (payload.length < IFADDRMSG_LENGTH) return undefined
  const family = payload[0] === AF_INET ? 4 : payload[0] === AF_INET6 ? 6 : undefined
  const attributes = decode(addressTable, payload, IFADDRMSG_LENGTH)
  const bytes = attributes.local ?? attributes.address
  if (family === undefined || bytes?.length !== (family === 4 ? 4 : 16)) return undefined
  const flags = attributes.flags ?? payload[2]!
  const address: LinkAddress = {
    linkIndex: readU32(payload, 4),
    family,
    address: formatAddress(bytes, 0, family),
    prefixLength: payload[1]!,
    scope: scopeOf(payload[3]!),
    isDeprecated: (flags & IFA_F_DEPRECATED) !== 0,
  }
  return { address, isUsable: (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)) === 0 }
}
