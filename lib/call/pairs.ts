import type { SourcePolicy } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type {
  FarStream,
  InsideEnd,
  InsideSession,
  LocalStream,
  OutsideEnd,
  OutsideSession,
  PathRules,
} from './media.js'

/** An end inside, and a far one that it may talk to. */
export interface Pair extends Pick<PathRules, 'far' | 'farRtcp' | 'source'> {
  readonly local: LocalStream
}

/**
 * Whether a line has a transport of its own: of those that both sides bundle, only the first that both have (RFC 9143 7.2, 7.3). The
 * answer's list is the shorter one, and its order counts.
 */
export function hasTransport(inside: InsideSession, outside: OutsideSession, line: number): boolean {
  const ours = inside.traits?.bundles.find((lines) => lines.includes(line))
  const theirs = outside.traits?.bundles.find((lines) => lines.includes(line))
  if (!ours || !theirs) return true
  const [answer, offer] = ours.length < theirs.length ? [ours, theirs] : [theirs, ours]
  return answer.find((it) => offer.includes(it)) === line
}

/** All inside ends of a line: that of c= and m= first. */
export function insideEndsOf({ streams, traits }: InsideSession, line: number): readonly InsideEnd[] {
  const local = streams[line]
  const further = traits?.lines[line]?.ends ?? []
  return local ? [{ component: 0, local }, ...further] : further
}

/** Whether connections of a TCP stream may come in, by what the inside says of itself (RFC 4145 4); UDP always may. */
export const mayListen = ({ transport }: LocalStream, setup = ''): boolean =>
  transport === 'udp' || (setup !== 'active' && setup !== 'holdconn')

/** Which inside ends of a line both descriptions let talk to which far ends. */
export function pairsOf(inside: InsideSession, outside: OutsideSession, line: number, source: SourcePolicy): Pair[] {
  const [ours, theirs] = [inside.traits?.lines[line], outside.traits?.lines[line]]
  const first = outside.streams[line]
  const isMuxed = ours?.mux === true && theirs?.mux === true
  const isIce = ours?.ice === true && theirs?.ice === true
  const pairs: Pair[] = []
  for (const { local, component } of insideEndsOf(inside, line)) {
    if (component > (isMuxed ? 1 : 2) || (component !== 0 && !isIce)) continue
    if (local.transport === 'tcp') {
      const isOpen = mayListen(local, ours?.setup) && theirs?.setup !== 'passive' && theirs?.setup !== 'holdconn'
      if (isOpen) pairs.push(...connecting(local, component, first, theirs?.ends ?? []))
    } else if (isIce) pairs.push(...checked(local, component, first, theirs.ends, isMuxed, source))
    else pairs.push(...described(local, first, theirs?.ends ?? [], isMuxed, source))
  }
  return pairs
}

const isFamily = (local: LocalStream, address: string): boolean => (local.family === 6) === address.includes(':')

/** The far address, whatever port, for each of the stream's `port/n`. */
export function anyPortOf<A extends string | undefined>(address: A, { count }: LocalStream) {
  const far = { address, port: 0 }
  return count === 1 ? [far] : Array.from({ length: count }, (_, index) => ({ ...far, index }))
}

/** So many ports on; a port that is not known stays so. */
const further = ({ address, port }: Endpoint, ports: number): Endpoint => ({ address, port: port && port + ports })

/** Without ICE: the described ends of the same family, each with its RTCP. */
function described(
  local: LocalStream,
  first: FarStream | undefined,
  ends: readonly OutsideEnd[],
  isMuxed: boolean,
  source: SourcePolicy,
): Pair[] {
  const fars = ends.flatMap(({ component, far }) => (component === 0 ? [far] : []))
  if (first) fars.unshift(first)
  return fars.flatMap((far): Pair[] => {
    if (!isFamily(local, far.address)) return []
    const farRtcp = isMuxed || local.insideRtcpPort === 0 ? undefined : far.rtcp
    const length = Math.min(local.count, far.count ?? 1)
    if (local.count === 1) return [{ local, far, farRtcp, source }]
    return Array.from({ length }, (_, index) => ({
      local,
      far: { ...further(far, index * local.step), index },
      farRtcp: farRtcp && further(farRtcp, index * local.step),
      source,
    }))
  })
}

/**
 * With ICE the far side may send from any of its candidates (RFC 8445 7.2.4): one way for each of their ports, the first of each
 * address lets in. Of an address with several ports any port may send, as no packet says which of them will be chosen.
 */
function checked(
  local: LocalStream,
  component: number,
  first: FarStream | undefined,
  ends: readonly OutsideEnd[],
  isMuxed: boolean,
  source: SourcePolicy,
): Pair[] {
  const byAddress = new Map<string, { readonly rtp: number[]; readonly rtcp: number[] }>()
  const note = (of: number, address: string, port: number) => {
    if (!isFamily(local, address)) return
    const ports = byAddress.get(address) ?? { rtp: [], rtcp: [] }
    byAddress.set(address, ports)
    const list = of === 1 ? ports.rtp : ports.rtcp
    if (!list.includes(port)) list.push(port)
  }
  const isRtcp = component === 2
  for (const { component: of, transport, far } of ends)
    if (transport === 'udp' && (of === 1 || of === 2)) note(isRtcp ? 3 - of : of, far.address, far.port)
  // A substitute for an address that cannot be reached is not needed where candidates can; those of c= and m= are among them.
  if (first && (byAddress.size === 0 || first.port !== 0)) {
    note(isRtcp ? 2 : 1, first.address, first.port)
    if (first.rtcp) note(isRtcp ? 1 : 2, first.rtcp.address, first.rtcp.port)
  }
  const hasRtcp = !isMuxed && local.insideRtcpPort !== 0
  return [...byAddress].flatMap(([address, { rtp, rtcp }]) => {
    const isMany = rtp.length > 1 || (hasRtcp && rtcp.length > 1)
    const length = Math.max(rtp.length, hasRtcp ? rtcp.length : 0)
    return Array.from({ length }, (_, i) => {
      const rtcpPort = rtcp[i]
      return {
        local,
        far: { address, port: rtp[i] ?? 0 },
        farRtcp: hasRtcp && rtcpPort !== undefined ? { address, port: rtcpPort } : undefined,
        source: isMany && source === 'latch' ? ('address' as const) : source,
      }
    })
  })
}

/** TCP: the far side connects, from a port that nobody announces (RFC 4145 4.1). */
function connecting(
  local: LocalStream,
  component: number,
  first: FarStream | undefined,
  ends: readonly OutsideEnd[],
): Pair[] {
  const candidates = ends.filter((it) => it.transport === 'tcp' && it.component === component)
  const addresses = new Set(candidates.map(({ far }) => far.address))
  if (first && component === 0) addresses.add(first.address)
  return [...addresses].flatMap((address) => {
    if (!isFamily(local, address)) return []
    const farRtcp = local.insideRtcpPort === 0 ? undefined : { address, port: 0 }
    return anyPortOf(address, local).map((far) => ({ local, far, farRtcp, source: 'address' as const }))
  })
}
