import type { ConntrackEntry, ConntrackOperation, Expectation, NewConntrack } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { NetlinkRequest } from '../../types/netlink.js'
import type { Tuple } from '../../types/tuple.js'
import { decode, put, Writer } from '../netlink/attribute.js'
import { NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.js'
import { NFGENMSG_LENGTH, writeNfgenmsg } from '../netlink/nfnetlink.js'
import {
  conntrackTable,
  expectNatTable,
  expectTable,
  IPCTNL_MSG_CT_DELETE,
  IPCTNL_MSG_CT_GET,
  IPCTNL_MSG_CT_NEW,
  IPCTNL_MSG_EXP_DELETE,
  IPCTNL_MSG_EXP_NEW,
  NF_CT_EXPECT_PERMANENT,
} from './ctnetlink.table.js'

const AF_INET = 2
const AF_INET6 = 10

/** AF_INET or AF_INET6; 0 (AF_UNSPEC, both) without a family. */
export const familyNumber = (family: Family | undefined): number =>
  family === undefined ? 0 : family === 4 ? AF_INET : AF_INET6

type Of<K extends ConntrackOperation['kind']> = Extract<ConntrackOperation, { kind: K }>

interface OperationRow<O> {
  /** The kernel's name, for errors. */
  readonly name: string
  readonly type: number
  readonly flags: number
  /** The tuple whose family goes into nfgenmsg. */
  tuple(operation: O): Tuple
  write(operation: O, writer: Writer): void
}

/** One row an operation: the message, its flags, and which attributes it carries. */
export const operationTable: { readonly [K in ConntrackOperation['kind']]: OperationRow<Of<K>> } = {
  'create-conntrack': {
    name: 'IPCTNL_MSG_CT_NEW',
    type: IPCTNL_MSG_CT_NEW,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    tuple: ({ conntrack }) => conntrack.original,
    write: ({ conntrack }, writer) => writeConntrack(conntrack, writer),
  },
  'update-conntrack': {
    name: 'IPCTNL_MSG_CT_NEW',
    type: IPCTNL_MSG_CT_NEW,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, timeoutSec, mark, markMask, status, zone }, writer) => {
      put(writer, conntrackTable.original, tuple)
      put(writer, conntrackTable.status, status)
      put(writer, conntrackTable.timeout, timeoutSec)
      put(writer, conntrackTable.mark, mark)
      put(writer, conntrackTable.zone, zone)
      put(writer, conntrackTable.markMask, markMask)
    },
  },
  'get-conntrack': {
    name: 'IPCTNL_MSG_CT_GET',
    type: IPCTNL_MSG_CT_GET,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, zone }, writer) => {
      put(writer, conntrackTable.original, tuple)
      put(writer, conntrackTable.zone, zone)
    },
  },
  'delete-conntrack': {
    name: 'IPCTNL_MSG_CT_DELETE',
    type: IPCTNL_MSG_CT_DELETE,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, id, zone }, writer) => {
      put(writer, conntrackTable.original, tuple)
      put(writer, conntrackTable.id, id)
      put(writer, conntrackTable.zone, zone)
    },
  },
  'create-expectation': {
    name: 'IPCTNL_MSG_EXP_NEW',
    type: IPCTNL_MSG_EXP_NEW,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    tuple: ({ expectation }) => expectation.tuple,
    write: ({ expectation }, writer) => writeExpectation(expectation, writer),
  },
  'update-expectation': {
    name: 'IPCTNL_MSG_EXP_NEW',
    type: IPCTNL_MSG_EXP_NEW,
    flags: 0,
    tuple: ({ expectation }) => expectation.tuple,
    write: ({ expectation: { master, tuple, mask, zone }, timeoutSec }, writer) => {
      put(writer, expectTable.master, master)
      put(writer, expectTable.tuple, tuple)
      put(writer, expectTable.mask, mask)
      put(writer, expectTable.timeout, timeoutSec)
      put(writer, expectTable.zone, zone)
    },
  },
  'delete-expectation': {
    name: 'IPCTNL_MSG_EXP_DELETE',
    type: IPCTNL_MSG_EXP_DELETE,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, id, zone }, writer) => {
      put(writer, expectTable.tuple, tuple)
      put(writer, expectTable.id, id)
      put(writer, expectTable.zone, zone)
    },
  },
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }
/** `encode` leaves undefined fields out; this says so to the compiler, at no cost. */
export const defined = <T extends object>(value: T): Defined<T> => value as Defined<T>

function writeConntrack(conntrack: NewConntrack, writer: Writer): void {
  const { original, reply, status, timeoutSec, mark, zone, helper, destinationNat } = conntrack
  put(writer, conntrackTable.original, original)
  put(writer, conntrackTable.reply, reply)
  put(writer, conntrackTable.status, status)
  put(writer, conntrackTable.help, helper === undefined ? undefined : { name: helper })
  put(writer, conntrackTable.timeout, timeoutSec)
  put(writer, conntrackTable.mark, mark)
  put(writer, conntrackTable.natDestination, destinationNat && natRange(destinationNat, original.family))
  put(writer, conntrackTable.zone, zone)
}

/** The one address and port that a translation may choose (enum ctattr_nat). */
function natRange({ address, port }: Endpoint, family: Family) {
  const proto = { portMin: port, portMax: port }
  return family === 4 ? { v4Min: address, v4Max: address, proto } : { v6Min: address, v6Max: address, proto }
}

