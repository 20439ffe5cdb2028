import { whyNoLab } from '../testing/index.js'
import type { Command, Invocation } from './command.js'
import { Network } from './demo/network.js'
import { play } from './demo/play.js'
import { Story } from './demo/story.js'
import { type ExitCode, Failure } from './failure.js'

/** Commands the demo needs, with the Debian packages they come in. */
const needed = { nft: 'nftables', conntrack: 'conntrack', sipp: 'sip-tester', tcpdump: 'tcpdump' } as const

export const demo: Command = {
  name: 'demo',
  summary: 'Play a call through a gateway in network namespaces, without and with help.',
  operands: [],
  options: [],
  notes: [
    `Needs root and the commands ip, ${Object.keys(needed).join(', ')} (Debian: apt-get install iproute2 ${Object.values(needed).join(' ')}). Touches nothing outside the three namespaces it makes and removes, and takes less than a minute. Exits with 1 when something did not come true.`,
  ],
  run,
}

async function run({ out, isColoured }: Invocation): Promise<ExitCode> {
  const obstacle = whyNoLab(...Object.keys(needed))
  if (obstacle) throw new Failure(3, `the demo ${obstacle}; see cthelper demo --help`)
  const story = new Story(out, isColoured)
  const network = await Network.open()
  try {
    await play(network, story)
  } catch (error) {
    story.claim(`the demo runs to its end: ${error instanceof Error ? error.message : error}`, false)
  } finally {
    network.close()
  }
  out(story.isTrue ? '\nAll of it is so.\n' : '\nNot all of it is so: see the lines with NO.\n')
  return story.isTrue ? 0 : 1
}
