/**
 * Types of set keys and map values, as the `nft` command numbers them (NFTA_SET_KEY_TYPE; the kernel only compares the bytes, but
 * `nft list` needs the number to print them). One row a type: number, length, byte order, reader, writer.
 */
import type { SetType, SetValue } from '../../types/nftables.js'
import { familyOf, formatAddress, parseAddress } from '../base/address.js'
import { CthelperError } from '../base/errors.js'

/** IFNAMSIZ: interface names have at most one character less. */
const INTERFACE_NAME_SIZE = 16
/** nft packs the types of a concatenation into one number, six bits each. */
const TYPE_BITS = 6

interface Datatype {
  readonly id: number
  /** Bytes. */
  readonly length: number
  /** What `nft` calls it in the set's user data: 1 host, 2 network. */
  readonly byteOrder: 1 | 2
  /** The value's bytes, or undefined when it is no value of the type. */
  encode(value: string | number): Uint8Array | undefined
  decode(bytes: Uint8Array, at: number): string | number
}

const bigEndian = (id: number, length: 1 | 2): Datatype => ({
  id,
  length,
  byteOrder: 2,
  encode: (value) =>
    isUnsigned(value, length * 8) ? Uint8Array.from(length === 1 ? [value] : [value >> 8, value]) : undefined,
  decode: (bytes, at) => (length === 1 ? bytes[at]! : (bytes[at]! << 8) | bytes[at + 1]!),
})

const address = (id: number, family: 4 | 6): Datatype => ({
  id,
  length: family === 4 ? 4 : 16,
  byteOrder: 2,
  encode: (value) => (typeof value === 'string' && familyOf(value) === family ? parseAddress(value) : undefined),
  decode: (bytes, at) => formatAddress(bytes, at, family),
})

export const datatypes: Readonly<Record<SetType, Datatype>> = {
  ipv4_addr: address(7, 4),
  ipv6_addr: address(8, 6),
  inet_proto: bigEndian(12, 1),
  inet_service: bigEndian(13, 2),
  mark: {
    id: 19,
    length: 4,
    byteOrder: 1,
    encode: (value) => (isUnsigned(value, 32) ? hostOrder(value) : undefined),
    decode: (bytes, at) => (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0,
  },
  ifname: {
    id: 41,
    length: INTERFACE_NAME_SIZE,
    byteOrder: 1,
    encode: (value) => (isInterfaceName(value) ? interfaceBytes(value) : undefined),
    decode: (bytes, at) => String.fromCharCode(...bytes.subarray(at, at + INTERFACE_NAME_SIZE)).replace(/\0.*$/s, ''),
  },
}

const typeById = new Map(Object.entries(datatypes).map(([name, { id }]) => [id, name as SetType]))

function isUnsigned(value: unknown, bits: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < 2 ** bits
}

/** dev_valid_name: 1 to 15 characters, no slash, colon or white space. */
function isInterfaceName(value: unknown): value is string {
  return typeof value === 'string' && /^[\x21-\x2e\x30-\x39\x3b-\x7e]{1,15}$/.test(value) && !/^\.\.?$/.test(value)
}

function interfaceBytes(name: string): Uint8Array {
  const bytes = new Uint8Array(INTERFACE_NAME_SIZE)
  bytes.set(Buffer.from(name, 'latin1'))
  return bytes
}

/** A 32 bit number as the kernel's registers hold marks and state bits: host order, which is little-endian here. */
export function hostOrder(value: number): Uint8Array {
  return Uint8Array.of(value, value >>> 8, value >>> 16, value >>> 24)
}

export type SetTypes = SetType | readonly SetType[]
const listOf = <T>(value: T | readonly T[]): readonly T[] => (Array.isArray(value) ? value : [value as T])
const padded = (length: number) => (length + 3) & ~3

/** NFTA_SET_KEY_TYPE of a type or concatenation. */
export function typeNumber(types: SetTypes): number {
  return listOf(types).reduce((number, type) => number * 2 ** TYPE_BITS + datatypes[type].id, 0)
}

/** The types a number stands for, or undefined when one of them has no row here. */
export function typesOf(number: number): SetType[] | undefined {
  const types: SetType[] = []
  for (let rest = number; rest > 0; rest = Math.floor(rest / 2 ** TYPE_BITS)) {
    const type = typeById.get(rest % 2 ** TYPE_BITS)
    if (!type) return undefined
    types.unshift(type)
  }
  return types.length > 0 ? types : undefined
}

/** NFTA_SET_KEY_LEN, bytes: the members of a concatenation begin at multiples of four. */
export function typeLength(types: SetTypes): number {
  const members = listOf(types)
  if (members.length === 1) return datatypes[members[0]!].length
  return members.reduce((length, type) => length + padded(datatypes[type].length), 0)
}

/** What nft notes as the byte order: 0 for concatenations. */
export function byteOrder(types: SetTypes): 0 | 1 | 2 {
  const members = listOf(types)
  return members.length === 1 ? datatypes[members[0]!].byteOrder : 0
}

/** A set's key or value as bytes. Throws ERR_ARGUMENT, naming the value and the type it is not of. */
export function encodeValue(types: SetTypes, value: SetValue, where: string): Uint8Array {
  const members = listOf(types)
  const values = listOf<string | number>(value)
  if (members.length !== values.length) throw wrongValue(types, value, where)
  const bytes = new Uint8Array(typeLength(types))
  let at = 0
  for (const [i, type] of members.entries()) {
    const part = datatypes[type].encode(values[i]!)
    if (!part) throw wrongValue(type, values[i]!, where)
    bytes.set(part, at)
    at += padded(part.length)
  }
  return bytes
}

function wrongValue(types: SetTypes, value: SetValue, where: string): CthelperError {
  const type = listOf(types).join(' . ')
  return new CthelperError('ERR_ARGUMENT', where, `${where}: ${JSON.stringify(value)} is no ${type}`)
}

/** A key or value from its bytes: an array for a concatenation. */
export function decodeValue(types: SetTypes, bytes: Uint8Array): SetValue {
  const members = listOf(types)
  let at = 0
  const values = members.map((type) => {
    const value = datatypes[type].decode(bytes, at)
    at += padded(datatypes[type].length)
    return value
  })
  return values.length === 1 ? values[0]! : values
}
