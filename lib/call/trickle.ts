import type { Side } from '../../types/flow.js'
import type { Sdp, SdpMedia } from '../../types/sdp.js'
import type { Call } from './call.js'
import { farEnds, isSameEnd } from './far-session.js'
import type { InsideEnd, InsideSession, LineTraits, OutsideEnd, OutsideSession, Session, Traits } from './media.js'
import { insideEnds, type SessionContext } from './session.js'

/**
 * Trickle ICE (RFC 8840): adds the candidates of a fragment that `by` has sent in the dialog of that tag to the descriptions they belong
 * to, wherever the call remembers these. Says whether any was new.
 */
export function trickle(call: Call, tag: string, by: Side, fragment: Sdp, context: SessionContext): boolean {
  const extended = new Map<Session, Session>()
  const renew = <S extends Session>(session: S | undefined): S | undefined => {
    if (session?.by !== by) return session
    const known = extended.get(session) ?? extend(session, fragment, call, context)
    extended.set(session, known)
    return known as S
  }
  // What the inside offered, it offered to all forks.
  for (const leg of call.legs) {
    if (by === 'outside' && leg.tag !== tag) continue
    leg.inside = renew(leg.inside)
    leg.outside = renew(leg.outside)
    leg.delayed = renew(leg.delayed)
  }
  for (const transaction of call.transactions) {
    if (transaction.tag !== '' && transaction.tag !== tag) continue
    const { before } = transaction
    transaction.offer = renew(transaction.offer)
    if (before) transaction.before = { inside: renew(before.inside), outside: renew(before.outside) }
  }
  return [...extended].some(([before, after]) => before !== after)
}

function extend(session: Session, fragment: Sdp, call: Call, context: SessionContext): Session {
  if (session.by === 'outside')
    return withEnds<OutsideEnd, OutsideSession>(session, (line) => {
      const media = sectionOf(fragment, line)
      return media && farEnds(media, context, line.ends)
    })
  return withEnds<InsideEnd, InsideSession>(session, (line, index) => {
    const media = sectionOf(fragment, line)
    return media && insideEnds(media, session.streams[index], call, context, line.ends)
  })
}

/** The section of a fragment that has candidates for a line. One of another ICE session speaks of what is over, or not yet begun. */
function sectionOf(fragment: Sdp, { mid, ufrag }: LineTraits<unknown>): SdpMedia | undefined {
  return fragment.media.find(
    (media) => media.mid === mid && media.iceUfrag === ufrag && ufrag !== '' && media.candidates.length > 0,
  )
}

/**
 * A description of the same ICE session as `previous` keeps what was trickled since: a 200 repeats the description of the 183 (RFC
 * 8840 4.3.2), which had none of that.
 */
export function continued(previous: Session | undefined, session: Session): Session {
  if (!previous?.traits || previous.by !== session.by) return session
  return session.by === 'outside'
    ? kept<OutsideEnd, OutsideSession>(previous as OutsideSession, session, isSameEnd)
    : kept<InsideEnd, InsideSession>(previous as InsideSession, session, (a, b) => a.local === b.local)
}

function kept<E, S extends { readonly traits: Traits<E> | undefined }>(
  previous: S,
  session: S,
  isSame: (a: E, b: E) => boolean,
): S {
  return withEnds<E, S>(session, ({ mid, ufrag, ends }, index) => {
    const before = previous.traits?.lines[index]
    if (!before?.ice || before.mid !== mid || before.ufrag !== ufrag || ufrag === '') return undefined
    return [...ends, ...before.ends.filter((it) => !ends.some((end) => isSame(it, end)))]
  })
}

/** The session with other ends on some of its lines; itself where `endsOf` has nothing new. */
function withEnds<E, S extends { readonly traits: Traits<E> | undefined }>(
  session: S,
  endsOf: (line: LineTraits<E>, index: number) => readonly E[] | undefined,
): S {
  const { traits } = session
  if (!traits) return session
  let isNew = false
  const lines = traits.lines.map((line, index) => {
    const ends = line && endsOf(line, index)
    if (!line || !ends || (line.ice && ends.length === line.ends.length)) return line
    isNew = true
    return { ...line, ice: true, ends }
  })
  return isNew ? { ...session, traits: { ...traits, lines } } : session
}
