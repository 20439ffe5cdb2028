/** The Expression kinds of types/nftables.d.ts as kernel expressions: one row a kind. */
import type { CtState, CtStatus, Expression, PacketField, SetType } from '../../types/nftables.js'
import { familyOf, parseAddress } from '../base/address.js'
import { encodeValue, hostOrder } from './datatype.table.js'
import { NFT_OBJECT_CT_HELPER } from './nftables.table.js'
import { routeInterface, socketTransparent, tcpSyn, tproxy } from './proxy-expression.js'
import { encodeQueue } from './queue.js'
import { register, VERDICT_REGISTER, words } from './register.js'
import { type FieldPlace, fieldPlaces, nfproto, protocols, type RuleBuilder, TRANSPORT_HEADER } from './rule-builder.js'

type Kind = Expression['kind']
type OfKind<K extends Kind> = Extract<Expression, { kind: K }>
type Encoders = { readonly [K in Kind]: (builder: RuleBuilder, expression: OfKind<K>) => void }

/** enum nft_meta_keys. */
const meta = { mark: 3, iif: 4, oif: 5, iifname: 6, oifname: 7 } as const
/** enum nft_ct_keys. */
const ct = { state: 0, direction: 1, status: 2, mark: 3, zone: 17 } as const
/** NFT_CT_STATE bits as nft_ct_state_bit makes them. */
const stateBits: Record<CtState, number> = { invalid: 1, established: 2, related: 4, new: 8, untracked: 64 }
/** enum ip_conntrack_status. */
const statusBits: Record<CtStatus, number> = {
  expected: 1,
  'seen-reply': 2,
  assured: 4,
  confirmed: 8,
  snat: 16,
  dnat: 32,
  dying: 512,
}
/** enum nft_verdicts and NF_DROP, NF_ACCEPT, as unsigned 32 bit numbers. */
const verdicts = { drop: 0, accept: 1, jump: 0xfffffffd, goto: 0xfffffffc, return: 0xfffffffb } as const
const unitSec = { second: 1, minute: 60, hour: 3600, day: 86400 } as const
const natTypes = { snat: 0, dnat: 1 } as const
/** NF_NAT_RANGE_PROTO_SPECIFIED. */
const NAT_PORT = 2
const DEFAULT_BURST = 5

const loadMeta = (builder: RuleBuilder, key: number) => builder.add({ name: 'meta', data: { key, dreg: register(0) } })
const storeMeta = (builder: RuleBuilder, key: number) => builder.add({ name: 'meta', data: { key, sreg: register(0) } })
const loadCt = (builder: RuleBuilder, key: number) => builder.add({ name: 'ct', data: { key, dreg: register(0) } })
const storeCt = (builder: RuleBuilder, key: number) => builder.add({ name: 'ct', data: { key, sreg: register(0) } })

/** A row that loads something into the first register, then acts on it. */
const after =
  <E>(
    load: (builder: RuleBuilder, key: number) => void,
    key: number,
    act: (builder: RuleBuilder, expression: E) => void,
  ) =>
  (builder: RuleBuilder, expression: E): void => {
    load(builder, key)
    act(builder, expression)
  }
const bits = <T extends string>(table: Record<T, number>, names: readonly T[]) =>
  names.reduce((sum, name) => sum | table[name], 0)

function interfaceName(builder: RuleBuilder, { kind, in: names, negate }: OfKind<'iifname' | 'oifname'>): void {
  loadMeta(builder, meta[kind])
  builder.oneOf('ifname', names, kind, negate)
}

function interfaceSet(builder: RuleBuilder, { kind, set, negate }: OfKind<'iifname-set' | 'oifname-set'>): void {
  loadMeta(builder, kind === 'iifname-set' ? meta.iifname : meta.oifname)
  builder.lookup(set, { negate })
}

function addressPlace(kind: string, family: 4 | 6): FieldPlace {
  const side = kind.startsWith('saddr') ? 'saddr' : 'daddr'
  return fieldPlaces[family === 4 ? (`ip ${side}` as const) : (`ip6 ${side}` as const)]
}

function address(builder: RuleBuilder, { kind, in: list, negate }: OfKind<'saddr' | 'daddr'>): void {
  const first = list[0] ?? builder.fail('an empty list never matches')
  if (list.length === 1 && first.includes('/')) {
    prefix(builder, kind, first, negate)
    return
  }
  const family = familyOf(first) ?? builder.fail(`${JSON.stringify(first)} is no address`)
  const type: SetType = family === 4 ? 'ipv4_addr' : 'ipv6_addr'
  const place = addressPlace(kind, family)
  builder.requireField(place)
  builder.loadPlace(place)
  builder.oneOf(type, list, kind, negate)
}

