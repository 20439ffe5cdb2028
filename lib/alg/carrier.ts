import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
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
import type { Translator } from './path-expectations.js'
import type { Undo } from './undo.js'

/** Under whose policy expectations live: a helper of our own, or the kernel's `sip` where it has no nfnetlink_cthelper. */
export interface Carrier {
  readonly name: 'cthelper' | 'sip'
  /** The timeout that all its policies give an expectation, seconds; undefined when they differ. */
  readonly timeoutSec: number | undefined
}

const NAME = 'cthelper'
const UDP = 17
/** By AF_INET and AF_INET6. Of TCP no expectation hangs on it: it keeps flows out of flowtables (`sipTable`, idleHelper). */
const KINDS = [
  { family: 2, protocol: UDP },
  { family: 10, protocol: UDP },
  { family: 2, protocol: 6 },
  { family: 10, protocol: 6 },
] as const
/** A table that is removed lets go of its helpers a little later (nf_tables_trans_destroy_work). */
const [RELEASE_ATTEMPTS, RELEASE_MS] = [5, 40]
/** The kernel's own helper: an hour for signalling, three minutes for media (nf_conntrack_sip.c). */
const KERNEL_SIP: Carrier = { name: 'sip', timeoutSec: undefined }

/**
 * Never enabled: an enabled helper would get every RTP packet of the flows that inherit it on older kernels into a queue.
 * `maxExpected` 0 is unlimited.
 */
const registrationOf = (
  kind: Pick<HelperRegistration, 'family' | 'protocol'>,
  timeoutSec: number,
): HelperRegistration => ({
  name: NAME,
  ...kind,
  enabled: false,
  policies: ['signalling', 'media', 'holder'].map((name) => ({ name, maxExpected: 0, timeoutSec })),
})

/** Registers our own helper for both families where the kernel takes it, with policies of that timeout; `sip` where it has no way to. */
export async function openCarrier(conntrack: Conntrack, timeoutSec: number): Promise<Carrier> {
  for (const kind of KINDS) {
    try {
      await conntrack.registerHelper(registrationOf(kind, timeoutSec))
    } catch (error) {
      if (!(error instanceof CthelperError)) throw error
      if (error.code === 'ERR_UNSUPPORTED') return KERNEL_SIP
      // Registered already, by a process that was killed or that serves another network namespace: shared, with its policies.
      if (error.errnoName !== 'EEXIST' && error.errnoName !== 'EBUSY') throw error
    }
  }
  const registered = (await conntrack.listHelpers()).filter(({ name }) => name === NAME)
  const timeouts = new Set(registered.flatMap(({ policies }) => policies.map((policy) => policy.timeoutSec)))
  return { name: NAME, timeoutSec: timeouts.size === 1 ? [...timeouts][0] : undefined }
}

/** Whether the kernel has nfnetlink_cthelper, and so takes a helper of our own. */
export async function takesHelpers(conntrack: Pick<Conntrack, 'listHelpers'>): Promise<boolean> {
  try {
    await conntrack.listHelpers()
    return true
  } catch (error) {
    if (error instanceof CthelperError && error.code === 'ERR_UNSUPPORTED') return false
    throw error
  }
}

/** What is tried in turn, by what the settings say. */
const translators: Readonly<Record<CarrierNeeds['translation'], readonly Translation[]>> = {
  auto: ['function', 'maps'],
  function: ['function'],
  maps: ['maps'],
  none: ['none'],
}

/**
 * The carrier, tried out, and who translates what its expectations let in. Throws CthelperError, ERR_UNSUPPORTED or ERR_PERMISSION, when
 * the kernel refuses what calls will need; the helper that was registered is then still to be closed, which `undo` gets told first.
 */
export async function requireCarrier(conntrack: Conntrack, needs: CarrierNeeds, undo: Undo): Promise<TriedCarrier> {
  const carrier = await openCarrier(conntrack, needs.leaseSec)
  undo.push(() => closeCarrier(conntrack, carrier))
  let error: CthelperError | undefined
  for (const translation of translators[needs.translation]) {
    // Modules that nothing loads by itself: the NAT function's, and where there is no helper of our own, the kernel's.
    const module = translation === 'function' ? 'nf_nat_sip' : 'nf_conntrack_sip'
    let trial = await tryCarrier(conntrack, carrier.name, translation)
    if (trial.failure) {
      await loadModule(module)
      trial = await tryCarrier(conntrack, carrier.name, translation)
    }
    if (!trial.failure) return { carrier, translation }
    error ??= refusal(trial, module)
  }
  throw error
}

function refusal({ failure, step }: Trial, module: string): CthelperError {
  const { errno = 0, errnoName, kernelMessage } = failure!
  const said = `${errnoName}${kernelMessage ? ` (${kernelMessage})` : ''}`
  const message = `the kernel refused a test ${step}: ${said}; load ${module} (modprobe ${module}), or see cthelper check`
  const code = errnoName === 'EPERM' ? 'ERR_PERMISSION' : 'ERR_UNSUPPORTED'
  return new CthelperError(code, 'try expectations', message, { errno })
}

/** `modprobe`; whether it helped is seen by trying again. */
async function loadModule(name: string): Promise<void> {
  await promisify(execFile)('modprobe', [name]).catch(() => undefined)
}

/** Takes our helper out again; it stays while other conntracks use it (there is one table for all network namespaces). */
export async function closeCarrier(conntrack: Conntrack, carrier: Carrier): Promise<void> {
  if (carrier.name === 'sip') return
  for (const kind of KINDS)
    for (let attempt = 0; attempt < RELEASE_ATTEMPTS; attempt++) {
      try {
        await conntrack.unregisterHelper({ name: NAME, ...kind })
        break
      } catch (error) {
        if (!(error instanceof CthelperError) || error.errnoName !== 'EBUSY') throw error
        await sleep(RELEASE_MS)
      }
    }
}

/** Who translates what expectations let in; `none`: nothing is translated. */
export type Translation = Translator | 'none'

export interface CarrierNeeds {
  readonly leaseSec: number
  /** `auto`: the kernel's NAT function where it is to be had, else maps. */
  readonly translation: Translation | 'auto'
}

export interface TriedCarrier {
  readonly carrier: Carrier
  readonly translation: Translation
}

export interface Trial {
  /** Undefined: the kernel made an anchor with an expectation of every class we use. */
  readonly failure: OperationResult | undefined
  /** What was refused. */
  readonly step: string
}

/**
 * Makes an anchor and an expectation of every class, with the kernel's NAT function where that is to translate, and removes them:
 * proof that calls can be helped, before the first one comes. All addresses are of the discard range.
 */
export async function tryCarrier(
  conntrack: Pick<Conntrack, 'batch'>,
  helper: string,
  translation: Translation,
): Promise<Trial> {
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
      ...(translation === 'function' ? { nat, function: 'sip' } : {}),
    }
    operations.push({ kind: 'create-expectation', expectation })
  }
  const results = await conntrack.batch([...operations, { kind: 'delete-conntrack', tuple: anchor.original }])
  const at = results.findIndex((it) => it.errno !== 0)
  const steps = ['anchor', 'signalling expectation', 'media expectation', 'holder expectation', 'removal']
  return { failure: results[at], step: steps[at] ?? '' }
}
