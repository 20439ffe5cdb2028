import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import type { FakeExpectation } from './fake-table.js'
import { invertTuple } from './tuple-match.js'

const equal = (a: Endpoint, b: Endpoint): boolean => a.address === b.address && a.port === b.port
const SIGNALLING_CLASS = 0

/**
 * nf_nat_sip_expected: the reply tuple of the flow that a packet with `tuple` begins under `expectation`. The destination becomes
 * the saved address; the source, that of the master's expectation whose saved address is the packet's source. Where there is no
 * such pair, a packet from the master's own host gets the address that the master's peer sees, with its port. Without an
 * expectation function nothing is translated.
 */
export function translate(tuple: Tuple, expectation: FakeExpectation, standing: readonly FakeExpectation[]): Tuple {
  const { spec, master } = expectation
  if (!spec.nat || spec.function !== 'sip') return invertTuple(tuple)
  const pair = spec.class === SIGNALLING_CLASS ? undefined : pairOf(tuple, master, standing)
  const { direction, to } = spec.nat
  const [here, there] = direction === 0 ? [master.original, master.reply] : [master.reply, master.original]
  const isMastersHost = tuple.source.address === here.source.address
  const source =
    pair ?? (isMastersHost ? { address: there.destination.address, port: tuple.source.port } : tuple.source)
  return { ...tuple, source: to, destination: source }
}

function pairOf(tuple: Tuple, master: unknown, standing: readonly FakeExpectation[]): Endpoint | undefined {
  const pair = standing.find(
    (other) =>
      other.master === master &&
      other.spec.tuple.family === tuple.family &&
      other.spec.tuple.protocol === tuple.protocol &&
      other.spec.nat !== undefined &&
      equal(other.spec.nat.to, tuple.source),
  )
  return pair?.spec.tuple.destination
}
