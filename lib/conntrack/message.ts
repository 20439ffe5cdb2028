import type { ConntrackEntry, ConntrackOperation, Expectation, NewConntrack } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { NetlinkRequest } from '../../types/netlink.js'
import type { Tuple } from '../../types/tuple.js'
import { decode, encode, Writer } from '../netlink/attribute.js'
import { NLM_F_CREATE, NLM_F_EXCL } from '../netlink/message.js'
import { NFGENMSG_LENGTH, writeNfgenmsg } from '../netlink/nfnetlink.js'
import {
  type ConntrackAttributes,
  conntrackTable,
  type ExpectAttributes,
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
    write: ({ conntrack }, writer) => encode(conntrackTable, newConntrackAttributes(conntrack), writer),
  },
  'update-conntrack': {
    name: 'IPCTNL_MSG_CT_NEW',
    type: IPCTNL_MSG_CT_NEW,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, timeoutSec, mark, markMask, status, zone }, writer) =>
      encode(conntrackTable, defined({ original: tuple, status, timeout: timeoutSec, mark, markMask, zone }), writer),
  },
  'get-conntrack': {
    name: 'IPCTNL_MSG_CT_GET',
    type: IPCTNL_MSG_CT_GET,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, zone }, writer) => encode(conntrackTable, defined({ original: tuple, zone }), writer),
  },
  'delete-conntrack': {
    name: 'IPCTNL_MSG_CT_DELETE',
    type: IPCTNL_MSG_CT_DELETE,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, id, zone }, writer) => encode(conntrackTable, defined({ original: tuple, id, zone }), writer),
  },
  'create-expectation': {
    name: 'IPCTNL_MSG_EXP_NEW',
    type: IPCTNL_MSG_EXP_NEW,
    flags: NLM_F_CREATE | NLM_F_EXCL,
    tuple: ({ expectation }) => expectation.tuple,
    write: ({ expectation }, writer) => encode(expectTable, expectationAttributes(expectation), writer),
  },
  'update-expectation': {
    name: 'IPCTNL_MSG_EXP_NEW',
    type: IPCTNL_MSG_EXP_NEW,
    flags: 0,
    tuple: ({ expectation }) => expectation.tuple,
    write: ({ expectation: { master, tuple, mask, zone }, timeoutSec }, writer) =>
      encode(expectTable, defined({ master, tuple, mask, timeout: timeoutSec, zone }), writer),
  },
  'delete-expectation': {
    name: 'IPCTNL_MSG_EXP_DELETE',
    type: IPCTNL_MSG_EXP_DELETE,
    flags: 0,
    tuple: ({ tuple }) => tuple,
    write: ({ tuple, id, zone }, writer) => encode(expectTable, defined({ tuple, id, zone }), writer),
  },
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> }
/** `encode` leaves undefined fields out; this says so to the compiler, at no cost. */
export const defined = <T extends object>(value: T): Defined<T> => value as Defined<T>

function newConntrackAttributes(conntrack: NewConntrack): ConntrackAttributes {
  const { original, reply, status, timeoutSec, mark, zone, helper, destinationNat } = conntrack
  const help = helper === undefined ? undefined : { name: helper }
  const natDestination = destinationNat && natRange(destinationNat, original.family)
  return defined({ original, reply, status, help, natDestination, timeout: timeoutSec, mark, zone })
}

/** The one address and port that a translation may choose (enum ctattr_nat). */
function natRange({ address, port }: Endpoint, family: Family) {
  const proto = { portMin: port, portMax: port }
  return family === 4 ? { v4Min: address, v4Max: address, proto } : { v6Min: address, v6Max: address, proto }
}

/** The tuple of CTA_EXPECT_NAT: only its source counts (ctnetlink_parse_expect_nat), the rest must be well-formed. */
function natTuple({ tuple, nat }: Expectation): Tuple {
  const { family, protocol } = tuple
  return { family, protocol, source: nat!.to, destination: { address: family === 4 ? '0.0.0.0' : '::', port: 0 } }
}

function expectationAttributes(expectation: Expectation): ExpectAttributes {
  const { master, tuple, mask, helper, zone, nat, flags } = expectation
  return defined({
    master,
    tuple,
    mask,
    helper,
    zone,
    flags: flags?.permanent ? NF_CT_EXPECT_PERMANENT : 0,
    class: expectation.class,
    nat: nat && { direction: nat.direction, tuple: natTuple(expectation) },
    function: expectation.function,
  })
}

/**
 * The netlink requests of `operations`, in order. Their payloads share one new buffer that belongs to the caller.
 * @throws CthelperError ERR_ARGUMENT for an address that is none
 */
export function encodeOperations(operations: readonly ConntrackOperation[]): NetlinkRequest[] {
  const writer = new Writer(operations.length * 256)
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
    return { type, flags, payload: bytes.subarray(i === 0 ? 0 : ends[i - 1]!, ends[i]!) }
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
  for (const name in value) if (value[name] === undefined) delete value[name]
  return value
}
