import type { ConntrackOperation, HelperRegistration, OperationResult } from '../../types/conntrack.js'
import { CthelperError } from '../base/errors.js'
import {
  ANCHOR_COUNT,
  anchorConntrack,
  type Conntrack,
  HOLDER_CLASS,
  MEDIA_CLASS,
  maskFor,
  SIGNALLING_CLASS,
} from '../conntrack/index.js'

/** Under whose policy expectations live: a helper of our own, or the kernel's `sip` where it has no nfnetlink_cthelper. */
export type Carrier = 'cthelper' | 'sip'

const NAME: Carrier = 'cthelper'
const UDP = 17
const DAY_SEC = 86_400

/**
 * Never enabled: an enabled helper would get every RTP packet of the flows that inherit it on older kernels into a queue. Leases
 * bound the expectations' lives, so the policies do not; `maxExpected` 0 is unlimited.
 */
const registrationOf = (family: 2 | 10): HelperRegistration => ({
  name: NAME,
  family,
  protocol: UDP,
  enabled: false,
  policies: ['signalling', 'media', 'holder'].map((name) => ({ name, maxExpected: 0, timeoutSec: DAY_SEC })),
})

/** Registers our own helper for both families where the kernel takes it; `sip` where it has no way to. */
export async function openCarrier(conntrack: Conntrack): Promise<Carrier> {
  for (const family of [2, 10] as const) {
    try {
      await conntrack.registerHelper(registrationOf(family))
    } catch (error) {
      if (!(error instanceof CthelperError)) throw error
      if (error.code === 'ERR_UNSUPPORTED') return 'sip'
      // Registered already, by a process that was killed or that serves another network namespace: the policy is the same.
      if (error.errnoName !== 'EEXIST' && error.errnoName !== 'EBUSY') throw error
    }
  }
  return NAME
}

/** Takes our helper out again; it stays while other conntracks use it (there is one table for all network namespaces). */
export async function closeCarrier(conntrack: Conntrack, carrier: Carrier): Promise<void> {
  if (carrier === 'sip') return
  for (const family of [2, 10] as const) {
    try {
      await conntrack.unregisterHelper({ name: NAME, family, protocol: UDP })
    } catch (error) {
      if (!(error instanceof CthelperError) || error.errnoName !== 'EBUSY') throw error
    }
  }
}

export interface Trial {
  /** Undefined: the kernel made an anchor with a translating expectation of every class we use. */
  readonly failure: OperationResult | undefined
  /** What was refused. */
  readonly step: string
}

/**
 * Makes an anchor and an expectation of every class with the kernel's NAT function, and removes them: proof that calls can be
 * helped, before the first one comes. All addresses are of the discard range.
 */
export async function tryCarrier(conntrack: Conntrack, helper: string): Promise<Trial> {
  const n = Math.floor(Math.random() * ANCHOR_COUNT)
  const anchor = anchorConntrack({ family: 4, n, helper, timeoutSec: 10 })
  const source = { address: '127.0.0.9', port: 9 }
  const operations: ConntrackOperation[] = [{ kind: 'create-conntrack', conntrack: anchor }]
  for (const expectationClass of [SIGNALLING_CLASS, MEDIA_CLASS, HOLDER_CLASS]) {
    const destination = { address: anchor.original.destination.address, port: 1024 + expectationClass }
    const tuple = { family: 4 as const, protocol: UDP, source, destination }
    const nat = { direction: 1 as const, to: source }
    const expectation = {
      master: anchor.original,
      tuple,
      mask: maskFor(tuple),
      class: expectationClass,
      nat,
      function: 'sip',
    }
    operations.push({ kind: 'create-expectation', expectation })
  }
  const results = await conntrack.batch([...operations, { kind: 'delete-conntrack', tuple: anchor.original }])
  const at = results.findIndex((it) => it.errno !== 0)
  const steps = ['anchor', 'signalling expectation', 'media expectation', 'holder expectation', 'removal']
  return { failure: results[at], step: steps[at] ?? '' }
}
