/** The expressions of a transparent proxy's rules. */
import type { Expression } from '../../types/nftables.js'
import { familyOf, parseAddress } from '../base/address.js'
import { encodeValue } from './datatype.table.js'
import { register } from './register.js'
import { type FieldPlace, nfproto, protocols, type RuleBuilder, TRANSPORT_HEADER } from './rule-builder.js'

type OfKind<K extends Expression['kind']> = Extract<Expression, { kind: K }>

/** NFT_SOCKET_TRANSPARENT. */
export function socketTransparent(builder: RuleBuilder, { negate }: OfKind<'socket-transparent'>): void {
  builder.add({ name: 'socket', data: { key: 0, dreg: register(0), level: 0 } })
  builder.compare(Uint8Array.of(negate ? 0 : 1))
}

/** RFC 9293 3.1: the flags' byte. */
const FLAGS: FieldPlace = { base: TRANSPORT_HEADER, offset: 13, length: 1 }
const [SYN, ACK] = [0x02, 0x10]

export function tcpSyn(builder: RuleBuilder): void {
  builder.requireProtocol(protocols.tcp)
  builder.loadPlace(FLAGS)
  builder.bitwiseBytes(Uint8Array.of(SYN | ACK), Uint8Array.of(0))
  builder.compare(Uint8Array.of(SYN))
}

/** NFT_FIB_RESULT_OIFNAME of NFTA_FIB_F_DADDR | NFTA_FIB_F_MARK. */
export function routeInterface(builder: RuleBuilder, { in: names }: OfKind<'route-oifname'>): void {
  builder.add({ name: 'fib', data: { flags: 6, result: 2, dreg: register(0) } })
  builder.oneOf('ifname', names, 'route-oifname')
}

export function tproxy(builder: RuleBuilder, { port, address }: OfKind<'tproxy'>): void {
  builder.requireAnyProtocol()
  if (address !== undefined) {
    tproxyTo(builder, address, port)
    return
  }
  builder.immediate(0, encodeValue('inet_service', port, 'tproxy'))
  // Without an address both families are served; NFPROTO_UNSPEC is what inet tables take.
  const family = { ip: 2, ip6: 10, inet: 0 }[builder.context.family]
  builder.add({ name: 'tproxy', data: { family, port: register(0) } })
}

function tproxyTo(builder: RuleBuilder, text: string, port: number): void {
  const family = familyOf(text) ?? builder.fail(`${JSON.stringify(text)} is no address`)
  builder.immediate(0, parseAddress(text)!)
  builder.immediate(4, encodeValue('inet_service', port, 'tproxy'))
  const data = { family: nfproto[family], address: register(0), port: register(4) }
  builder.add({ name: 'tproxy', data })
}
