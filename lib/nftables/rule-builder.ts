import type { PacketField, SetType, SetValue, TableFamily } from '../../types/nftables.js'
import { CthelperError } from '../base/errors.js'
import { encodeValue, hostOrder } from './datatype.table.js'
import type { KernelExpression } from './nftables.table.js'
import { register, words } from './register.js'

/** An anonymous constant set that a rule brings along. */
export interface AnonymousSet {
  /** NFTA_SET_ID: how the rule finds it within the transaction. */
  readonly id: number
  readonly type: SetType
  readonly values: readonly SetValue[]
}

/** What a rule's encoding depends on besides its expressions. */
export interface RuleContext {
  readonly family: TableFamily
  /** How queue statements are written. */
  readonly queueStyle: 'native' | 'xtables'
  /** NFTA_SET_ID of a named set of the same transaction. */
  setId(name: string): number | undefined
  /** A fresh NFTA_SET_ID, for an anonymous set. */
  nextSetId(): number
}

const META_NFPROTO = 15
const META_L4PROTO = 16
export const NETWORK_HEADER = 1
export const TRANSPORT_HEADER = 2
export const nfproto = { 4: 2, 6: 10 } as const
export const protocols = { tcp: 6, udp: 17 } as const
/** The name nft gives an anonymous set; the kernel puts a number for %d. */
const ANONYMOUS_NAME = '__set%d'

/** Where a packet field stands: header base (enum nft_payload_bases), offset and length in bytes; and what must hold for it to be there. */
export interface FieldPlace {
  readonly base: number
  readonly offset: number
  readonly length: number
  readonly family?: 4 | 6
  readonly protocol?: 'udp' | 'tcp'
}

/** RFC 791 3.1, RFC 8200 3, RFC 768, RFC 9293 3.1. */
export const fieldPlaces: Readonly<Record<PacketField, FieldPlace>> = {
  'ip saddr': { base: NETWORK_HEADER, offset: 12, length: 4, family: 4 },
  'ip daddr': { base: NETWORK_HEADER, offset: 16, length: 4, family: 4 },
  'ip6 saddr': { base: NETWORK_HEADER, offset: 8, length: 16, family: 6 },
  'ip6 daddr': { base: NETWORK_HEADER, offset: 24, length: 16, family: 6 },
  'udp sport': { base: TRANSPORT_HEADER, offset: 0, length: 2, protocol: 'udp' },
  'udp dport': { base: TRANSPORT_HEADER, offset: 2, length: 2, protocol: 'udp' },
  'tcp sport': { base: TRANSPORT_HEADER, offset: 0, length: 2, protocol: 'tcp' },
  'tcp dport': { base: TRANSPORT_HEADER, offset: 2, length: 2, protocol: 'tcp' },
}

/** The kernel expressions of one rule while they are put together, with what the rule has already established about its packets. */
export class RuleBuilder {
  readonly expressions: KernelExpression[] = []
  readonly sets: AnonymousSet[] = []
  readonly context: RuleContext
  readonly #where: string
  #family: 4 | 6 | undefined
  #protocol: number | undefined

  /** `where` names the rule in errors. */
  constructor(context: RuleContext, where: string) {
    this.context = context
    this.#where = where
    this.#family = context.family === 'ip' ? 4 : context.family === 'ip6' ? 6 : undefined
  }

  add(...expressions: readonly KernelExpression[]): void {
    this.expressions.push(...expressions)
  }

