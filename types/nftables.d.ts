/** One nf_tables rule expression, as data; `cthelper/nftables` turns it into netlink. */
export type Expression =
  /** `meta iifname`/`oifname`/`mark`/`l4proto`/`nfproto` into a comparison. Interface names are exact. */
  | { readonly kind: 'iifname' | 'oifname'; readonly in: readonly string[] }
  | { readonly kind: 'iifname-set' | 'oifname-set'; readonly set: string }
  | { readonly kind: 'l4proto'; readonly is: number }
  | { readonly kind: 'nfproto'; readonly is: 4 | 6 }
  | { readonly kind: 'mark'; readonly is: number; readonly mask?: number; readonly negate?: boolean }
  | { readonly kind: 'set-mark'; readonly to: number }
  /** UDP/TCP source or destination port in a list, or in a named set of the table. */
  | { readonly kind: 'sport' | 'dport'; readonly in: readonly number[] }
  | { readonly kind: 'sport-set' | 'dport-set'; readonly set: string }
  /** `ct state`, bits: 1 invalid, 2 established, 4 related, 8 new, 64 untracked. */
  | { readonly kind: 'ct-state'; readonly any: readonly ('new' | 'established' | 'related' | 'untracked' | 'invalid')[] }
  | { readonly kind: 'ct-mark'; readonly is: number; readonly mask?: number }
  /** Queue statement: nft's own where the kernel has it, else the xtables NFQUEUE target. `bypass`: accept when nobody listens. */
  | { readonly kind: 'queue'; readonly number: number; readonly total?: number; readonly bypass?: boolean; readonly fanout?: boolean }
  | { readonly kind: 'counter' }
  | { readonly kind: 'masquerade' }
  | { readonly kind: 'verdict'; readonly verdict: 'accept' | 'drop' | 'return' }
  | { readonly kind: 'notrack' }

export interface Rule {
  readonly expressions: readonly Expression[]
  /** Shown by `nft list`. */
  readonly comment?: string
}

export interface Chain {
  readonly name: string
  /** Base chain when given. */
  readonly type?: 'filter' | 'nat' | 'route'
  readonly hook?: 'prerouting' | 'input' | 'forward' | 'output' | 'postrouting'
  readonly priority?: number
  /** Default accept. */
  readonly policy?: 'accept' | 'drop'
  readonly rules: readonly Rule[]
}

export interface NamedSet {
  readonly name: string
  readonly type: 'inet_service' | 'ifname' | 'ipv4_addr' | 'ipv6_addr'
  readonly elements: readonly (string | number)[]
}

/** A whole table, installed in one transaction in place of any earlier one of that name. */
export interface Table {
  readonly family: 'ip' | 'ip6' | 'inet'
  readonly name: string
  readonly sets?: readonly NamedSet[]
  readonly chains: readonly Chain[]
}
