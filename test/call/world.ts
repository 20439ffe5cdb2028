import { Pinholes, type PinholesOptions } from '../../lib/alg/pinholes.js'
import { splice, splicedLength } from '../../lib/base/range.js'
import { type CallEvent, Engine, type EngineOptions, type Plan } from '../../lib/call/index.js'
import { scanMessage } from '../../lib/sip/index.js'
import { FakeConntrack, sdpText, sipText } from '../../lib/testing/index.js'
import type { ConntrackOperation } from '../../types/conntrack.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Flow, Transport, Way } from '../../types/flow.js'
import type { SipMessage } from '../../types/sip.js'
import type { Tuple } from '../../types/tuple.js'

export const INSIDE = '192.168.7.10'
export const OUTSIDE = '203.0.113.1'
export const PEER = '198.51.100.20'

export const endpoint = (address: string, port: number): Endpoint => ({ address, port })

export function flowOf(inside: Endpoint, outside: Endpoint, peer: Endpoint): Flow {
  return {
    family: inside.address.includes(':') ? 6 : 4,
    binding: { transport: 'udp', inside, outside, implied: undefined },
    peer,
  }
}

/** The message of `text`; throws when it is none. */
export function scanned(text: string): SipMessage {
  const bytes = Buffer.from(text, 'latin1')
  const scan = scanMessage(bytes, 0, bytes.length)
  if (scan.state !== 'found') throw new Error(`${scan.reason}: ${text}`)
  return scan.value
}

/** `text` with a plan's edits made, which must be in order and apart. */
export function edited(text: string, plan: Plan): string {
  const source = Buffer.from(text, 'latin1')
  const edits = plan.edits()
  for (const [i, edit] of edits.entries()) {
    const last = edits[i - 1]?.end ?? 0
    if (edit.start < last || edit.end < edit.start || edit.end > source.length) throw new Error('edits overlap')
  }
  const target = Buffer.alloc(splicedLength(source.length, edits))
  splice(source, 0, source.length, edits, target, 0)
  return target.toString('latin1')
}

export interface Line {
  readonly callId?: string
  readonly cseq?: number
  readonly from?: string
  readonly to?: string
  readonly by?: Endpoint
  readonly body?: string
  readonly headers?: readonly (readonly [string, string])[]
  readonly uri?: string
}

const line = (by: Endpoint): string =>
  by.address.includes(':') ? `[${by.address}]:${by.port}` : `${by.address}:${by.port}`
const tag = (value: string | undefined): string => (value ? `;tag=${value}` : '')

function headersOf(method: string, { callId = 'c1', cseq = 1, from = 'a', to, by, body, headers = [] }: Line) {
  return [
    ['Via', `SIP/2.0/UDP ${by ? line(by) : 'host.invalid'};branch=z9hG4bK${callId}.${cseq}.${method}`],
    ['From', `<sip:one@test.invalid>${tag(from)}`],
    ['To', `<sip:two@test.invalid>${tag(to)}`],
    ['Call-ID', callId],
    ['CSeq', `${cseq} ${method}`],
    ...(by ? [['Contact', `<sip:x@${line(by)}>`]] : []),
    ...headers,
    ...(body ? [['Content-Type', 'application/sdp']] : []),
  ] as (readonly [string, string])[]
}

export function request(method: string, options: Line = {}): string {
  return sipText(`${method} ${options.uri ?? 'sip:two@test.invalid'} SIP/2.0`, headersOf(method, options), options.body)
}

export function response(status: number, method: string, options: Line = {}): string {
  return sipText(`SIP/2.0 ${status} Test`, headersOf(method, options), options.body)
}

export const sdp = (address: string, ...ports: number[]): string => sdpText({ address, ports })

export interface WorldOptions extends Partial<EngineOptions> {
  readonly pinholes?: Partial<PinholesOptions>
  /** Default one of its own. With `pinholes.kernel` the one behind that. */
  readonly kernel?: FakeConntrack
  readonly expectMax?: number
}

/** The engine and its pinholes over a fake kernel, on a clock that the test moves. */
export class World {
  readonly kernel: FakeConntrack
  readonly engine: Engine
  readonly pinholes: Pinholes
  readonly events: CallEvent[] = []
  /** Every way opened and closed, by identity. */
  readonly opened: unknown[] = []
  readonly closed: unknown[] = []
  now = 1_700_000_000_000
  readonly #flows = new Map<string, Flow>()

  constructor({ pinholes, expectMax, kernel, ...options }: WorldOptions = {}) {
    this.kernel =
      kernel ??
      new FakeConntrack({
        helpers: { cthelper: Array.from({ length: 3 }, () => ({ maxExpected: 0, timeoutSec: 120 })) },
        ...(expectMax === undefined ? {} : { expectMax }),
      })
    this.pinholes = new Pinholes({
      kernel: this.kernel,
      carrier: { name: 'cthelper', timeoutSec: 120 },
      leaseSec: 120,
      firstAnchor: 0,
      ...pinholes,
    })
    this.engine = new Engine({
      source: 'latch',
      early: 'peer',
      // What most tests look at is the ways of media.
      ways: 'registered',
      isGateway: (address) => address === OUTSIDE || address === '192.168.7.1',
      isLive: (path) => this.pinholes.isLive(path),
      ...options,
    })
  }

