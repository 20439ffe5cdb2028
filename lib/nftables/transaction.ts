import type { NetlinkReply, NetlinkRequest, NetlinkTransport } from '../../types/netlink.js'
import { type CthelperError, kernelError } from '../base/errors.js'
import { decode, Writer } from '../netlink/attribute.js'
import {
  NFGENMSG_LENGTH,
  NFNL_MSG_BATCH_BEGIN,
  NFNL_SUBSYS_NFTABLES,
  nfnetlinkRequest,
  transaction,
} from '../netlink/nfnetlink.js'
import type { BatchMessage } from './message.js'
import { generationTable, messageTypes } from './nftables.table.js'

/**
 * On the first message after BATCH_BEGIN, which is the one the kernel looks at when it announces the new generation: that
 * NFT_MSG_NEWGEN then comes to the sender too, before the last ACK.
 */
const NLM_F_ECHO = 0x8

/** What the kernel refused: which message, and why. */
export interface Refusal {
  /** Undefined: the transaction as a whole (no permission, no nf_tables). */
  readonly index: number | undefined
  readonly errno: number
  readonly kernelMessage: string | undefined
}

export interface TransactionResult {
  /** Every refusal, in order; empty: it was done. */
  readonly refusals: readonly Refusal[]
  /** NFTA_GEN_ID of what was done; undefined where it changed nothing. */
  readonly generation: number | undefined
}

const requestOf = ({ name, flags, payload }: BatchMessage): NetlinkRequest => ({
  type: messageTypes[name],
  flags,
  payload,
})

/** Executes the messages, of which there is at least one: all or none. */
export async function commit(
  transport: NetlinkTransport,
  messages: readonly BatchMessage[],
): Promise<TransactionResult> {
  const [first, ...rest] = messages.map(requestOf)
  const echoing = { ...first!, flags: first!.flags | NLM_F_ECHO }
  const replies = await transport.batch(transaction(NFNL_SUBSYS_NFTABLES, [echoing, ...rest]))
  const refusals = refusalsOf(replies.slice(0, -1))
  return { refusals, generation: refusals.length === 0 ? generationOf(replies[1]!) : undefined }
}

/**
 * Asks what would be refused, and changes nothing: without BATCH_END the kernel rolls back (as for `nft --check`).
 * `last` stands where BATCH_END would and must be a message that cannot fail after the others.
 */
export async function rehearse(
  transport: NetlinkTransport,
  messages: readonly BatchMessage[],
  last: BatchMessage,
): Promise<readonly Refusal[]> {
  const begin = nfnetlinkRequest(NFNL_MSG_BATCH_BEGIN, 0, 0, undefined, NFNL_SUBSYS_NFTABLES)
  const replies = await transport.batch([begin, ...messages.map(requestOf), requestOf(last)])
  return refusalsOf(replies.slice(0, -1))
}

function refusalsOf([begin, ...replies]: readonly NetlinkReply[]): Refusal[] {
  if (begin!.errno) return [{ index: undefined, errno: begin!.errno, kernelMessage: begin!.message }]
  return replies.flatMap(({ errno, message }, index) => (errno ? [{ index, errno, kernelMessage: message }] : []))
}

function generationOf({ replies }: NetlinkReply): number | undefined {
  const echo = replies.find(({ type }) => type === messageTypes.NFT_MSG_NEWGEN)
  return echo && decode(generationTable, echo.payload, NFGENMSG_LENGTH).id
}

/** The error for a refused transaction. `part` is what in the message was at fault, when that is known. */
export function transactionError(messages: readonly BatchMessage[], refusal: Refusal, part?: string): CthelperError {
  const { index, errno, kernelMessage } = refusal
  const message = index === undefined ? undefined : messages[index]
  const at = part === undefined ? '' : `, ${part}`
  const operation = message ? `${message.name} ${message.what}${at}` : `NFNL_MSG_BATCH_BEGIN ${messages[0]?.what ?? ''}`
  return kernelError(operation, errno, kernelMessage)
}

/** The error for the first refusal of a transaction, with the expression at fault where a rule was refused. */
export async function refusedTransaction(
  transport: NetlinkTransport,
  messages: readonly BatchMessage[],
  refusals: readonly Refusal[],
): Promise<CthelperError> {
  const first = refusals[0]!
  return transactionError(messages, first, await findPart(transport, messages, first))
}

/**
 * Which expression of a refused rule is at fault: the kernel names the rule only (by sequence number), so the rule is rehearsed
 * with its first expression, the first two, and so on, after the messages before it.
 */
export async function findPart(
  transport: NetlinkTransport,
  messages: readonly BatchMessage[],
  refusal: Refusal,
): Promise<string | undefined> {
  const { index, errno } = refusal
  const message = index === undefined ? undefined : messages[index]
  if (!message?.parts || index === undefined) return undefined
  for (const [i, { what }] of message.parts.entries()) {
    const shorter = [...messages.slice(0, index), truncated(message, i + 1)]
    const refusals = await rehearse(transport, shorter, messages[0]!)
    if (refusals.some((other) => other.index === index && other.errno === errno)) return what
  }
  return undefined
}

/** The rule with its first `count` expressions: they are one nest, whose length is patched; what follows it is left out. */
function truncated(message: BatchMessage, count: number): BatchMessage {
  const parts = message.parts!
  const [start, end] = [parts[0]!.start, parts[count - 1]!.end]
  const writer = new Writer()
  writer.raw(message.payload.subarray(0, start - 4))
  writer.u16(end - start + 4)
  writer.raw(message.payload.subarray(start - 2, end))
  return { ...message, payload: writer.bytes() }
}
