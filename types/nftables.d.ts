import type { Endpoint, Family } from './endpoint.js'

/** Types of set keys and map values, as `nft` names them. `mark` is 32 bit, `ifname` a name of up to 15 characters. */
export type SetType = 'inet_service' | 'ifname' | 'ipv4_addr' | 'ipv6_addr' | 'inet_proto' | 'mark'

/** A field of the packet that can be part of a key, or be rewritten. Tests of the protocol it belongs to are added by themselves. */
export type PacketField =
  | 'ip saddr'
  | 'ip daddr'
  | 'ip6 saddr'
  | 'ip6 daddr'
  | 'udp sport'
  | 'udp dport'
  | 'tcp sport'
  | 'tcp dport'

export type CtState = 'invalid' | 'established' | 'related' | 'new' | 'untracked'

/** enum ip_conntrack_status, the bits that can be asked of a packet's conntrack. */
export type CtStatus = 'expected' | 'seen-reply' | 'assured' | 'confirmed' | 'snat' | 'dnat' | 'dying'

/** One nf_tables rule expression, as data; `cthelper/nftables` turns it into netlink. */
export type Expression =
  /** `meta iifname`/`oifname` in a list. Interface names are exact. */
  | { readonly kind: 'iifname' | 'oifname'; readonly in: readonly string[]; readonly negate?: boolean }
  | { readonly kind: 'iifname-set' | 'oifname-set'; readonly set: string; readonly negate?: boolean }
  /** Interface index; 0 is "no interface": `iif` 0 holds for packets of this machine's own. */
  | { readonly kind: 'iif' | 'oif'; readonly is: number }
  | { readonly kind: 'l4proto'; readonly is: number }
  | { readonly kind: 'nfproto'; readonly is: Family }
  /** Packet mark, after `mask` (default all 32 bits). */
  | { readonly kind: 'mark'; readonly is: number; readonly mask?: number; readonly negate?: boolean }
  /** Packet mark; with `mask` only those bits of it. */
  | { readonly kind: 'set-mark'; readonly to: number; readonly mask?: number }
  /** IPv4 or IPv6 address in a list (one family), or one prefix (`10.0.0.0/8`) alone. */
  | { readonly kind: 'saddr' | 'daddr'; readonly in: readonly string[]; readonly negate?: boolean }
  | {
      readonly kind: 'saddr-set' | 'daddr-set'
      readonly family: Family
      readonly set: string
      readonly negate?: boolean
    }
  /** Source or destination port in a list, or in a named set of the table. Without `protocol`, an `l4proto` must stand before it. */
  | {
      readonly kind: 'sport' | 'dport'
      readonly in: readonly number[]
      readonly protocol?: 'udp' | 'tcp'
      readonly negate?: boolean
    }
  /** Source or destination port from `first` to `last`, both included. */
  | {
      readonly kind: 'sport-range' | 'dport-range'
      readonly first: number
      readonly last: number
      readonly protocol?: 'udp' | 'tcp'
    }
  | {
      readonly kind: 'sport-set' | 'dport-set'
      readonly set: string
      readonly protocol?: 'udp' | 'tcp'
      readonly negate?: boolean
    }
  /** Several fields together in a named set with that concatenated type. */
  | { readonly kind: 'key-set'; readonly key: readonly PacketField[]; readonly set: string; readonly negate?: boolean }
  /** `ct state`, any of the bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked. */
  | { readonly kind: 'ct-state'; readonly any: readonly CtState[] }
  /** `ct status`: any of the bits, or with `negate` none of them. */
  | { readonly kind: 'ct-status'; readonly any: readonly CtStatus[]; readonly negate?: boolean }
  | { readonly kind: 'ct-direction'; readonly is: 'original' | 'reply' }
  | { readonly kind: 'ct-mark'; readonly is: number; readonly mask?: number; readonly negate?: boolean }
  /** Conntrack zone; kernels without zones (CONFIG_NF_CONNTRACK_ZONES) refuse the rule. */
  | { readonly kind: 'ct-zone'; readonly is: number }
  | { readonly kind: 'set-ct-mark'; readonly to: number }
  /** `save-mark`: packet mark to conntrack (`ct mark set meta mark`); `restore-mark`: the other way. */
  | { readonly kind: 'save-mark' | 'restore-mark' }
  /** `limit rate`: matches up to `rate` packets a unit (`over`: those beyond). Burst default 5. */
  | {
      readonly kind: 'limit'
      readonly rate: number
      readonly per: 'second' | 'minute' | 'hour' | 'day'
      readonly burst?: number
      readonly over?: boolean
    }
  /** Queue statement: nft's own where the kernel has it, else the xtables NFQUEUE target. `bypass`: accept when nobody listens. */
  | {
      readonly kind: 'queue'
      readonly number: number
      /** Queues number .. number + total - 1, chosen by flow; default 1. */
      readonly total?: number
      readonly bypass?: boolean
      /** Chosen by CPU instead of by flow. */
      readonly fanout?: boolean
    }
  | { readonly kind: 'counter' }
  | { readonly kind: 'masquerade' }
  /** To a fixed address; port 0 leaves the port alone. */
  | { readonly kind: 'snat' | 'dnat'; readonly to: Endpoint }
  /** To the `address . port` that `map` has for the key. */
  | {
      readonly kind: 'snat-map' | 'dnat-map'
      readonly family: Family
      readonly key: readonly PacketField[]
      readonly map: string
    }
  /** Stateless: writes a field of the packet, checksums included, from `map`; no match, no change and the rule ends. */
  | {
      readonly kind: 'rewrite'
      readonly field: PacketField
      readonly key: readonly PacketField[]
      readonly map: string
    }
  /** A TCP segment that asks for a connection: SYN without ACK. */
  | { readonly kind: 'tcp-syn' }
  /**
   * A transparent socket of this machine already has the packet's flow, or (output) has sent it; with `negate` a socket that is not
   * transparent has. No match where there is no socket.
   */
  | { readonly kind: 'socket-transparent'; readonly negate?: boolean }
  /**
   * To the transparent socket that listens at `port` on this machine, the packet unchanged; with `address` to the one that listens at
   * that address, and for its family only. Where nobody listens, no match: the rule ends.
   */
  | { readonly kind: 'tproxy'; readonly port: number; readonly address?: string }
  /** `fib daddr . mark oifname` in a list: where the packet would leave by. No match for packets to this machine itself. */
  | { readonly kind: 'route-oifname'; readonly in: readonly string[] }
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'jump' | 'goto'; readonly chain: string }
  | { readonly kind: 'notrack' }
  /** `ct helper set`: of the table's `helpers` the one that a new flow gets, if it is of its protocol and has none. */
  | { readonly kind: 'set-helper'; readonly helper: string }