  fail(message: string): never {
    throw new CthelperError('ERR_ARGUMENT', this.#where, `${this.#where}: ${message}`)
  }

  /** Puts `value` into the registers from `word` on. */
  immediate(word: number, value: Uint8Array): void {
    this.add({ name: 'immediate', data: { dreg: register(word), data: { value } } })
  }

  /** Compares the first register with `value`. */
  compare(value: Uint8Array, negate = false): void {
    this.add({ name: 'cmp', data: { sreg: register(0), op: negate ? 1 : 0, data: { value } } })
  }

  /** Compares the first register with `value`, both in network order (enum nft_cmp_ops). */
  compareAs(operator: 'lte' | 'gte', value: Uint8Array): void {
    this.add({ name: 'cmp', data: { sreg: register(0), op: operator === 'lte' ? 3 : 5, data: { value } } })
  }

  /** Compares the first register, after `mask`, with `value`; both 32 bit. */
  compareMasked(value: number, mask: number | undefined, negate = false): void {
    if (mask !== undefined) this.bitwise(mask, 0)
    this.compare(hostOrder(value), negate)
  }

  /** register = (register & mask) ^ xor; NFT_BITWISE_MASK_XOR. */
  bitwise(mask: number, xor: number): void {
    const [maskBytes, xorBytes] = [hostOrder(mask), hostOrder(xor)]
    this.bitwiseBytes(maskBytes, xorBytes)
  }

  bitwiseBytes(mask: Uint8Array, xor: Uint8Array): void {
    const [sreg, dreg] = [register(0), register(0)]
    this.add({
      name: 'bitwise',
      data: { sreg, dreg, op: 0, length: mask.length, mask: { value: mask }, xor: { value: xor } },
    })
  }

  /** Looks the first register up in a named set; with `dreg`, a map's value goes to the first register. */
  lookup(set: string, options: { negate?: boolean | undefined; isMap?: boolean } = {}): void {
    this.#lookup(set, this.context.setId(set), options)
  }

  #lookup(set: string, setId: number | undefined, options: { negate?: boolean | undefined; isMap?: boolean }): void {
    const data = {
      sreg: register(0),
      set,
      ...(options.isMap ? { dreg: register(0) } : {}),
      ...(setId === undefined ? {} : { setId }),
      ...(options.negate ? { flags: 1 } : {}),
    }
    this.add({ name: 'lookup', data })
  }

  /** The first register is one of `values`: a comparison for one, an anonymous set for more. */
  oneOf(type: SetType, values: readonly SetValue[], what: string, negate?: boolean): void {
    if (values.length === 0) this.fail('an empty list never matches')
    const encoded = values.map((value) => encodeValue(type, value, what))
    if (encoded.length === 1) {
      this.compare(encoded[0]!, negate)
      return
    }
    const id = this.context.nextSetId()
    this.sets.push({ id, type, values: [...new Set(values)] })
    this.#lookup(ANONYMOUS_NAME, id, { negate })
  }

  /** The packet is of that IP version: a test, unless the table's family or an earlier test says so. */
  requireFamily(family: 4 | 6): void {
    if (this.#family === family) return
    if (this.#family !== undefined) this.fail(`IPv${family} cannot follow where only IPv${this.#family} is left`)
    this.add({ name: 'meta', data: { key: META_NFPROTO, dreg: register(0) } })
    this.compare(Uint8Array.of(nfproto[family]))
    this.#family = family
  }

  /** The packet is of that transport protocol (IP protocol number). */
  requireProtocol(protocol: number): void {
    if (this.#protocol === protocol) return
    if (this.#protocol !== undefined)
      this.fail(`protocol ${protocol} cannot follow where only ${this.#protocol} is left`)
    this.add({ name: 'meta', data: { key: META_L4PROTO, dreg: register(0) } })
    this.compare(Uint8Array.of(protocol))
    this.#protocol = protocol
  }

  /** Ports mean nothing before the protocol is known: they would be compared with other protocols' bytes. */
  requireAnyProtocol(): void {
    if (this.#protocol === undefined) this.fail('a port needs its protocol, given with it or by an l4proto before it')
  }

  requireField(place: FieldPlace): void {
    if (place.family) this.requireFamily(place.family)
    if (place.protocol) this.requireProtocol(protocols[place.protocol])
  }

  loadPlace(place: FieldPlace, word = 0): void {
    const { base, offset, length } = place
    this.add({ name: 'payload', data: { dreg: register(word), base, offset, length } })
  }

  /** Loads the fields one after the other, each from a whole word, as the key of a set. */
  loadKey(key: readonly PacketField[]): void {
    const places = key.map((field) => fieldPlaces[field] ?? this.fail(`no packet field ${JSON.stringify(field)}`))
    if (places.length === 0) this.fail('a key needs at least one field')
    for (const place of places) this.requireField(place)
    let word = 0
    for (const place of places) {
      this.loadPlace(place, word)
      word += words(place.length)
    }
  }
}
