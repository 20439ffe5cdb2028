import type { ConntrackEntry, ConntrackOperation } from '../../types/conntrack.js'
import type { Tuple } from '../../types/tuple.js'
import { FlowIndex } from './flow-index.js'
import { Settling } from './settling.js'
import { type AdmittedFlow, componentOf, type Standing } from './standing.js'

/** The flows that conntrack has admitted through standing paths, and which of them have yet to settle. */
export class AdmittedFlows {
  readonly #byTuple = new FlowIndex<Standing>()
  readonly #settling = new Settling()

  get size(): { flows: number; settling: number } {
    return { flows: this.#byTuple.size, settling: this.#settling.size }
  }

  /** Notes a flow as the path's, in the place of one with the same tuple. A tuple that is no component's is nobody's. */
  admit(standing: Standing, tuple: Tuple, id: number | undefined, now: number): void {
    const found = componentOf(standing.path, tuple)
    if (!found) return
    const { component, isInbound, far, announced } = found
    // The path's own string where it is the same: the event's would live as long as the flow.
    const farAddress = far.address === announced.address ? announced.address : far.address
    const flow: AdmittedFlow = {
      id: id === undefined ? id : id | 0,
      component,
      isInbound,
      farAddress,
      farPort: far.port,
    }
    const known = standing.flowOf(tuple)
    if (known) this.dismiss(standing, known)
    standing.flows = standing.flows.concat(flow)
    this.#byTuple.add(tuple, standing)
    const isAnnounced = far.address === announced.address && far.port === announced.port
    const { source, early } = standing.path
    if (isAnnounced && source !== 'address' && !early && !standing.isSettled(component))
      this.#settling.add(flow, standing, now)
  }

  dismiss(standing: Standing, flow: AdmittedFlow): void {
    standing.flows = standing.flows.filter((it) => it !== flow).slice()
    this.#byTuple.remove(standing.tupleOf(flow), standing)
    this.#settling.remove(flow)
  }

  /** The path that a flow was admitted through. */
  standingOf(original: Tuple): Standing | undefined {
    return this.#byTuple.candidates(original).find((it) => it.flowOf(original))
  }

  /** As `Settling.look` says. */
  settle(now: number, get: (tuple: Tuple) => Promise<ConntrackEntry | undefined>): Promise<ConntrackOperation[]> {
    return this.#settling.look(now, get)
  }
}
