/** What a transaction is made of: encoded nf_tables messages that remember, for errors, what they were about. */
import type { TableFamily } from '../../types/nftables.js'
import { encode, type Table, type TypeOf, Writer } from '../netlink/attribute.js'
import { writeNfgenmsg } from '../netlink/nfnetlink.js'
import { families, type MessageName } from './nftables.table.js'

/** Bytes [start, end) of a message's payload. */
export interface MessagePart {
  readonly start: number
  readonly end: number
  readonly what: string
}

export interface BatchMessage {
  readonly name: MessageName
  /** nlmsg_flags besides NLM_F_REQUEST. */
  readonly flags: number
  /** nfgenmsg and attributes. */
  readonly payload: Uint8Array
  /** The object, in words: `chain inet cthelper sip`. */
  readonly what: string
  readonly parts?: readonly MessagePart[]
}

/** Begins a payload with struct nfgenmsg. */
export function startPayload(family: number): Writer {
  const writer = new Writer()
  writeNfgenmsg(writer, family)
  return writer
}

/** A payload of nfgenmsg and one table's attributes. */
export function payload<T extends Table>(family: TableFamily | 'unspec', table: T, value: TypeOf<T>): Uint8Array {
  const writer = startPayload(family === 'unspec' ? 0 : families[family])
  encode(table, value, writer)
  return writer.bytes()
}
