import { CthelperError } from '../base/errors.js'
import { openQueue } from '../nfqueue/index.js'

type Queue = Awaited<ReturnType<typeof openQueue>>

const LAST = 65_535
const ATTEMPTS = 64

/** Opens a queue at the far end of the numbers, where no packet comes, to see what the kernel makes of it. Throws as `openQueue`. */
export async function openSpareQueue(netns: string | undefined): Promise<Queue> {
  const place = netns === undefined ? {} : { netns }
  for (let number = LAST; ; number--) {
    try {
      return await openQueue({ ...place, number, flags: ['conntrack', 'fail-open'], onBatch: acceptAll })
    } catch (error) {
      const isTaken = error instanceof CthelperError && error.code === 'ERR_IN_USE'
      if (!isTaken || number === LAST - ATTEMPTS) throw error
    }
  }
}

const acceptAll: Parameters<typeof openQueue>[0]['onBatch'] = (packets, queue) => {
  for (const packet of packets) queue.verdict(packet, 'accept')
}
