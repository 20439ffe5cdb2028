/** Probes of the kernel's netfilter: each does on a small scale what `run` does, and takes it back. */
import type { HelperRegistration } from '../../types/conntrack.js'
import { type Trial, tryCarrier } from '../alg/carrier.js'
import { CthelperError } from '../base/errors.js'
import { type Conntrack, openConntrack } from '../conntrack/index.js'
import { openNftables, sipTable, translationTable } from '../nftables/index.js'
import { type Answer, type CheckContext, commandOutput, type Probe } from './check-context.js'
import { sysctlNumber } from './check-machine.js'
import { openSpareQueue } from './spare-queue.js'

async function queue({ netns }: CheckContext): Promise<Answer[]> {
  const spare = await openSpareQueue(netns)
  spare.close()
  const isDelivered = !spare.refusedFlags.includes('conntrack')
  return [
    ['ok', `NFQUEUE works (queue ${spare.number} was bound and let go)`],
    isDelivered
      ? ['ok', 'conntracks come with queued packets (NFQA_CT)']
      : [
          'ok',
          'conntracks do not come with queued packets (no NFQA_CT); a second queue, the next number, makes up for it',
        ],
  ]
}

async function nftables({ netns, inside, outside, ports, queue: number, masquerade }: CheckContext): Promise<Answer[]> {
  const nft = openNftables({ netns })
  try {
    const style = await nft.queueStyle()
    if (style === 'none')
      return [['fail', 'nf_tables has neither nft queue nor the NFQUEUE target', 'load nft_queue (modprobe nft_queue)']]
    const named = style === 'native' ? "nft's own queue statement" : 'the xtables NFQUEUE target (no nft queue here)'
    const table = sipTable({
      inside: inside.length > 0 ? inside : ['lan0'],
      outside: outside.length > 0 ? outside : ['wan0'],
      ports,
      queue: number,
      firstPacketQueue: number + 1,
      masquerade,
    })
    const refusal = await nft.check(table)
    if (refusal)
      return [['fail', `nf_tables refuses our table: ${refusal.message}`, 'use a kernel that has what it names']]
    return [['ok', `nf_tables takes our table, with ${named}`]]
  } finally {
    nft.close()
  }
}

/** Opens ctnetlink for a probe. */
async function withConntrack<T>({ netns }: CheckContext, use: (conntrack: Conntrack) => Promise<T>): Promise<T> {
  const conntrack = await openConntrack(netns === undefined ? {} : { netns })
  try {
    return await use(conntrack)
  } finally {
    conntrack.close()
  }
}

async function conntrackTable(context: CheckContext): Promise<Answer> {
  const { entries, maxEntries } = await withConntrack(context, (conntrack) => conntrack.stats())
  const fact = `ctnetlink answers: ${entries} of ${maxEntries} conntracks are in use`
  if (entries < maxEntries * 0.8) return ['ok', fact]
  return ['warn', fact, `sysctl -w net.netfilter.nf_conntrack_max=${maxEntries * 2}`]
}

async function events(context: CheckContext): Promise<Answer> {
  await withConntrack(context, async (conntrack) => {
    const nothing = () => {}
    conntrack
      .events({
        groups: ['conntrack-new', 'conntrack-destroy'],
        onEvent: nothing,
        onOverrun: nothing,
        onError: nothing,
      })
      .close()
  })
  if (sysctlNumber('net.netfilter.nf_conntrack_events', context.netns) !== 0)
    return ['ok', 'conntrack events can be heard']
  return ['fail', 'conntrack events are switched off', 'sysctl -w net.netfilter.nf_conntrack_events=2']
}

/** Never the name a running cthelper uses: its helper is not ours to touch. */
const TRIAL_HELPER = 'cthelper-check'

const registration: HelperRegistration = {
  name: TRIAL_HELPER,
  family: 2,
  protocol: 17,
  enabled: false,
  policies: ['signalling', 'media', 'holder'].map((name) => ({ name, maxExpected: 0, timeoutSec: 60 })),
}

async function expectations(context: CheckContext): Promise<Answer[]> {
  return withConntrack(context, async (conntrack) => {
    const isOwn = await registers(conntrack)
    try {
      return [carrierAnswer(isOwn), await wayOfMedia(context, conntrack, isOwn ? TRIAL_HELPER : 'sip')]
    } finally {
      if (isOwn) await conntrack.unregisterHelper(registration)
    }
  })
}

