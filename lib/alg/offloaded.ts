import type { Tuple } from '../../types/tuple.js'
import { type Conntrack, IPS_OFFLOAD } from '../conntrack/index.js'

const UDP = 17

/** Flows from or to the ports that a flowtable has: their packets go from interface to interface, and past the queue. Original tuples. */
export async function offloadedFlows(
  conntrack: Pick<Conntrack, 'dump'>,
  ports: readonly number[],
): Promise<readonly { readonly original: Tuple; readonly id?: number | undefined }[]> {
  const entries = await conntrack.dump({ status: IPS_OFFLOAD })
  return entries.filter(({ original: { source, destination } }) =>
    [source.port, destination.port].some((port) => ports.includes(port)),
  )
}

/**
 * Ends the UDP ones: their next packet begins them anew, with the helper that keeps them out (`sipTable`, idleHelper). TCP connections
 * stay, as firewalls refuse one whose beginning they have not seen; it would not be helped either.
 */
export async function endOffloaded(
  conntrack: Pick<Conntrack, 'dump' | 'batch'>,
  ports: readonly number[],
): Promise<void> {
  const flows = (await offloadedFlows(conntrack, ports)).filter(({ original }) => original.protocol === UDP)
  await conntrack.batch(
    flows.map(({ original, id }) => ({
      kind: 'delete-conntrack',
      tuple: original,
      ...(id === undefined ? {} : { id }),
    })),
  )
}