export interface Rule {
  readonly expressions: readonly Expression[]
  /** Shown by `nft list`; up to 127 bytes. */
  readonly comment?: string
}

export interface Chain {
  readonly name: string
  /** Base chain when given, then with `hook` and `priority`. */
  readonly type?: 'filter' | 'nat' | 'route'
  readonly hook?: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority?: number
  /** Default accept. */
  readonly policy?: 'accept' | 'drop'
  readonly rules: readonly Rule[]
}

/** One value of a set: text or number by its type; an array for a concatenated type. */
export type SetValue = string | number | readonly (string | number)[]

/** An element alone, or with the map's value and a timeout. */
export type SetElement =
  | SetValue
  | {
      readonly key: SetValue
      /** The value, in maps. */
      readonly value?: SetValue
      /** Seconds until the kernel removes it, in sets with `timeouts`; default the set's own. Fractions count. */
      readonly timeoutSec?: number
    }

export interface NamedSet {
  readonly name: string
  /** An array concatenates: `['ipv4_addr', 'inet_service']` is `ipv4_addr . inet_service`. */
  readonly type: SetType | readonly SetType[]
  /** Makes it a map with values of that type. */
  readonly value?: SetType | readonly SetType[]
  /** Elements may have timeouts. */
  readonly timeouts?: boolean
  /** Timeout of elements that name none, seconds; implies `timeouts`. Default: they stay. */
  readonly timeoutSec?: number
  /** Most elements; default unlimited. */
  readonly size?: number
  readonly elements: readonly SetElement[]
}

/** Elements that go from, and come to, a set of a table that stands; what goes is told by its key. */
export interface ElementChange {
  readonly set: Pick<NamedSet, 'name' | 'type' | 'value' | 'timeouts'>
  readonly remove: readonly SetElement[]
  readonly add: readonly SetElement[]
}

export type TableFamily = 'ip' | 'ip6' | 'inet'

/** A conntrack helper that rules may give to flows (`ct helper`); the kernel must have it, in one family at least. */
export interface TableHelper {
  /** Of the object in the table. */
  readonly name: string
  /** Of the kernel's helper, or one registered from user space: `sip`, `cthelper`. */
  readonly type: string
  readonly protocol: 'udp' | 'tcp'
}

/** A whole table, installed in one transaction in place of any earlier one of that name. */
export interface Table {
  readonly family: TableFamily
  readonly name: string
  /**
   * NFT_TABLE_F_OWNER: the table dies with the handle that installed it (or its process), and nobody else may change it.
   * Default false: it stays until removed.
   */
  readonly owned?: boolean
  readonly sets?: readonly NamedSet[]
  readonly helpers?: readonly TableHelper[]
  readonly chains: readonly Chain[]
}

/** How packets reach a queue: nft's `queue` expression, the xtables NFQUEUE target through nft_compat, or not at all. */
export type QueueStyle = 'native' | 'xtables' | 'none'

export interface TableListing {
  readonly family: string
  readonly name: string
  readonly chains: readonly string[]
}

/** A rule's counter expression. `rule` counts from 0 within the chain. */
export interface RuleCounter {
  readonly chain: string
  readonly rule: number
  readonly comment: string | undefined
  readonly packets: number
  readonly bytes: number
}

/** What one foreign transaction did to one table. */
export interface TableChange {
  readonly family: string
  readonly name: string
  /** Objects (chains, rules, sets, elements, the table itself) that came or went. */
  readonly added: number
  readonly removed: number
  /** Of `removed`, elements of sets. */
  readonly elementsRemoved: number
  /** The table itself was removed (and maybe made again: see `has`). */
  readonly tableRemoved: boolean
}

/** One transaction of somebody else (NFT_MSG_NEWGEN): which tables it touched, and who sent it. */
export interface RulesetChange {
  /** NFTA_GEN_ID: the new generation of the ruleset. */
  readonly generation: number
  /** NFTA_GEN_PROC_PID and _NAME, as the initial pid namespace numbers it. */
  readonly processId: number
  readonly processName: string
  readonly tables: readonly TableChange[]
}
