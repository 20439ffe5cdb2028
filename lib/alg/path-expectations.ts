import type { Expectation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Tuple } from '../../types/tuple.js'
import { maskOf, parsePrefix } from '../base/prefix.js'
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

/**
 * Who translates the flows that expectations let in: the kernel's NAT function for expectations, or maps of our own table
 * (`TranslationMaps`).
 */
export type Translator = 'function' | 'maps'

/** IP protocol number of its flows. */
export const protocolOf = ({ transport }: Path): number => (transport === 'tcp' ? TCP : UDP)

/** The ends of a path's components: RTP or signalling first, then RTCP where there is one. */
export function endsOf(path: Path): ComponentEnds[] {
  const { local, farRtcp, inside, outside, far, offset } = path
  const first = { inside, outside, far }
  if (!local || !farRtcp) return [first]
  const rtcp = {
    inside: { address: inside.address, port: local.insideRtcpPort + offset },
    outside: { address: outside.address, port: local.outsideRtcpPort + offset },
    far: { address: farRtcp.address || undefined, port: farRtcp.port },
  }
  return [first, rtcp]
}

/** The expectations of a path under its anchor, component by component (docs/design.md, "The life of an anchor"). Pure. */
export function componentsOf(path: Path, anchor: Tuple, translator: Translator = 'function'): ComponentSpec[] {
  return endsOf(path).map((ends) => component(path, anchor, ends, translator))
}

function component(path: Path, anchor: Tuple, ends: ComponentEnds, translator: Translator): ComponentSpec {
  const { inside, outside, far } = ends
  const { source, family } = path
  const isTranslated = inside.address !== outside.address || inside.port !== outside.port
  const isMapped = isTranslated && translator === 'maps'
  const nat = isTranslated && !isMapped ? NAT_FUNCTION : undefined
  const protocol = protocolOf(path)
  const policy = path.kind === 'signalling' ? SIGNALLING_CLASS : MEDIA_CLASS
  const rules = { anchor, protocol, class: policy, function: nat } as const
  const way = inboundPinhole({ from: sourceOf(far), to: outside, mapTo: inside, source, ...rules })
  const expectations = path.inbound ? [isMapped ? mapped(way, 1, inside) : way] : []
  if (!path.outbound || far.address === undefined || far.port === 0)
    return { inside, outside, far, expectations, flows: [] }
  const announced = { address: far.address, port: far.port }
  // The inside endpoint is known to the port.
  const out = outboundPinhole({ from: inside, to: announced, mapTo: announced, source: 'exact', ...rules })
  expectations.push(isMapped ? mapped(out, 0, outside) : out)
  const isConsumed = source !== 'address'
  if (isTranslated && !isMapped && (isConsumed || !path.inbound)) expectations.push(holder(way))
  const inward: Tuple = { family, protocol, source: announced, destination: outside }
  return { inside, outside, far, expectations, flows: [out.tuple, inward] }
}

/** As `TranslationMaps` reads it: direction 1 gives the flow another destination, 0 another source. */
const mapped = (expectation: Expectation, direction: 0 | 1, to: Endpoint): Expectation => ({
  ...expectation,
  nat: { direction, to },
})

/** A far end may be a network. */
function sourceOf({ address, port }: Path['far']): { address: string | undefined; port: number; mask?: string } {
  const prefix = address?.includes('/') ? parsePrefix(address) : undefined
  if (!prefix) return { address, port }
  return { address: address!.slice(0, address!.indexOf('/')), port, mask: maskOf(prefix) }
}
