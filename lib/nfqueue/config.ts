import { constants } from 'node:os'
import type { QueueFlag } from '../../types/nfqueue.js'
import { CthelperError, kernelError } from '../base/errors.js'
import { encode, type TypeOf, Writer } from '../netlink/attribute.js'
import {
  type Acknowledgement,
  decodeError,
  NLM_F_ACK,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  visitMessages,
  writeMessage,
} from '../netlink/message.js'
import { nfnetlinkRequest } from '../netlink/nfnetlink.js'
import { type NetlinkSocket, sendDatagram } from '../netlink/socket.js'
import { configTable, flagBits, NFQNL_CFG_CMD_BIND, NFQNL_COPY_PACKET, NFQNL_MSG_CONFIG } from './nfqa.table.js'

const { EPERM, EBUSY, EINVAL } = constants.errno
/** Configuration messages are told from the rest by this sequence number; verdicts have 0. */
const CONFIG_SEQUENCE = 1

export interface QueueSettings {
  readonly number: number
  readonly copyRange: number
  readonly maxLength: number
  readonly flags: readonly QueueFlag[]
  /** Is queue `number` somebody's? Asked where EPERM may mean that, or missing rights. */
  readonly isTaken: () => boolean
}

/** What `configure` leaves: datagrams that came in with the last ACK still lie in the socket's buffer. */
export interface Configured {
  readonly refusedFlags: readonly QueueFlag[]
  readonly received: number
}

/**
 * Binds a queue and sets it up. Copying packets is switched on last, for the kernel hands over none before. Throws ERR_IN_USE,
 * ERR_PERMISSION, ERR_UNSUPPORTED (no NFQUEUE in this kernel) or ERR_KERNEL.
 */
export function configure(socket: NetlinkSocket, settings: QueueSettings): Configured {
  const { number, maxLength, copyRange } = settings
  const bound = ask(socket, number, { command: NFQNL_CFG_CMD_BIND }).answer
  if (bound.errno !== 0) throw bindError(bound, settings)
  const limited = ask(socket, number, { maxLength }).answer
  if (limited.errno !== 0) throw kernelError(`set length of queue ${number}`, limited.errno, limited.message)
  // One by one: a kernel that refuses one of several flags takes none of them.
  const refusedFlags = settings.flags.filter((flag) => {
    const flags = flagBits[flag]
    return ask(socket, number, { flags, mask: flags }).answer.errno !== 0
  })
  const { answer, received } = ask(socket, number, { parameters: copyPackets(copyRange) })
  if (answer.errno !== 0) throw kernelError(`set copy range of queue ${number}`, answer.errno, answer.message)
  return { refusedFlags, received }
}

/** struct nfqnl_msg_config_params, packed. */
function copyPackets(range: number): Uint8Array {
  const writer = new Writer(8)
  writer.u32be(range)
  writer.u8(NFQNL_COPY_PACKET)
  return writer.bytes()
}

/** A queue that another socket holds answers EBUSY, or EPERM like missing rights; a subsystem that is not there EINVAL. */
function bindError({ errno, message }: Acknowledgement, { number, isTaken }: QueueSettings): CthelperError {
  const operation = `bind queue ${number}`
  if (errno === EBUSY || (errno === EPERM && isTaken())) {
    return new CthelperError('ERR_IN_USE', operation, `${operation}: another program has queue ${number}`, { errno })
  }
  if (errno === EINVAL) {
    const hint = `${operation}: this kernel has no NFQUEUE (module nfnetlink_queue)`
    return new CthelperError('ERR_UNSUPPORTED', operation, hint, { errno, kernelMessage: message })
  }
  return kernelError(operation, errno, message)
}

/** One request and its answer, which is there when the send returns. `received`: datagrams in the buffer now. */
function ask(socket: NetlinkSocket, number: number, config: TypeOf<typeof configTable>) {
  const request = nfnetlinkRequest(NFQNL_MSG_CONFIG, 0, 0, (writer) => encode(configTable, config, writer), number)
  const writer = new Writer()
  writeMessage(writer, request.type, NLM_F_REQUEST | NLM_F_ACK, CONFIG_SEQUENCE, request.payload)
  sendDatagram(socket.native, writer.bytes(), 0, writer.length)
  const received = socket.native.receive()
  if (received < 0) throw kernelError(`configure queue ${number}`, -received)
  return { answer: findAnswer(socket, received), received }
}

function findAnswer({ buffer, slotSize, lengths }: NetlinkSocket, received: number): Acknowledgement {
  // Behind a full batch of packets, should that ever happen, the ACK is read with the next one.
  let answer: Acknowledgement = { errno: 0, message: undefined }
  for (let i = 0; i < received; i++) {
    const start = i * slotSize
    visitMessages(buffer, start, start + lengths[i]!, (type, flags, sequence, from, to) => {
      if (type === NLMSG_ERROR && sequence === CONFIG_SEQUENCE) answer = decodeError(buffer, from, to, flags)
    })
  }
  return answer
}
