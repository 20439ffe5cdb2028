import type { PinholeInfo } from './call.js'

/** What `new ConeNat(options)` takes. */
export interface ConeNatOptions {
  /** Interface names towards the hosts that ask. */
  readonly inside: readonly string[]
  /** Interface names towards those who are asked. */
  readonly outside: readonly string[]
  /** Destination ports of the flows that get such filtering, UDP: 3478 for STUN. Not those of a SIP helper on the same machine. */
  readonly ports: readonly number[]
  /**
   * `restricted`: the host that was asked may answer from any of its ports (RFC 4787 5, address-dependent filtering); `full`: anybody may
   * (endpoint-independent). Default `restricted`.
   */
  readonly filtering?: 'restricted' | 'full'
  /** Network namespace path. Default: the process's own. */
  readonly netns?: string
  /** First NFQUEUE number; the next one serves kernels without NFQA_CT. Default 5070. */
  readonly queue?: number
  /** How often a way without new flows is looked at; it is shut when the flows that asked for it are gone, seconds. Default 30. */
  readonly lifetimeSec?: number
  /** How long a way outlives this process, if it is killed, seconds. Default 120. */
  readonly leaseSec?: number
  /** Who translates what ways let in, as for `SipHelper`: the kernel's NAT `function`, `maps` of nft, or what is to be had (`auto`). Default `auto`. */
  readonly translation?: 'auto' | 'function' | 'maps'
  readonly budgets?: {
    /** Ways in all. Default 10,000. */
    readonly ways?: number
    /** Ways to one inside host. Default 1000. */
    readonly waysPerHost?: number
  }
}

/** Events of `ConeNat`. */
export interface ConeNatEvents {
  way: [change: { readonly kind: 'open' | 'close'; readonly pinhole: PinholeInfo }]
  /** A flow went on without a way. */
  refused: [
    refusal: { readonly reason: 'ways-exhausted' | 'host-ways-exhausted' | 'kernel-refused'; readonly detail: string },
  ]
  error: [error: Error]
}
