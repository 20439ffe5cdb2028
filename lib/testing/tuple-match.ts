/** Tuples and masks as net/netfilter/nf_conntrack_expect.c compares them, for the fake kernel. */
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import { parseAddress } from '../base/address.js'

/** A tuple with its mask: what an expectation covers. */
export interface Cover {
  readonly tuple: Tuple
  readonly mask: Tuple
}

const endpointKey = ({ address, port }: Endpoint): string => `${address} ${port}`

/** A map key: equal for equal tuples. Addresses must be canonical. */
export function tupleKey({ family, protocol, source, destination }: Tuple): string {
  return `${family} ${protocol} ${endpointKey(source)} ${endpointKey(destination)}`
}

export function invertTuple({ family, protocol, source, destination }: Tuple): Tuple {
  return { family, protocol, source: destination, destination: source }
}

const bytesOf = (address: string): Uint8Array => parseAddress(address) ?? new Uint8Array(0)

/** nf_ct_tuple_src_mask_cmp, for addresses of one family. */
function sourceEqual(a: Endpoint, b: Endpoint, masks: readonly Endpoint[]): boolean {
  const [left, right] = [bytesOf(a.address), bytesOf(b.address)]
  const addressMasks = masks.map(({ address }) => bytesOf(address))
  const portMask = masks.reduce((all, { port }) => all & port, 0xffff)
  if (((a.port ^ b.port) & portMask) !== 0) return false
  return left.every((byte, i) => addressMasks.reduce((bits, mask) => bits & mask[i]!, byte ^ right[i]!) === 0)
}

/** Family, protocol and the whole destination: the kernel's hash bucket, and no mask applies to it. */
function sameDestination(a: Tuple, b: Tuple): boolean {
  return a.family === b.family && a.protocol === b.protocol && endpointKey(a.destination) === endpointKey(b.destination)
}

/** nf_ct_tuple_mask_cmp: does a packet's tuple fall under the expectation? */
export function covers({ tuple, mask }: Cover, packet: Tuple): boolean {
  return sameDestination(tuple, packet) && sourceEqual(tuple.source, packet.source, [mask.source])
}

/** expect_clash: could one packet fall under both? */
export function clashes(a: Cover, b: Cover): boolean {
  return (
    sameDestination(a.tuple, b.tuple) && sourceEqual(a.tuple.source, b.tuple.source, [a.mask.source, b.mask.source])
  )
}
