import type { Queue, QueuedPacket } from '../../types/nfqueue.js'
import { openQueue } from '../nfqueue/index.js'
import type { VerdictSink } from './pipeline.js'
import type { Undo } from './undo.js'

/** Who gives the verdicts. */
export interface PacketHandler {
  handle(packet: QueuedPacket, sink: VerdictSink): void
  handleFirst(packet: QueuedPacket, sink: VerdictSink): void
}

export interface QueuesOptions {
  readonly netns: string | undefined
  /** Of the first queue; the second has the next number. */
  readonly number: number
  /** Whether packets' conntracks are asked for at all. */
  readonly asks: boolean
  readonly handler: PacketHandler
  readonly undo: Undo
  readonly onError: (error: Error) => void
}

/**
 * The queue for packets in their final form, and one for flows' first packets where the kernel does not send conntracks along. What a full
 * queue cannot take is dropped (no `fail-open`): it is said again, and helped then, where what passes as it was makes a call without audio.
 */
export async function openQueues({ netns, number, asks, handler, undo, onError }: QueuesOptions): Promise<Queue[]> {
  const common = { ...(netns === undefined ? {} : { netns }), onError }
  const main = await openQueue({
    ...common,
    number,
    flags: asks ? ['conntrack'] : [],
    onBatch: (packets, queue) => {
      for (const packet of packets) handler.handle(packet, queue)
    },
  })
  undo.push(() => main.close())
  if (!main.refusedFlags.includes('conntrack')) return [main]
  const first = await openQueue({
    ...common,
    number: number + 1,
    onBatch: (packets, queue) => {
      for (const packet of packets) handler.handleFirst(packet, queue)
    },
  })
  undo.push(() => first.close())
  return [main, first]
}
