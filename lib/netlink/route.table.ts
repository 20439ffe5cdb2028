/** rtnetlink's links, addresses, rules and routes. Sources: linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/fib_rules.h. */
import type { AddressScope, Link, LinkAddress, LocalRoute, RoutingRule } from '../../types/route.js'
import { formatAddress } from '../base/address.js'
import { decode, encode, nest, raw, text, u32, Writer } from './attribute.js'
import { readU32 } from './message.js'

export const RTM_NEWLINK = 16
export const RTM_DELLINK = 17
export const RTM_GETLINK = 18
export const RTM_NEWADDR = 20
export const RTM_DELADDR = 21
export const RTM_GETADDR = 22
export const RTM_NEWROUTE = 24
export const RTM_DELROUTE = 25
export const RTM_NEWRULE = 32
export const RTM_DELRULE = 33

/** enum rtnetlink_groups: RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR */
export const routeGroups: readonly number[] = [1, 5, 9]
/** RTNLGRP_IPV4_RULE, RTNLGRP_IPV6_RULE */
export const ruleGroups: readonly number[] = [8, 19]

const AF_INET = 2
const AF_INET6 = 10
const addressFamily = { 4: AF_INET, 6: AF_INET6 } as const

/** sizeof(struct ifinfomsg): u8 family, u8, u16 type, s32 index, u32 flags, u32 change. */
export const IFINFOMSG_LENGTH = 16
const IFF_UP = 1
const IFF_LOWER_UP = 1 << 16

const linkInfoTable = {
  kind: text(1), // IFLA_INFO_KIND
}

const linkTable = {
  name: text(3), // IFLA_IFNAME
  mtu: u32(4), // IFLA_MTU
  master: u32(10), // IFLA_MASTER
  info: nest(18, linkInfoTable), // IFLA_LINKINFO
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
  const { name = '', mtu = 0, master = 0, info } = decode(linkTable, payload, IFINFOMSG_LENGTH)
  const flags = readU32(payload, 8)
  const wanted = IFF_UP | IFF_LOWER_UP
  const kind = info?.kind ?? ''
  return { index: readU32(payload, 4), name, mtu, master, kind, isUp: (flags & wanted) === wanted }
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

/** FRA_*. */
const ruleTable = { iifname: text(3), priority: u32(6), mark: u32(10), table: u32(15) }
const FR_ACT_TO_TBL = 1

/** RTA_*. */
const routeTable = { oif: u32(4), table: u32(15) }
const RTPROT_STATIC = 4
const RT_SCOPE_HOST = 254
const RTN_LOCAL = 2

/** The payload of RTM_NEWRULE and RTM_DELRULE: struct fib_rule_hdr and FRA_*. The mark is compared whole. */
export function encodeRule({ family, iifname, priority, mark, table }: RoutingRule): Uint8Array {
  const writer = new Writer(64)
  // family, dst_len, src_len, tos, table (FRA_TABLE says it), two reserved, action, flags
  writer.raw(Uint8Array.of(addressFamily[family], 0, 0, 0, 0, 0, 0, FR_ACT_TO_TBL))
  writer.u32(0)
  encode(ruleTable, { iifname, priority, mark, table }, writer)
  return writer.bytes()
}

/** The payload of RTM_NEWROUTE and RTM_DELROUTE: struct rtmsg and RTA_*. */
export function encodeLocalRoute({ family, table, linkIndex }: LocalRoute): Uint8Array {
  const writer = new Writer(64)
  // family, dst_len (0: default), src_len, tos, table (RTA_TABLE says it), protocol, scope, type, flags
  writer.raw(Uint8Array.of(addressFamily[family], 0, 0, 0, 0, RTPROT_STATIC, RT_SCOPE_HOST, RTN_LOCAL))
  writer.u32(0)
  encode(routeTable, { oif: linkIndex, table }, writer)
  return writer.bytes()
}
