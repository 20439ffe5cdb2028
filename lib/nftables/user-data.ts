/**
 * The `nft` command's own notes on rules and sets (NFTA_RULE_USERDATA, NFTA_SET_USERDATA): records of type, length, value, which
 * the kernel keeps and does not read (libnftnl's udata).
 */
import { CthelperError } from '../base/errors.js'
import { byteOrder, hostOrder, type SetTypes } from './datatype.table.js'

/** NFTNL_UDATA_RULE_COMMENT; its text ends with NUL. */
const RULE_COMMENT = 0
/** NFTNL_UDATA_SET_KEYBYTEORDER, NFTNL_UDATA_SET_DATABYTEORDER. */
const KEY_BYTE_ORDER = 0
const DATA_BYTE_ORDER = 1
/** nft takes no longer comments (NFTNL_UDATA_COMMENT_MAXLEN). */
const COMMENT_MAX_BYTES = 127

const record = (type: number, value: Uint8Array): Uint8Array => Uint8Array.from([type, value.length, ...value])

/** Throws ERR_ARGUMENT for comments of more than 127 bytes. */
export function encodeComment(comment: string, where: string): Uint8Array {
  const bytes = Buffer.from(comment)
  if (bytes.length > COMMENT_MAX_BYTES || bytes.includes(0)) {
    throw new CthelperError(
      'ERR_ARGUMENT',
      where,
      `${where}: a comment has at most ${COMMENT_MAX_BYTES} bytes, none of them NUL`,
    )
  }
  return record(RULE_COMMENT, Buffer.concat([bytes, Uint8Array.of(0)]))
}

/** The comment in a rule's user data, if there is one. */
export function decodeComment(bytes: Uint8Array | undefined): string | undefined {
  for (let at = 0; bytes && at + 2 <= bytes.length; at += 2 + bytes[at + 1]!) {
    if (bytes[at] === RULE_COMMENT) return Buffer.from(bytes.subarray(at + 2, at + 1 + bytes[at + 1]!)).toString()
  }
  return undefined
}

/** Byte orders of key and value, without which `nft list` prints marks reversed. */
export function encodeSetUserData(key: SetTypes, value: SetTypes | undefined): Uint8Array {
  const keyRecord = record(KEY_BYTE_ORDER, hostOrder(byteOrder(key)))
  if (value === undefined) return keyRecord
  return Buffer.concat([keyRecord, record(DATA_BYTE_ORDER, hostOrder(byteOrder(value)))])
}