function writeExpectation(expectation: Expectation, writer: Writer): void {
  const { master, tuple, mask, helper, zone, nat, flags } = expectation
  put(writer, expectTable.master, master)
  put(writer, expectTable.tuple, tuple)
  put(writer, expectTable.mask, mask)
  put(writer, expectTable.helper, helper)
  put(writer, expectTable.zone, zone)
  put(writer, expectTable.flags, flags?.permanent ? NF_CT_EXPECT_PERMANENT : 0)
  put(writer, expectTable.class, expectation.class)
  if (nat) {
    const at = writer.begin(expectTable.nat.type)
    put(writer, expectNatTable.direction, nat.direction)
    put(writer, expectNatTable.tuple, natTuple(tuple, nat.to))
    writer.end(at)
  }
  put(writer, expectTable.function, expectation.function)
}

/** The tuple of CTA_EXPECT_NAT: only its source counts (ctnetlink_parse_expect_nat), the rest must be well-formed. */
const natTuple = ({ family, protocol }: Tuple, to: Endpoint): Tuple => ({
  family,
  protocol,
  source: to,
  destination: nobody[family],
})
const nobody = { 4: { address: '0.0.0.0', port: 0 }, 6: { address: '::', port: 0 } } as const

/** Where payloads are written, one behind the other; what is full is left to those who still have a payload in it. */
const SLAB = 65536
let slab = new Writer(SLAB)

/**
 * The netlink requests of `operations`, in order. The memory of their payloads is not used again, and may be shared with those of
 * other calls: they are not to be written to.
 * @throws CthelperError ERR_ARGUMENT for an address that is none
 */
export function encodeOperations(operations: readonly ConntrackOperation[]): NetlinkRequest[] {
  const room = operations.length * 256
  if (slab.length + room > SLAB) slab = new Writer(Math.max(SLAB, room))
  const writer = slab
  const first = writer.length
  const ends = operations.map((operation) => {
    // A row fits its own kind of operation; the compiler cannot follow the pairing through the index.
    const row = operationTable[operation.kind] as OperationRow<ConntrackOperation>
    writeNfgenmsg(writer, familyNumber(row.tuple(operation).family))
    row.write(operation, writer)
    return writer.length
  })
  const bytes = writer.bytes()
  return operations.map(({ kind }, i) => {
    const { type, flags } = operationTable[kind]
    return { type, flags, payload: bytes.subarray(i === 0 ? first : ends[i - 1]!, ends[i]!) }
  })
}

const NS_PER_MS = 1e6

/**
 * A conntrack as an entry, of a ctnetlink message's payload; with `start` 0, of bare attributes such as the content of NFQA_CT.
 * Nothing of `payload` is kept.
 */
export function decodeEntry(payload: Uint8Array, start = NFGENMSG_LENGTH): ConntrackEntry {
  const at = decode(conntrackTable, payload, start)
  const { timestamp, countersOriginal, countersReply, unknown } = at
  const counter = (counters: { packets?: number; bytes?: number } = {}) => ({
    packets: counters.packets ?? 0,
    bytes: counters.bytes ?? 0,
  })
  return dropUndefined({
    original: at.original ?? nowhere,
    reply: at.reply ?? nowhere,
    id: at.id,
    status: at.status,
    timeoutSec: at.timeout,
    mark: at.mark,
    zone: at.zone,
    helper: at.help?.name,
    master: at.master,
    counters: countersOriginal && { original: counter(countersOriginal), reply: counter(countersReply) },
    tcpState: at.protoinfo?.tcp?.state,
    startedMs: timestamp?.startNs && timestamp.startNs / NS_PER_MS,
    stoppedMs: timestamp?.stopNs && timestamp.stopNs / NS_PER_MS,
    labels: at.labels,
    unknown,
  }) as ConntrackEntry
}

/** An expectation message's payload (nfgenmsg included). Nothing of `payload` is kept. */
export function decodeExpectation(payload: Uint8Array): Expectation {
  const at = decode(expectTable, payload, NFGENMSG_LENGTH)
  const to = at.nat?.tuple?.source
  const { id, helper, zone, timeout: timeoutSec } = at
  return dropUndefined({
    master: at.master ?? nowhere,
    tuple: at.tuple ?? nowhere,
    mask: at.mask ?? nowhere,
    class: at.class ?? 0,
    flags: { permanent: ((at.flags ?? 0) & NF_CT_EXPECT_PERMANENT) !== 0 },
    nat: to && { direction: at.nat?.direction === 1 ? 1 : 0, to },
    // An expectation without a function shows an empty name.
    function: at.function || undefined,
    id,
    helper,
    zone,
    timeoutSec,
  }) as Expectation
}

/** Stands where the kernel left a tuple out, which it does not do; protocol 0 marks it. */
const nowhere: Tuple = {
  family: 4,
  protocol: 0,
  source: { address: '', port: 0 },
  destination: { address: '', port: 0 },
}

function dropUndefined(value: Record<string, unknown>): object {
  // Not by `delete`, which turns an object into a dictionary; a busy gateway's events are thousands a second.
  const kept: Record<string, unknown> = {}
  for (const name in value) if (value[name] !== undefined) kept[name] = value[name]
  return kept
}