function prefix(builder: RuleBuilder, kind: string, text: string, negate: boolean | undefined): void {
  const [base = '', digits = ''] = text.split('/')
  const bytes = parseAddress(base)
  const length = /^\d{1,3}$/.test(digits) ? Number(digits) : -1
  const isPrefix = bytes !== undefined && length >= 0 && length <= bytes.length * 8
  if (!isPrefix) builder.fail(`${JSON.stringify(text)} is no prefix`)
  const place = addressPlace(kind, bytes.length === 4 ? 4 : 6)
  const mask = bytes.map((_, i) => 0xff00 >> Math.min(8, Math.max(0, length - i * 8)))
  builder.requireField(place)
  if (length % 8 === 0 && length > 0) {
    // Whole bytes need no mask: nft loads and compares only those.
    builder.loadPlace({ ...place, length: length / 8 })
    builder.compare(bytes.subarray(0, length / 8), negate)
    return
  }
  builder.loadPlace(place)
  builder.bitwiseBytes(mask, new Uint8Array(bytes.length))
  builder.compare(
    bytes.map((byte, i) => byte & mask[i]!),
    negate,
  )
}

function addressSet(builder: RuleBuilder, { kind, family, set, negate }: OfKind<'saddr-set' | 'daddr-set'>): void {
  const place = addressPlace(kind, family)
  builder.requireField(place)
  builder.loadPlace(place)
  builder.lookup(set, { negate })
}

function loadPort(builder: RuleBuilder, kind: string, protocol: 'udp' | 'tcp' | undefined): void {
  if (protocol) builder.requireProtocol(protocols[protocol])
  else builder.requireAnyProtocol()
  builder.loadPlace({ base: TRANSPORT_HEADER, offset: kind.startsWith('sport') ? 0 : 2, length: 2 })
}

function port(builder: RuleBuilder, { kind, in: list, protocol, negate }: OfKind<'sport' | 'dport'>): void {
  loadPort(builder, kind, protocol)
  builder.oneOf('inet_service', list, kind, negate)
}

function portRange(builder: RuleBuilder, { kind, first, last, protocol }: OfKind<'sport-range' | 'dport-range'>): void {
  loadPort(builder, kind, protocol)
  if (first > last) builder.fail(`${kind} ${first}-${last} is empty`)
  builder.compareAs('gte', encodeValue('inet_service', first, kind))
  builder.compareAs('lte', encodeValue('inet_service', last, kind))
}

function portSet(builder: RuleBuilder, { kind, set, protocol, negate }: OfKind<'sport-set' | 'dport-set'>): void {
  loadPort(builder, kind, protocol)
  builder.lookup(set, { negate })
}

function keySet(builder: RuleBuilder, { key, set, negate }: OfKind<'key-set'>): void {
  builder.loadKey(key)
  builder.lookup(set, { negate })
}

function nat(builder: RuleBuilder, { kind, to }: OfKind<'snat' | 'dnat'>): void {
  const family = familyOf(to.address) ?? builder.fail(`${JSON.stringify(to.address)} is no address`)
  const bytes = parseAddress(to.address)!
  const data = { type: natTypes[kind], family: nfproto[family], addressMin: register(0) }
  builder.immediate(0, bytes)
  if (to.port === 0) {
    builder.add({ name: 'nat', data })
    return
  }
  builder.requireAnyProtocol()
  // nft keeps the port sixteen bytes from the address, whatever the address' length.
  builder.immediate(4, encodeValue('inet_service', to.port, kind))
  builder.add({ name: 'nat', data: { ...data, portMin: register(4), flags: NAT_PORT } })
}

function natMap(builder: RuleBuilder, { kind, family, key, map }: OfKind<'snat-map' | 'dnat-map'>): void {
  builder.loadKey(key)
  builder.lookup(map, { isMap: true })
  const portMin = register(words(family === 4 ? 4 : 16))
  const type = kind === 'snat-map' ? natTypes.snat : natTypes.dnat
  builder.add({ name: 'nat', data: { type, family: nfproto[family], addressMin: register(0), portMin } })
}

/**
 * Which checksums follow a written field: NFT_PAYLOAD_CSUM_INET at that offset of the same header, and with flag 1 the transport
 * checksum over the pseudo header. IPv6 has no header checksum.
 */
const checksums: Record<PacketField, { checksumType?: number; checksumOffset?: number; checksumFlags?: number }> = {
  'ip saddr': { checksumType: 1, checksumOffset: 10, checksumFlags: 1 },
  'ip daddr': { checksumType: 1, checksumOffset: 10, checksumFlags: 1 },
  'ip6 saddr': { checksumFlags: 1 },
  'ip6 daddr': { checksumFlags: 1 },
  'udp sport': { checksumType: 1, checksumOffset: 6 },
  'udp dport': { checksumType: 1, checksumOffset: 6 },
  'tcp sport': { checksumType: 1, checksumOffset: 16 },
  'tcp dport': { checksumType: 1, checksumOffset: 16 },
}

