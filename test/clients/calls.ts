import type t from 'tap'
import type { ClientNetwork } from './network.js'
import type { Phone } from './phone.js'

type Tap = Pick<typeof t, 'same'>

/** What `leftovers()` says when nothing is left of any call, and nothing went wrong. */
export const NOTHING = { calls: [], media: [], refusals: [], errors: [] }

/** A call that is answered. */
export async function talk(caller: Phone, called: Phone): Promise<void> {
  await caller.dial(called.uri)
  await called.rings()
  await called.answer()
  await Promise.all([caller.established(), called.established()])
}

/** The end of a call, after which nothing of it is left on the gateway. */
export async function part(t: Tap, network: ClientNetwork, quitter: Phone, other: Phone): Promise<void> {
  await quitter.hangup()
  await Promise.all([quitter.ended(), other.ended()])
  t.same(await network.leftovers(), NOTHING, 'nothing is left')
}

/** A call from each side; both hear each other in both. */
export async function callsBothWays(t: Tap, network: ClientNetwork, inside: Phone, outside: Phone): Promise<void> {
  for (const [caller, called] of [
    [inside, outside],
    [outside, inside],
  ] as const) {
    await talk(caller, called)
    t.same(await network.heard(inside, outside), [outside.hz, inside.hz], `${caller.user} calls`)
    await part(t, network, called, caller)
  }
}
