import { Counters } from '../../lib/alg/counters.js'
import { Judge, type JudgeOptions } from '../../lib/alg/judge.js'
import { KeepAlive } from '../../lib/alg/keep-alive.js'
import { TcpContacts } from '../../lib/alg/tcp-contacts.js'
import { AddressSet } from '../../lib/base/address-set.js'
import type { World } from '../call/world.js'

/** A judge over a fake kernel, with what it counts and reports. */
export function judgeOver(world: World, failure: 'accept' | 'drop' = 'accept', options: Partial<JudgeOptions> = {}) {
  const counters = new Counters()
  const errors: Error[] = []
  const contacts = new TcpContacts((error) => void errors.push(error))
  const judge = new Judge({
    peers: new AddressSet([]),
    engine: world.engine,
    contacts,
    pinholes: world.pinholes,
    keepAlive: new KeepAlive((operations) => world.kernel.batch(operations)),
    counters,
    policy: { notSip: 'accept', malformed: 'accept', failure },
    now: () => world.now,
    onHeld: () => undefined,
    onEvent: (event) => world.events.push(event),
    onPinholes: () => undefined,
    onError: (error) => void errors.push(error),
    ...options,
  })
  return { judge, counters, contacts, errors }
}