function rewrite(builder: RuleBuilder, { field, key, map }: OfKind<'rewrite'>): void {
  const place = fieldPlaces[field] ?? builder.fail(`no packet field ${JSON.stringify(field)}`)
  builder.requireField(place)
  builder.loadKey(key)
  builder.lookup(map, { isMap: true })
  const { base, offset, length } = place
  builder.add({ name: 'payload', data: { sreg: register(0), base, offset, length, ...checksums[field] } })
}

function setMark(builder: RuleBuilder, { to, mask }: OfKind<'set-mark'>): void {
  if (mask === undefined) builder.immediate(0, mark(to))
  else {
    loadMeta(builder, meta.mark)
    builder.bitwise(~mask, to & mask)
  }
  storeMeta(builder, meta.mark)
}

const mark = (value: number) => encodeValue('mark', value, 'mark')

function limit(builder: RuleBuilder, expression: OfKind<'limit'>): void {
  const { rate, per, burst = DEFAULT_BURST, over } = expression
  if (!Number.isSafeInteger(rate) || rate <= 0) builder.fail(`rate ${rate} is no positive whole number`)
  builder.add({ name: 'limit', data: { rate, unitSec: unitSec[per], burst, type: 0, flags: over ? 1 : 0 } })
}

function verdict(builder: RuleBuilder, code: number, chain?: string): void {
  const data = { verdict: { code, ...(chain === undefined ? {} : { chain }) } }
  builder.add({ name: 'immediate', data: { dreg: VERDICT_REGISTER, data } })
}

const encoders: Encoders = {
  iifname: interfaceName,
  oifname: interfaceName,
  'iifname-set': interfaceSet,
  'oifname-set': interfaceSet,
  iif: after(loadMeta, meta.iif, (builder, { is }) => builder.compare(hostOrder(is))),
  oif: after(loadMeta, meta.oif, (builder, { is }) => builder.compare(hostOrder(is))),
  l4proto: (builder, { is }) => builder.requireProtocol(is),
  nfproto: (builder, { is }) => builder.requireFamily(is),
  mark: after(loadMeta, meta.mark, (builder, { is, mask, negate }) => builder.compareMasked(is, mask, negate)),
  'set-mark': setMark,
  saddr: address,
  daddr: address,
  'saddr-set': addressSet,
  'daddr-set': addressSet,
  sport: port,
  dport: port,
  'sport-range': portRange,
  'dport-range': portRange,
  'sport-set': portSet,
  'dport-set': portSet,
  'key-set': keySet,
  'ct-state': after(loadCt, ct.state, (builder, { any }) => builder.compareMasked(0, bits(stateBits, any), true)),
  'ct-status': after(loadCt, ct.status, (builder, { any, negate }) =>
    builder.compareMasked(0, bits(statusBits, any), !negate),
  ),
  'ct-direction': after(loadCt, ct.direction, (builder, { is }) =>
    builder.compare(Uint8Array.of(is === 'original' ? 0 : 1)),
  ),
  'ct-mark': after(loadCt, ct.mark, (builder, { is, mask, negate }) => builder.compareMasked(is, mask, negate)),
  // The register has 16 bits in host order, and two bytes that count for nothing.
  'ct-zone': after(loadCt, ct.zone, (builder, { is }) => builder.compare(hostOrder(is).subarray(0, 2))),
  'set-ct-mark': (builder, { to }) => {
    builder.immediate(0, mark(to))
    storeCt(builder, ct.mark)
  },
  'save-mark': after(loadMeta, meta.mark, (builder) => storeCt(builder, ct.mark)),
  'restore-mark': after(loadCt, ct.mark, (builder) => storeMeta(builder, meta.mark)),
  limit,
  queue: (builder, expression) => builder.add(encodeQueue(builder.context.queueStyle, expression)),
  counter: (builder) => builder.add({ name: 'counter', data: {} }),
  masquerade: (builder) => builder.add({ name: 'masq', data: {} }),
  snat: nat,
  dnat: nat,
  'snat-map': natMap,
  'dnat-map': natMap,
  rewrite,
  'tcp-syn': tcpSyn,
  'socket-transparent': socketTransparent,
  tproxy,
  'route-oifname': routeInterface,
  verdict: (builder, expression) => verdict(builder, verdicts[expression.verdict]),
  jump: (builder, { chain }) => verdict(builder, verdicts.jump, chain),
  goto: (builder, { chain }) => verdict(builder, verdicts.goto, chain),
  notrack: (builder) => builder.add({ name: 'notrack', data: {} }),
  'set-helper': (builder, { helper }) =>
    builder.add({ name: 'objref', data: { type: NFT_OBJECT_CT_HELPER, name: helper } }),
}

/** Appends the kernel expressions of `expression` to the rule. Throws ERR_ARGUMENT for values that cannot be. */
export function encodeExpression(builder: RuleBuilder, expression: Expression): void {
  const encoder = encoders[expression.kind] as ((builder: RuleBuilder, expression: Expression) => void) | undefined
  if (!encoder) builder.fail(`no expression ${JSON.stringify(expression.kind)}`)
  encoder(builder, expression)
}
