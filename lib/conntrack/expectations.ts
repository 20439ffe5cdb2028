import type { ConntrackOperation, Expectation } from '../../types/conntrack.js'
import type { Family } from '../../types/endpoint.js'
import type { NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'
import type { Tuple } from '../../types/tuple.js'
import { kernelError } from '../base/errors.js'
import { encode } from '../netlink/attribute.js'
import { NLM_F_ACK, NLM_F_DUMP } from '../netlink/message.js'
import { nfnetlinkRequest } from '../netlink/nfnetlink.js'
import { expectTable, IPCTNL_MSG_EXP_GET } from './ctnetlink.table.js'
import { decodeExpectation, defined, familyNumber } from './message.js'

export interface ExpectationDump {
  readonly family?: Family
  /** Only those of this master (its original tuple); the kernel walks one list instead of the table. */
  readonly master?: Tuple
  /** The master's zone. */
  readonly zone?: number
}

const ENOENT = 2
const OPERATION = 'IPCTNL_MSG_EXP_GET'

function getRequest(tuple: Tuple, zone: number | undefined): NetlinkRequest {
  return nfnetlinkRequest(IPCTNL_MSG_EXP_GET, 0, familyNumber(tuple.family), (writer) =>
    encode(expectTable, defined({ tuple, zone }), writer),
  )
}

function dumpRequest({ family, master, zone }: ExpectationDump): NetlinkRequest {
  // Of a master without a helper the kernel starts no dump, and says so only where an ACK was asked for.
  return nfnetlinkRequest(
    IPCTNL_MSG_EXP_GET,
    NLM_F_DUMP | NLM_F_ACK,
    familyNumber(master?.family ?? family),
    (writer) => encode(expectTable, defined({ master, zone }), writer),
  )
}

/** How an operation is carried out; `allowMissing` makes ENOENT the value false. */
export type Execute = (operation: ConntrackOperation, allowMissing?: boolean) => Promise<boolean>

/**
 * The expectation table (IPCTNL_MSG_EXP_*). Reached as `conntrack.expectations`. Refusals by the kernel reject with CthelperError:
 * EEXIST or EALREADY for the same tuple, EBUSY for one that overlaps another master's, EMFILE when the table
 * (net.netfilter.nf_conntrack_expect_max) is full, ENOENT when the master is gone, ERR_UNSUPPORTED when it has no helper.
 */
export class Expectations {
  readonly #transport: NetlinkTransport
  readonly #execute: Execute

  constructor(transport: NetlinkTransport, execute: Execute) {
    this.#transport = transport
    this.#execute = execute
  }

  /** IPCTNL_MSG_EXP_NEW. Its life is the helper policy's: the kernel ignores a timeout here. */
  async create(expectation: Expectation): Promise<void> {
    await this.#execute({ kind: 'create-expectation', expectation })
  }

  /** The standing expectation that covers `tuple`, as a packet would find it. */
  async get(tuple: Tuple, { zone }: { zone?: number } = {}): Promise<Expectation | undefined> {
    const { errno, message, replies } = await this.#transport.request(getRequest(tuple, zone))
    if (errno === ENOENT) return undefined
    if (errno) throw kernelError(OPERATION, errno, message)
    return replies[0] && decodeExpectation(replies[0].payload)
  }

  /** Sets the seconds from now; the only change the kernel makes to a standing expectation. False when there is none. */
  updateTimeout(expectation: Expectation, timeoutSec: number): Promise<boolean> {
    return this.#execute({ kind: 'update-expectation', expectation, timeoutSec }, true)
  }

  /** IPCTNL_MSG_EXP_DELETE of the one that covers `tuple`; with `id` only if it is that one. False when there is none. */
  delete(tuple: Tuple, { id, zone }: { id?: number; zone?: number } = {}): Promise<boolean> {
    return this.#execute({ kind: 'delete-expectation', tuple, ...defined({ id, zone }) }, true)
  }

  /** All, or one master's. A master that does not exist has none. */
  async dump(selection: ExpectationDump = {}): Promise<Expectation[]> {
    const { errno, message, replies } = await this.#transport.request(dumpRequest(selection))
    if (errno === ENOENT && selection.master) return []
    if (errno) throw kernelError(OPERATION, errno, message)
    return replies.map(({ payload }) => decodeExpectation(payload))
  }
}
