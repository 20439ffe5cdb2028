import { closeSync, readSync } from 'node:fs'
import { nativeAddon } from '../base/native.js'

/** One row of /proc/net/netfilter/nfnetlink_queue, since the queue was bound. */
export interface ProcQueue {
  readonly number: number
  /** Netlink port id of the socket that bound it. */
  readonly portId: number
  /** Packets waiting for a verdict. */
  readonly waiting: number
  readonly queueDropped: number
  readonly userDropped: number
  /** The last packet id given. */
  readonly lastId: number
}

/**
 * nfnetlink_queue's table of one network namespace, held open: the file belongs to the namespace it was opened in, so no thread
 * needs to go there to read it again.
 */
export class ProcQueues {
  #fd: number

  /** Where /proc or the table is not there, `rows()` is undefined. */
  constructor(netns: string) {
    this.#fd = nativeAddon().openFile(netns, '/proc/thread-self/net/netfilter/nfnetlink_queue')
  }

  rows(): ProcQueue[] | undefined {
    if (this.#fd < 0) return undefined
    const bytes = Buffer.alloc(65536)
    const length = readSync(this.#fd, bytes, 0, bytes.length, 0)
    return parseProcQueues(bytes.toString('latin1', 0, length))
  }

  row(number: number): ProcQueue | undefined {
    return this.rows()?.find((row) => row.number === number)
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}

/** `seq_show` of nfnetlink_queue.c: number, peer port id, waiting, copy mode, copy range, queue dropped, user dropped, last id, 1. */
export function parseProcQueues(text: string): ProcQueue[] {
  const rows: ProcQueue[] = []
  for (const line of text.split('\n')) {
    const [number, portId, waiting, , , queueDropped, userDropped, lastId] = line.trim().split(/\s+/).map(Number)
    if (lastId === undefined) continue
    rows.push({
      number: number!,
      portId: portId!,
      waiting: waiting!,
      queueDropped: queueDropped!,
      userDropped: userDropped!,
      lastId,
    })
  }
  return rows
}
