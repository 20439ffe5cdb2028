import type { ConntrackOperation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import type { Carrier } from './carrier.js'
import type { ComponentSpec } from './path-expectations.js'
import type { Standing } from './standing.js'

/** The ctnetlink operations that put up a path's anchor and expectations, and renew them. Appends, and does nothing else. */
export class PathOperations {
  readonly #carrier: Carrier
  readonly #leaseSec: number

  constructor(carrier: Carrier, leaseSec: number) {
    this.#carrier = carrier
    this.#leaseSec = leaseSec
  }

  putUp(standing: Standing, operations: ConntrackOperation[]): void {
    operations.push({ kind: 'create-conntrack', conntrack: standing.conntrack(this.#carrier.name, this.#leaseSec) })
    for (const [index, spec] of standing.components.entries()) this.#putUp(standing, index, spec, operations)
  }

  /** A component's expectations, and the question for conntracks that were made without them: see `Pinholes.execute`. */
  putUpComponent(standing: Standing, index: number, operations: ConntrackOperation[]): void {
    this.#putUp(standing, index, standing.components[index]!, operations)
  }

  #putUp(
    standing: Standing,
    index: number,
    { expectations, flows, far }: ComponentSpec,
    operations: ConntrackOperation[],
  ): void {
    for (const expectation of expectations) operations.push({ kind: 'create-expectation', expectation })
    const isServed = standing.flows.some((flow) => flow.component === index && flow.farPort === far.port)
    if (!isServed) for (const tuple of flows) operations.push({ kind: 'get-conntrack', tuple })
    // The kernel collects an anchor up to a minute late; an expectation's own timer is exact, but begins with the policy's value.
    const timeoutSec = this.#leaseSec
    if (this.#carrier.timeoutSec === timeoutSec) return
    for (const expectation of expectations) operations.push({ kind: 'update-expectation', expectation, timeoutSec })
  }

  renew(standing: Standing, operations: ConntrackOperation[]): void {
    const timeoutSec = this.#leaseSec
    operations.push({ kind: 'update-conntrack', tuple: standing.anchor, timeoutSec })
    for (const expectation of standing.open) operations.push({ kind: 'update-expectation', expectation, timeoutSec })
  }
}

/** `id` as `AdmittedFlow` has it. */
export const deleteFlow = (tuple: Tuple, id: number | undefined): ConntrackOperation =>
  id === undefined ? { kind: 'delete-conntrack', tuple } : { kind: 'delete-conntrack', tuple, id: id >>> 0 }
