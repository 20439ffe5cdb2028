/**
 * nf_tables' netlink attributes (include/uapi/linux/netfilter/nf_tables.h): one row a field. The order of the rows is the order
 * in which the `nft` command writes them, so that its messages can be compared byte for byte.
 */
import { list, nest, raw, type Table, type TypeOf, text, u8, u16be, u32be, u64be } from '../netlink/attribute.js'

/** NFNLGRP_NFTABLES: changes of the ruleset. */
export const GROUP = 7

/** enum nf_tables_msg_types, with the subsystem in the upper byte as in nlmsg_type. */
export const messageTypes = {
  NFT_MSG_NEWTABLE: 0xa00,
  NFT_MSG_GETTABLE: 0xa01,
  NFT_MSG_DELTABLE: 0xa02,
  NFT_MSG_NEWCHAIN: 0xa03,
  NFT_MSG_GETCHAIN: 0xa04,
  NFT_MSG_DELCHAIN: 0xa05,
  NFT_MSG_NEWRULE: 0xa06,
  NFT_MSG_GETRULE: 0xa07,
  NFT_MSG_DELRULE: 0xa08,
  NFT_MSG_NEWSET: 0xa09,
  NFT_MSG_GETSET: 0xa0a,
  NFT_MSG_DELSET: 0xa0b,
  NFT_MSG_NEWSETELEM: 0xa0c,
  NFT_MSG_GETSETELEM: 0xa0d,
  NFT_MSG_DELSETELEM: 0xa0e,
  NFT_MSG_NEWGEN: 0xa0f,
  NFT_MSG_GETGEN: 0xa10,
  NFT_MSG_NEWOBJ: 0xa12,
  NFT_MSG_NEWFLOWTABLE: 0xa16,
} as const
export type MessageName = keyof typeof messageTypes

/** NFPROTO_*; nfgenmsg's family. */
export const families = { inet: 1, ip: 2, arp: 3, netdev: 5, bridge: 7, ip6: 10 } as const

const named = { name: text(1) } satisfies Table
export const verdictTable = { code: u32be(1), chain: text(2) } satisfies Table
/** NFTA_DATA_*: a value or a verdict. */
export const dataTable = { value: raw(1), verdict: nest(2, verdictTable) } satisfies Table

/** NFTA_TABLE_*. Flags: 1 dormant, 2 owner. */
export const tableTable = {
  ...named,
  flags: u32be(2),
  use: u32be(3),
  handle: u64be(4),
  owner: u32be(7),
} satisfies Table

/** NFTA_CHAIN_*, with NFTA_HOOK_* inside. Hook numbers are enum nf_inet_hooks; priority is a signed 32 bit number. */
export const chainTable = {
  table: text(1),
  name: text(3),
  type: text(7),
  policy: u32be(5),
  hook: nest(4, { number: u32be(1), priority: u32be(2) }),
  handle: u64be(2),
} satisfies Table

/** NFTA_SET_*. `desc` holds the most elements; `userData` nft's own notes (nft-userdata.ts). */
export const setTable = {
  table: text(1),
  name: text(2),
  flags: u32be(3),
  keyType: u32be(4),
  keyLength: u32be(5),
  dataType: u32be(6),
  dataLength: u32be(7),
  timeoutMs: u64be(11),
  id: u32be(10),
  desc: nest(9, { size: u32be(1) }),
  userData: raw(13),
} satisfies Table

/** NFT_SET_* flags. */
export const setFlags = { anonymous: 1, constant: 2, map: 8, timeout: 16 } as const

/** NFTA_SET_ELEM_*. */
export const elementTable = {
  timeoutMs: u64be(4),
  expirationMs: u64be(5),
  key: nest(1, dataTable),
  data: nest(2, dataTable),
  flags: u32be(3),
} satisfies Table

/** NFTA_SET_ELEM_LIST_*. */
export const elementListTable = {
  table: text(1),
  set: text(2),
  setId: u32be(4),
  elements: list(3, elementTable),
} satisfies Table

/** NFTA_RULE_*, but for the expressions (4), which rule.ts writes itself to know where each of them stands. */
export const ruleTable = { table: text(1), chain: text(2), handle: u64be(3), userData: raw(7) } satisfies Table
export const RULE_EXPRESSIONS = 4

/** What is read of a rule's expressions: NFTA_EXPR_*. */
export const ruleReadTable = {
  ...ruleTable,
  expressions: list(RULE_EXPRESSIONS, { name: text(1), data: raw(2) }),
} satisfies Table

/** NFTA_OBJ_* of a conntrack helper, with NFTA_CT_HELPER_* inside. */
export const helperTable = {
  table: text(1),
  name: text(2),
  type: u32be(3),
  data: nest(4, { name: text(1), l4proto: u8(3) }),
} satisfies Table
export const NFT_OBJECT_CT_HELPER = 3

/** NFTA_GEN_*. */
export const generationTable = { id: u32be(1), processId: u32be(2), processName: text(3) } satisfies Table

/** NFTA_*_TABLE is attribute 1 of every object's message, and NFTA_TABLE_NAME of the table's own. */
export const ownerTable = { table: text(1) } satisfies Table

/** The kernel's expressions, by NFTA_EXPR_NAME, with the attributes of their NFTA_EXPR_DATA. */
export const expressionTables = {
  meta: { key: u32be(2), dreg: u32be(1), sreg: u32be(3) },
  cmp: { sreg: u32be(1), op: u32be(2), data: nest(3, dataTable) },
  lookup: { sreg: u32be(2), dreg: u32be(3), set: text(1), setId: u32be(4), flags: u32be(5) },
  bitwise: {
    sreg: u32be(1),
    dreg: u32be(2),
    op: u32be(6),
    length: u32be(3),
    mask: nest(4, dataTable),
    xor: nest(5, dataTable),
  },
  payload: {
    dreg: u32be(1),
    sreg: u32be(5),
    base: u32be(2),
    offset: u32be(3),
    length: u32be(4),
    checksumType: u32be(6),
    checksumOffset: u32be(7),
    checksumFlags: u32be(8),
  },
  immediate: { dreg: u32be(1), data: nest(2, dataTable) },
  ct: { key: u32be(2), dreg: u32be(1), direction: u32be(3), sreg: u32be(4) },
  counter: { bytes: u64be(1), packets: u64be(2) },
  limit: { rate: u64be(1), unitSec: u64be(2), burst: u32be(3), type: u32be(4), flags: u32be(5) },
  nat: {
    type: u32be(1),
    family: u32be(2),
    addressMin: u32be(3),
    addressMax: u32be(4),
    portMin: u32be(5),
    portMax: u32be(6),
    flags: u32be(7),
  },
  masq: { flags: u32be(1) },
  notrack: {},
  objref: { type: u32be(1), name: text(2) },
  queue: { number: u16be(1), total: u16be(2), flags: u16be(3) },
  target: { name: text(1), revision: u32be(2), info: raw(3) },
  socket: { key: u32be(1), dreg: u32be(2), level: u32be(3) },
  fib: { flags: u32be(3), result: u32be(2), dreg: u32be(1) },
  tproxy: { family: u32be(1), address: u32be(2), port: u32be(3) },
} satisfies Record<string, Table>

export type ExpressionName = keyof typeof expressionTables
/** One kernel expression: `{ name: 'cmp', data: { sreg: 1, ... } }`. */
export type KernelExpression = {
  [N in ExpressionName]: { readonly name: N; readonly data: TypeOf<(typeof expressionTables)[N]> }
}[ExpressionName]
