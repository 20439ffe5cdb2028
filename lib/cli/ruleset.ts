import type { Side } from '../../types/flow.js'
import { MACHINE, MODES, settingsOf, tableOf, takesHelpers, tcpHandling, withTcp } from '../alg/index.js'
import { CthelperError } from '../base/errors.js'
import { openConntrack } from '../conntrack/index.js'
import { withTranslation } from '../nftables/index.js'
import type { Command, Invocation } from './command.js'
import { configOption, runOptions } from './config.js'
import type { ExitCode } from './failure.js'
import { tableText } from './nft-text.js'
import { helperSettings, processSettings } from './settings.table.js'
import { openSpareQueue } from './spare-queue.js'

export const ruleset: Command = {
  name: 'ruleset',
  summary: 'Print the table that run would install, in nft syntax.',
  operands: [],
  options: [...helperSettings, ...processSettings, configOption],
  notes: [
    'Takes the options of run. Changes nothing. Whether this kernel needs the chains forward and slow_path is asked of it; where it may not be asked, forward is printed. What the maps translate by is printed with --translation maps.',
  ],
  run: print,
}

async function print({ given, out }: Invocation): Promise<ExitCode> {
  const { helper, process: own } = runOptions(given)
  const settings = settingsOf(helper)
  const { translates } = MODES[settings.mode]
  const delivers = translates ? await deliversConntracks(settings.netns) : true
  const firstPacketQueue = delivers ? undefined : settings.queue + 1
  if (delivers === undefined)
    out(
      '# The kernel could not be asked; the chains forward and first are not installed where it delivers conntracks, and slow_path is where it takes helpers.\n',
    )
  const ruleNames = (side: Side) => settings[side].filter((name) => name !== MACHINE)
  const table = tableOf(settings, { ruleNames }, firstPacketQueue, await ownCarrier(settings.netns))
  const handling = tcpHandling({ ...settings, isScripted: own.script !== undefined }, undefined)
  const full = withTcp(table, handling, settings, { ruleNames }, firstPacketQueue)
  out(tableText(settings.translation === 'maps' ? withTranslation(full, { zone: settings.zone }) : full))
  return 0
}

/** Our own helper, where the kernel takes it; undefined also where it cannot be asked. */
async function ownCarrier(netns: string | undefined): Promise<{ readonly name: 'cthelper' } | undefined> {
  try {
    const conntrack = await openConntrack(netns === undefined ? {} : { netns })
    const takes = await takesHelpers(conntrack).finally(() => conntrack.close())
    return takes ? { name: 'cthelper' } : undefined
  } catch (error) {
    if (error instanceof CthelperError) return undefined
    throw error
  }
}

/**
 * Whether the kernel sends conntracks along with queued packets (NFQA_CT), found out on a queue that nobody has; undefined where it
 * cannot be asked.
 */
async function deliversConntracks(netns: string | undefined): Promise<boolean | undefined> {
  try {
    const probe = await openSpareQueue(netns)
    probe.close()
    return !probe.refusedFlags.includes('conntrack')
  } catch (error) {
    if (error instanceof CthelperError) return undefined
    throw error
  }
}
