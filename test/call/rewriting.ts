/** What tests of rewriting share: flows, and a message sent there and back. */
import type { Flow, Way } from '../../types/flow.js'
import { edited, endpoint, flowOf, INSIDE, OUTSIDE, PEER, scanned, type World } from './world.js'

export const natted: Flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 40000), endpoint(PEER, 5060))
export const kept: Flow = flowOf(endpoint(INSIDE, 5060), endpoint(OUTSIDE, 5060), endpoint(PEER, 5060))
export const v6: Flow = flowOf(
  endpoint('fd00::10', 5060),
  endpoint('2001:db8::1', 40000),
  endpoint('2001:db8::20', 5060),
)

/** A new engine's edits of `text`, and of the result on its way back. */
export function there(world: World, text: string, flow: Flow, way: Way): string {
  return edited(text, world.engine.plan(scanned(text), flow, way, world.now))
}

/** The flow, with nothing remembered of what was left out. */
export const fresh = (flow: Flow): Flow => ({ ...flow, binding: { ...flow.binding, implied: undefined } })

/** A request with these header lines and what every message needs besides. */
export function message(lines: readonly string[], startLine = 'OPTIONS sip:two@test.invalid SIP/2.0'): string {
  const names = new Set(lines.map((line) => line.slice(0, line.indexOf(':')).trim().toLowerCase()))
  const compact: Record<string, string> = { via: 'v', from: 'f', to: 't', 'call-id': 'i' }
  const standard = [
    ['Via', 'SIP/2.0/UDP other.invalid;branch=z9hG4bK1'],
    ['From', '<sip:one@test.invalid>;tag=a'],
    ['To', '<sip:two@test.invalid>'],
    ['Call-ID', `call@${INSIDE}`],
    ['CSeq', '1 OPTIONS'],
  ].filter(([name]) => !names.has(name!.toLowerCase()) && !names.has(compact[name!.toLowerCase()] ?? '-'))
  return [startLine, ...lines, ...standard.map(([name, value]) => `${name}: ${value}`), '', ''].join('\r\n')
}
