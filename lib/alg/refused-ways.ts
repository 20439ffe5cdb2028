/** What the kernel refused of a batch that opens paths, and how it is told. Pure. */
import type { RefusalReason } from '../../types/call.js'
import type { ConntrackOperation, OperationResult } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'

/** A way the kernel would not open, and why. */
export interface Failure {
  readonly path: Path
  readonly reason: RefusalReason
  readonly detail: string
}

const [EBUSY, EEXIST, EMFILE, EALREADY] = [16, 17, 24, 114]

/** Somebody else has what was asked for. */
export const isClash = (errno: number): boolean => errno === EBUSY || errno === EALREADY || errno === EEXIST

/** The first creation of a path that the kernel refused. */
export interface Refused {
  readonly kind: ConntrackOperation['kind']
  readonly result: OperationResult
  /** Expectations that were created nevertheless. */
  readonly made: readonly Tuple[]
}

/** What was refused of operations[from, to), if anything; what was to be deleted may well be gone. */
export function refusalIn(
  operations: readonly ConntrackOperation[],
  results: readonly OperationResult[],
  from: number,
  to: number,
): Refused | undefined {
  const isCreation = (i: number) => operations[i]!.kind.startsWith('create')
  let first = from
  while (first < to && (results[first]!.errno === 0 || !isCreation(first))) first++
  if (first === to) return undefined
  const made: Tuple[] = []
  for (let i = from; i < to; i++) {
    const operation = operations[i]!
    if (operation.kind === 'create-expectation' && results[i]!.errno === 0) made.push(operation.expectation.tuple)
  }
  return { kind: operations[first]!.kind, result: results[first]!, made }
}

export function failureOf(path: Path, { errno, errnoName, kernelMessage }: OperationResult): Failure {
  const where = `${path.outside.address}:${path.outside.port}`
  const reason: RefusalReason =
    errno === EMFILE ? 'expectation-table-full' : isClash(errno) ? 'ports-exhausted' : 'kernel-refused'
  const hint = errno === EMFILE ? ': raise net.netfilter.nf_conntrack_expect_max' : ''
  return {
    path,
    reason,
    detail: `pinhole at ${where}: ${errnoName}${kernelMessage ? ` (${kernelMessage})` : ''}${hint}`,
  }
}
