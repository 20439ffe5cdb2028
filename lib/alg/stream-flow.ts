import type { ConntrackEntry } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Binding, Flow } from '../../types/flow.js'
import type { Tuple } from '../../types/tuple.js'
import type { ConnectionEnds } from '../proxy/index.js'

const TCP = 6

export interface StreamFlowSource {
  get(tuple: Tuple): Promise<ConntrackEntry | undefined>
  bindingOf(inside: Endpoint, outside: Endpoint): Binding
}

/**
 * The flow of a proxied connection. The translation is the kernel's: of the proxy's own connection when it goes out, of the client's
 * when it comes in. Where conntrack knows neither there is none.
 */
export async function streamFlowOf(
  { family, way, client, server, local }: ConnectionEnds,
  { get, bindingOf }: StreamFlowSource,
): Promise<Flow> {
  const tuple = (source: Endpoint, destination: Endpoint): Tuple => ({ family, protocol: TCP, source, destination })
  if (way === 'out') {
    const entry = await get(tuple(local, server))
    return { family, binding: bindingOf(client, entry?.reply.destination ?? local), peer: server }
  }
  const entry = await get(tuple(server, client))
  return { family, binding: bindingOf(server, entry?.original.destination ?? server), peer: client }
}