  flow(
    inside: Endpoint = endpoint(INSIDE, 5060),
    outside: Endpoint = endpoint(OUTSIDE, 5060),
    peer: Endpoint = endpoint(PEER, 5060),
    transport: Transport = 'udp',
  ): Flow {
    const key = JSON.stringify([inside, outside, peer, transport])
    let flow = this.#flows.get(key)
    if (!flow) {
      const binding = this.engine.bindingOf(inside, outside, transport)
      flow = { family: inside.address.includes(':') ? 6 : 4, binding, peer }
      this.#flows.set(key, flow)
    }
    return flow
  }

  /** One message crosses; returns what leaves. */
  async pass(way: Way, text: string, flow: Flow = this.flow()): Promise<string> {
    const plan = this.engine.plan(scanned(text), flow, way, this.now)
    await this.enact(plan)
    const result = edited(text, plan)
    this.events.push(...plan.events)
    return result
  }

  async enact(plan: Plan): Promise<void> {
    const failures = await this.pinholes.apply(plan.open, plan.close, this.now, (path) => this.engine.relocate(path))
    for (const { path, reason, detail } of failures) {
      this.engine.abandon(path)
      plan.events.push({ kind: 'refused', refusal: { reason, callId: path.owner.callId ?? '', detail } })
    }
    this.opened.push(...plan.open)
    this.closed.push(...plan.close, ...failures.map(({ path }) => path))
  }

  out(text: string, flow?: Flow): Promise<string> {
    return this.pass('out', text, flow)
  }

  in(text: string, flow?: Flow): Promise<string> {
    return this.pass('in', text, flow)
  }

  /** Time passes, with the ticks of every second. */
  async wait(seconds: number): Promise<void> {
    for (let i = 0; i < seconds; i++) {
      this.now += 1000
      this.kernel.advance(1)
      const plan = this.engine.expire(this.now)
      await this.enact(plan)
      this.events.push(...plan.events)
      await this.pinholes.tick(this.now)
    }
  }

  async shutdown(): Promise<void> {
    const plan = this.engine.shutdown()
    await this.enact(plan)
    this.events.push(...plan.events)
  }

  /** RTP (or any UDP) from one end to the other meets the gateway, and the helper hears of it. */
  media(source: Endpoint, destination: Endpoint): Endpoint | undefined {
    const family = source.address.includes(':') ? 6 : 4
    const tuple: Tuple = { family, protocol: 17, source, destination }
    const result = this.kernel.packet(tuple)
    if (result.state === 'related') this.pinholes.onExpectedFlow(result.entry, this.now)
    return result.state === 'new' ? undefined : result.delivered.destination
  }

  /** As of the kernel: `far -> outside` of every expectation but the holders. */
  ways(): string[] {
    return this.kernel
      .expectationList()
      .filter((it) => it.class < 2)
      .map(
        ({ tuple: { source, destination } }) =>
          `${source.address}:${source.port}>${destination.address}:${destination.port}`,
      )
      .sort()
  }

  refusals(): string[] {
    return this.events.flatMap((event) => (event.kind === 'refused' ? [event.refusal.reason] : []))
  }

  ends(): string[] {
    return this.events.flatMap((event) => (event.kind === 'end' ? [event.call.endReason ?? '?'] : []))
  }

  /** Hears of flows and of their ends as the helper does: a moment later. */
  listen(): void {
    const repair = (operations: readonly ConntrackOperation[]) => void this.kernel.batch(operations)
    this.kernel.events({
      groups: ['conntrack-new', 'conntrack-destroy'],
      onEvent: (event) => {
        if (!('entry' in event)) return
        const { original, id } = event.entry
        if (event.kind === 'conntrack-destroy') repair(this.pinholes.onDestroyed(original, id))
        else {
          repair(this.pinholes.onExpectedFlow(event.entry, this.now))
        }
      },
      onOverrun: () => undefined,
    })
  }

  /** `conntrack -F`: every entry goes. */
  async flush(): Promise<void> {
    await this.kernel.batch(this.kernel.entryList().map(({ original: tuple }) => ({ kind: 'delete-conntrack', tuple })))
  }

  /** Everything that grows with use. */
  sizes(): Record<string, number> {
    return {
      ...this.engine.size,
      ...this.pinholes.size,
      expectations: this.kernel.expectationList().length,
      conntracks: this.kernel.entryList().length,
    }
  }
}

/** What `sizes` is when nothing is left. */
export const NOTHING: Record<string, number> = {
  calls: 0,
  streams: 0,
  signallingWays: 0,
  registrations: 0,
  registering: 0,
  ports: 0,
  listening: 0,
  bindings: 0,
  deadlines: 0,
  pinholes: 0,
  flows: 0,
  settling: 0,
  expectations: 0,
  conntracks: 0,
}

/** A usual call out: INVITE, 200, ACK. Returns what left. */
export async function answeredCall(world: World, callId = 'c1', port = 4000, farPort = 6000) {
  const invite = await world.out(request('INVITE', { callId, body: sdp(INSIDE, port) }))
  const ok = await world.in(response(200, 'INVITE', { callId, to: 'b', body: sdp(PEER, farPort) }))
  await world.out(request('ACK', { callId, to: 'b' }))
  return { invite, ok }
}
