import type { Expectation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import type { Path } from '../call/index.js'
import { holder, MEDIA_CLASS, maskFor, SIGNALLING_CLASS } from '../conntrack/index.js'

const UDP = 17
/** The kernel's own NAT function for expectations (net/netfilter/nf_nat_sip.c, `nf_nat_sip_expected`). */
const NAT_FUNCTION = 'sip'
const ANYBODY = { 4: '0.0.0.0', 6: '::' } as const

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

/** The ends of a path's components: RTP or signalling first, then RTCP where there is one. */
export function endsOf(path: Path): ComponentEnds[] {
  const { local, farRtcp, inside, outside, far } = path
  const first = { inside, outside, far }
  if (!local || !farRtcp) return [first]
  const rtcp = {
    inside: { address: local.inside.address, port: local.insideRtcpPort },
    outside: { address: local.outsideAddress, port: local.outsideRtcpPort },
    far: { address: farRtcp.address || undefined, port: farRtcp.port },
  }
  return [first, rtcp]
}

/** The expectations of a path under its anchor, component by component (docs/design.md, "The life of an anchor"). Pure. */
export function componentsOf(path: Path, anchor: Tuple): ComponentSpec[] {
  return endsOf(path).map((ends) => component(path, anchor, ends))
}

function component(path: Path, anchor: Tuple, { inside, outside, far }: ComponentEnds): ComponentSpec {
  const isTranslated = inside.address !== outside.address || inside.port !== outside.port
  const expectations: Expectation[] = []
  const way = inbound(path, anchor, inside, outside, far, isTranslated)
  if (path.inbound) expectations.push(way)
  const hasOutbound = path.outbound && far.address !== undefined && far.port !== 0
  const isConsumed = way.flags?.permanent !== true
  if (hasOutbound) {
    const out = outbound(anchor, inside, { address: far.address, port: far.port }, isTranslated)
    expectations.push(out)
    if (isTranslated && (isConsumed || !path.inbound)) expectations.push(holder(way))
    const source = out.tuple.destination
    return { inside, outside, far, expectations, flows: [out.tuple, { ...way.tuple, source }] }
  }
  return { inside, outside, far, expectations, flows: [] }
}

function inbound(
  path: Path,
  anchor: Tuple,
  inside: Endpoint,
  outside: Endpoint,
  far: Path['far'],
  isTranslated: boolean,
): Expectation {
  const { family } = anchor
  const isExact = path.source === 'exact' && far.port !== 0
  const source = { address: far.address ?? ANYBODY[family], port: isExact ? far.port : 0 }
  const tuple: Tuple = { family, protocol: UDP, source, destination: outside }
  return {
    master: anchor,
    tuple,
    mask: maskFor(tuple, { sourcePort: isExact, sourceAddress: far.address !== undefined }),
    class: path.kind === 'signalling' ? SIGNALLING_CLASS : MEDIA_CLASS,
    flags: { permanent: path.source === 'address' },
    ...(isTranslated ? { nat: { direction: 1 as const, to: inside }, function: NAT_FUNCTION } : {}),
  }
}

function outbound(anchor: Tuple, inside: Endpoint, far: Endpoint, isTranslated: boolean): Expectation {
  const tuple: Tuple = { family: anchor.family, protocol: UDP, source: inside, destination: far }
  return {
    master: anchor,
    tuple,
    mask: maskFor(tuple),
    class: MEDIA_CLASS,
    flags: {},
    ...(isTranslated ? { nat: { direction: 0 as const, to: far }, function: NAT_FUNCTION } : {}),
  }
}
