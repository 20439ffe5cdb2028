/** Parts of the SIP helper, as its settings want them. */
import type { Endpoint } from '../../types/endpoint.js'
import { Engine } from '../call/index.js'
import type { Conntrack } from '../conntrack/index.js'
import { isTcp } from '../packet/index.js'
import { type FlowSource, Flows } from './flows.js'
import type { Interfaces } from './interfaces.js'
import type { OpenPinholesOptions } from './open-pinholes.js'
import { engineSettings, MODES, type Settings } from './options.js'
import { tableName } from './own-table.js'
import type { Pinholes } from './pinholes.js'
import type { Pipeline } from './pipeline.js'
import type { PacketHandler } from './queues.js'
import { RoutedFlows } from './routed-flows.js'

/** Packets by what they carry: datagrams with messages, and segments. */
export function handlerOf(pipeline: Pipeline, segments: PacketHandler): PacketHandler {
  return {
    handle: (packet, sink) => (isTcp(packet.payload) ? segments : pipeline).handle(packet, sink),
    handleFirst: (packet, sink) => (isTcp(packet.payload) ? segments : pipeline).handleFirst(packet, sink),
  }
}

/** Where the pinholes' table and conntracks are, and what they need. */
export const pinholesOf = ({
  mode,
  translation,
  zone,
  leaseSec,
}: Settings): Pick<OpenPinholesOptions, 'table' | 'zone' | 'leaseSec' | 'translation'> => ({
  table: tableName(zone),
  zone,
  leaseSec,
  translation: MODES[mode].translates ? translation : 'none',
})

export function engineOf(settings: Settings, interfaces: Interfaces, pinholes: Pinholes): Engine {
  return new Engine({
    ...engineSettings(settings),
    isGateway: (address) => interfaces.isOwn(address),
    isLive: (path) => pinholes.isLive(path),
  })
}

export function flowsOf(engine: Engine, conntrack: Conntrack, { mode, zone }: Settings): FlowSource {
  const bindingOf = (inside: Endpoint, outside: Endpoint) => engine.bindingOf(inside, outside)
  if (!MODES[mode].translates) return new RoutedFlows(bindingOf)
  return new Flows({
    get: (tuple) => conntrack.get(tuple),
    bindingOf,
    zone,
    heldBinding: ({ address, port }) => engine.bindings.ofInside(address, port, 'udp'),
  })
}
