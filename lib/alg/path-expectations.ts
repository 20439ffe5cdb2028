import type { Expectation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'
import { holder, inboundPinhole, MEDIA_CLASS, outboundPinhole, SIGNALLING_CLASS } from '../conntrack/index.js'

/** The kernel's own NAT function for expectations (net/netfilter/nf_nat_sip.c, `nf_nat_sip_expected`). */
const NAT_FUNCTION = 'sip'
const [TCP, UDP] = [6, 17]

/** RTP or RTCP of a stream, or a signalling way: what settles, and comes back, on its own. */
export interface ComponentEnds {
  readonly inside: Endpoint
  readonly outside: Endpoint
  /** Announced far end; address undefined: anybody, port 0: any. */
  readonly far: Path['far']
}

export interface ComponentSpec extends ComponentEnds {
  readonly expectations: readonly Expectation[]
  /**
   * Original tuples of the flows to come, where both ends are known. A conntrack that has one already was made without us: by a
   * phone that sent too early, with another translation, or by media that came before its pinhole and ended at the gateway.
   */
  readonly flows: readonly Tuple[]
}

/** IP protocol number of its flows. */
export const protocolOf = ({ transport }: Path): number => (transport === 'tcp' ? TCP : UDP)

/** The ends of a path's components: RTP or signalling first, then RTCP where there is one; of `port/n`, pair after pair. */
export function endsOf(path: Path): ComponentEnds[] {
  const { local, farRtcp, inside, outside, far } = path
  const { count = 1 } = far
  const ends: ComponentEnds[] = [{ inside, outside, far }]
  if (!local) return ends
  const rtcp = farRtcp && {
    inside: { address: inside.address, port: local.insideRtcpPort },
    outside: { address: outside.address, port: local.outsideRtcpPort },
    far: { address: farRtcp.address || undefined, port: farRtcp.port },
  }
  if (rtcp) ends.push(rtcp)
  for (let i = 1; i < count; i++) {
    ends.push(further(ends[0]!, i * local.step))
    if (rtcp) ends.push(further(rtcp, i * local.step))
  }
  return ends
}

/** The same so many ports on; a far port that is not known stays so. */
function further({ inside, outside, far }: ComponentEnds, ports: number): ComponentEnds {
  return {
    inside: { ...inside, port: inside.port + ports },
    outside: { ...outside, port: outside.port + ports },
    far: { ...far, port: far.port === 0 ? 0 : far.port + ports },
  }
}

/** The expectations of a path under its anchor, component by component (docs/design.md, "The life of an anchor"). Pure. */
export function componentsOf(path: Path, anchor: Tuple): ComponentSpec[] {
  return endsOf(path).map((ends) => component(path, anchor, ends))
}

function component(path: Path, anchor: Tuple, ends: ComponentEnds): ComponentSpec {
  const { inside, outside, far } = ends
  const isTranslated = inside.address !== outside.address || inside.port !== outside.port
  const nat = isTranslated ? { function: NAT_FUNCTION } : {}
  const classOf = path.kind === 'signalling' ? SIGNALLING_CLASS : MEDIA_CLASS
  const common = { anchor, protocol: protocolOf(path), source: path.source, class: classOf, ...nat }
  const way = inboundPinhole({ ...common, from: far, to: outside, mapTo: inside })
  const expectations = path.inbound ? [way] : []
  if (!path.outbound || far.address === undefined || far.port === 0) return { ...ends, expectations, flows: [] }
  const announced = { address: far.address, port: far.port }
  // The inside endpoint is known to the port.
  const out = outboundPinhole({ ...common, source: 'exact', from: inside, to: announced, mapTo: announced })
  expectations.push(out)
  const isConsumed = path.source !== 'address'
  if (isTranslated && (isConsumed || !path.inbound)) expectations.push(holder(way))
  return { ...ends, expectations, flows: [out.tuple, { ...way.tuple, source: announced }] }
}