/** Whether the kernel takes helpers from user space (nfnetlink_cthelper). */
async function registers(conntrack: Conntrack): Promise<boolean> {
  try {
    await conntrack.registerHelper(registration)
    return true
  } catch (error) {
    // One that a killed check left.
    if (error instanceof CthelperError && (error.errnoName === 'EEXIST' || error.errnoName === 'EBUSY')) return true
    if (error instanceof CthelperError && error.code === 'ERR_UNSUPPORTED') return false
    throw error
  }
}

const carrierAnswer = (isOwn: boolean): Answer =>
  isOwn
    ? ['ok', 'expectations are carried by a helper of our own (nfnetlink_cthelper)']
    : ['ok', "expectations are carried by the kernel's sip helper, which gets no packet (no nfnetlink_cthelper here)"]

/** Which way media goes, as `run` would find it. */
async function wayOfMedia(context: CheckContext, conntrack: Conntrack, helper: string): Promise<Answer> {
  const { translation } = context
  if (translation === 'none') return plainWay(conntrack, helper)
  if (translation === 'maps') return mappedWay(context, conntrack, helper)
  const trial = await tryCarrier(conntrack, helper, 'function')
  if (!trial.failure)
    return ['ok', 'media goes through expectations with the NAT function sip (nf_nat_sip), in the kernel']
  // The module may be there, and the administrator's `install` command in the place of its loading.
  const loading = commandOutput(context, ['modprobe', '--show-depends', 'nf_nat_sip']) ?? ''
  const isLoadable = /^insmod \S*nf_nat_sip/m.test(loading)
  if (isLoadable)
    return [
      'warn',
      `${refused(trial)}; the module nf_nat_sip is there and not loaded`,
      'modprobe nf_nat_sip (run does it too)',
    ]
  if (translation === 'auto') return mappedWay(context, conntrack, helper)
  return [
    'fail',
    refused(trial),
    'use --translation auto, or a kernel with nf_nat_sip (CONFIG_NF_NAT_SIP), and load it',
  ]
}

async function plainWay(conntrack: Conntrack, helper: string): Promise<Answer> {
  const trial = await tryCarrier(conntrack, helper, 'none')
  if (!trial.failure) return ['ok', 'media goes through expectations, and is not translated, in the kernel']
  return ['fail', refused(trial), 'load nf_conntrack_sip (modprobe nf_conntrack_sip; run does it too)']
}

async function mappedWay({ netns }: CheckContext, conntrack: Conntrack, helper: string): Promise<Answer> {
  const trial = await tryCarrier(conntrack, helper, 'maps')
  if (trial.failure)
    return ['fail', refused(trial), 'load nf_conntrack_sip (modprobe nf_conntrack_sip; run does it too)']
  const nft = openNftables({ netns })
  try {
    const refusal = await nft.check({ family: 'inet', name: TRIAL_HELPER, ...translationTable() })
    if (!refusal) return ['ok', 'media goes through expectations, translated by nft maps, in the kernel']
    return ['fail', `nf_tables refuses the maps: ${refusal.message}`, 'load nft_chain_nat and nft_nat, or nf_nat_sip']
  } finally {
    nft.close()
  }
}

const refused = ({ failure, step }: Trial): string =>
  `the kernel refused a test ${step}: ${failure?.errnoName}${failure?.kernelMessage ? ` (${failure.kernelMessage})` : ''}`

/** A call with one stream, NATed, RTP and RTCP, both directions, with holders. */
const EXPECTATIONS_A_CALL = 6
const FEW_CALLS = 100

async function expectationTable(context: CheckContext): Promise<Answer> {
  const used = (await withConntrack(context, (conntrack) => conntrack.expectations.dump())).length
  const max = sysctlNumber('net.netfilter.nf_conntrack_expect_max', context.netns)
  if (max === undefined)
    return ['warn', `${used} expectations stand; the most there may be cannot be read`, 'mount /proc']
  const calls = Math.max(0, Math.floor((max - used) / EXPECTATIONS_A_CALL))
  const fact = `${used} of ${max} expectations are in use here: room for about ${calls} calls that are being set up`
  if (calls >= FEW_CALLS) return ['ok', fact]
  return ['warn', fact, 'sysctl -w net.netfilter.nf_conntrack_expect_max=4096 in the first network namespace']
}

export const kernelProbes: readonly Probe[] = [
  { subject: 'queue', needsPrivilege: true, look: queue },
  { subject: 'nf_tables', needsPrivilege: true, look: nftables },
  { subject: 'conntrack', needsPrivilege: true, look: conntrackTable },
  { subject: 'events', needsPrivilege: true, look: events },
  { subject: 'media', needsPrivilege: true, look: expectations },
  { subject: 'expectations', needsPrivilege: true, look: expectationTable },
]
