import type { RefusalReason } from '../../types/call.js'
import type { Flow } from '../../types/flow.js'
import { AddressSet } from '../base/address-set.js'
import type { Planned } from './planned.js'
import type { Ports } from './ports.js'
import type { SessionContext } from './session.js'
import type { Streams } from './streams.js'

export interface ContextOptions {
  /** Inside addresses and prefixes of them, besides the sender's own, that SDP from inside may name. Default none. */
  readonly mediaHosts?: readonly string[]
  /** Whether an address is the gateway's own. Default: none is. */
  readonly isGateway?: (address: string) => boolean
  /** Outside ports that the streams of one inside host may lease. */
  readonly portsPerHost: number
}

/** One object for all messages: which flow and plan it speaks of is set before each. */
export class Context implements SessionContext {
  flow!: Flow
  plan!: Planned
  readonly ports: Ports
  readonly streams: Streams
  readonly mediaHosts: AddressSet
  readonly isGateway: (address: string) => boolean
  readonly portsPerHost: number

  constructor(ports: Ports, streams: Streams, { mediaHosts, isGateway, portsPerHost }: ContextOptions) {
    this.portsPerHost = portsPerHost
    this.ports = ports
    this.streams = streams
    this.mediaHosts = new AddressSet(mediaHosts ?? [])
    this.isGateway = isGateway ?? (() => false)
  }

  readonly refuse = (reason: RefusalReason, detail: string): void => this.plan.refuse(reason, detail)
}
