import type { SourcePolicy } from '../../types/conntrack.js'
import type { Call, Exchange } from './call.js'
import { type InsideSession, type OutsideSession, Path } from './media.js'
import { anyPortOf, hasTransport, insideEndsOf, mayListen, pairsOf } from './pairs.js'

export interface PathPolicy {
  readonly source: SourcePolicy
  readonly early: 'peer' | 'none' | 'any'
}

/** The ways that shall be open for a call as it stands: what its dialogs agreed on, and what its open offers need meanwhile. */
export function wantedPaths(call: Call, policy: PathPolicy): Path[] {
  if (call.state === 'ended' || (call.isCancelled && !call.isConfirmed)) return []
  const wanted: Path[] = []
  const { isConfirmed } = call
  for (const leg of call.legs) {
    if (leg.state === 'confirmed' || !isConfirmed) agreedPaths(call, leg, policy, wanted)
  }
  const { early } = call
  if (early && !isConfirmed) {
    agreedPaths(call, early, policy, wanted)
    if (early.inside && !early.outside) offeredPaths(call, early.inside, call.peer.address, policy, wanted)
  }
  for (const { offer, tag, final, asking } of call.transactions) {
    if (offer?.by !== 'inside' || (final !== 0 && isConfirmed)) continue
    const leg = tag === '' ? undefined : call.leg(tag)
    if (leg?.state !== 'over')
      offeredPaths(call, offer, leg?.outside ?? asking?.peer ?? call.peer.address, policy, wanted)
  }
  for (const { delayed, outside } of call.legs) {
    if (delayed?.by === 'inside') offeredPaths(call, delayed, outside ?? call.peer.address, policy, wanted)
  }
  return wanted
}

function agreedPaths(call: Call, { inside, outside }: Exchange, { source }: PathPolicy, wanted: Path[]): void {
  if (!inside || !outside) return
  for (let line = 0; line < inside.streams.length; line++) {
    if (!hasTransport(inside, outside, line)) continue
    for (const { local, far, farRtcp, source: from } of pairsOf(inside, outside, line, source)) {
      const rules = { far, farRtcp, source: from, inbound: true, outbound: true, early: false, owner: call }
      add(wanted, Path.media(local, rules))
    }
  }
}

/**
 * An offer from inside that is not answered yet: the far side may begin to send as soon as it has it (RFC 3264 5.1). In a
 * standing dialog that is where its media comes from already; in a new one the host that was asked, or whom the policy lets in.
 */
function offeredPaths(
  call: Call,
  offer: InsideSession,
  from: OutsideSession | string,
  policy: PathPolicy,
  wanted: Path[],
): void {
  const { early } = policy
  const isStanding = typeof from === 'object'
  if (!isStanding && early === 'none') return
  for (let line = 0; line < offer.streams.length; line++) {
    if (isStanding && !from.streams[line]) continue
    const address = isStanding ? from.streams[line]?.address : early === 'any' ? undefined : from
    for (const { local } of insideEndsOf(offer, line)) {
      const isOther = address !== undefined && address.includes(':') !== (local.family === 6)
      if (isOther || !mayListen(local, offer.traits?.lines[line]?.setup)) continue
      if (wanted.some((path) => path.local === local && path.far.address === address)) continue
      const farRtcp = local.insideRtcpPort === 0 ? undefined : { address: address ?? '', port: 0 }
      const source = local.transport === 'tcp' ? 'address' : policy.source
      for (const far of anyPortOf(address, local)) {
        const rules = { far, farRtcp, source, inbound: true, outbound: false, early: true, owner: call } as const
        wanted.push(Path.media(local, rules))
      }
    }
  }
}

/**
 * Two dialogs of a call may end at one far address (a media server behind a forking proxy): the first way in serves both, the
 * second only adds its way out, as the kernel takes no second expectation for the same source and destination.
 */
function add(wanted: Path[], path: Path): void {
  if (wanted.some((it) => it.isSame(path))) return
  const isCovered = wanted.some((it) => it.local === path.local && covers(it, path))
  wanted.push(isCovered ? path.outboundOnly() : path)
}

/** Whether `path`'s way in would clash with that of `it`: of one stream, from the same address, and one of them for all its ports. */
function covers(it: Path, { far, source }: Path): boolean {
  if (!it.inbound || it.far.address !== far.address || it.far.index !== far.index) return false
  return source !== 'exact' || far.port === 0 || it.far.port === 0 || it.far.port === far.port
}

/**
 * The wanted ways as they are to be held: one that stands already, whoever wants it, is shared; a way in that another call holds
 * for the same far address serves as it is.
 */
export function shared(call: Call, wanted: readonly Path[]): Path[] {
  const held: Path[] = []
  for (const path of wanted) {
    const standing = path.local?.paths ?? []
    const find = (wish: Path) => standing.find((it) => it.isSame(wish)) ?? wish
    const isOthers = (it: Path) => it.holders > (call.paths.includes(it) ? 1 : 0)
    const same = find(path)
    const cover = (it: Path) => covers(it, path) && isOthers(it)
    const covering = same === path && path.inbound ? standing.find(cover) : undefined
    const ways = !covering ? [same] : path.outbound ? [covering, find(path.outboundOnly())] : [covering]
    for (const way of ways) if (!held.includes(way)) held.push(way)
  }
  return held
}

/** Makes the call hold `wanted` instead of what it held: what to open, and what to close as nobody holds it any more. */
export function hold(call: Call, wanted: readonly Path[]): { open: Path[]; close: Path[] } {
  const before = call.paths
  call.paths = wanted.slice()
  const open = wanted.filter((path) => !before.includes(path) && ++path.holders === 1)
  const close = before.filter((path) => !wanted.includes(path) && --path.holders === 0)
  for (const path of open) if (path.local) path.local.paths = path.local.paths.concat(path)
  for (const { local } of close) if (local) local.paths = local.paths.filter((it) => it.holders > 0).slice()
  return { open, close }
}
