import type { Parameters } from 'fast-check'

const MOST_RUNS = 0x7fffffff

/**
 * How long a law is tried: `runs` times in `npm test`; under `npm run fuzz`, which sets CTHELPER_FUZZ_SEC, for that many seconds. A law that
 * breaks prints the seed and path that break it again, smallest case first: `fc.assert(law, { seed, path })`.
 */
export function runs<T = unknown>(count: number): Parameters<T> {
  const seconds = Number(process.env.CTHELPER_FUZZ_SEC ?? 0)
  if (!(seconds > 0)) return { numRuns: count }
  return { numRuns: MOST_RUNS, interruptAfterTimeLimit: seconds * 1000, markInterruptAsFailure: false }
}
