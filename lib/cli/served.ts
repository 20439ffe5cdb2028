import { tableName } from '../alg/index.js'
import { ProcQueues } from '../nfqueue/proc.js'
import { SIP_TABLE } from '../nftables/index.js'
import { outputOf } from './command-output.js'
import { usage } from './failure.js'

/**
 * Refuses when our table stands in the network namespace and somebody listens at a queue it sends to: a second process with another
 * queue and another control socket would take its packets away. Throws `Failure` (2). Without the nft command it cannot tell.
 */
export function requireUnservedTable(netns: string | undefined, zone = 0): void {
  const name = tableName(zone)
  const numbers = tableQueues(netns, name)
  if (numbers.length === 0) return
  const proc = new ProcQueues(netns ?? '')
  try {
    const row = proc.rows()?.find(({ number }) => numbers.includes(number))
    if (!row) return
    const { family } = SIP_TABLE
    throw usage(
      `another cthelper serves the table ${family} ${name} here (its queue ${row.number} is bound): stop it first`,
    )
  } finally {
    proc.close()
  }
}

/** Queue numbers in our table; none where there is no such table, or no nft command. */
function tableQueues(netns: string | undefined, name: string): number[] {
  const text = outputOf(netns, ['nft', 'list', 'table', SIP_TABLE.family, name]) ?? ''
  // Older nft writes `queue num 5060 bypass`, newer `queue flags bypass to 5060`.
  return [...text.matchAll(/\bqueue (?:num |flags \S+ to |to )(\d+)/g)].map(([, number]) => Number(number))
}
