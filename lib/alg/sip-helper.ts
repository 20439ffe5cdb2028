import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import type { CallInfo, PinholeInfo, RegistrationInfo } from '../../types/call.js'
import type { ConeNatEvents } from '../../types/cone.js'
import type { HelperEvents, HelperStatus } from '../../types/helper.js'
import type { Queue } from '../../types/nfqueue.js'
import type { SipHelperOptions } from '../../types/options.js'
import { AddressSet } from '../base/address-set.js'
import type { CallEvent, Engine } from '../call/index.js'
import { openConntrack } from '../conntrack/index.js'
import { openNftables } from '../nftables/index.js'
import { Answers } from './answers.js'
import { type ConeNat, openCone } from './cone-nat.js'
import { Counters } from './counters.js'
import type { FlowSource } from './flows.js'
import { Interfaces } from './interfaces.js'
import { Judge } from './judge.js'
import { KeepAlive } from './keep-alive.js'
import { KernelEvents } from './kernel-events.js'
import { Lifecycle, raise } from './lifecycle.js'
import { MessageHook } from './message-hook.js'
import { Music } from './music.js'
import { endOffloaded } from './offloaded.js'
import { type OpenedPinholes, openPinholes } from './open-pinholes.js'
import { MODES, type Settings, settingsOf, sipLimits } from './options.js'
import { Outgrown } from './outgrown.js'
import { installOwnTable, tableName, tableOf } from './own-table.js'
import type { Pinholes } from './pinholes.js'
import { Pipeline } from './pipeline.js'
import { openQueues } from './queues.js'
import { RawPackets, UNTRACKED_MARK } from './raw-packets.js'
import { engineOf, flowsOf, handlerOf, pinholesOf } from './sip-parts.js'
import { enableForwarding } from './sysctl.js'
import { segmentsOf } from './tcp.js'
import { TcpContacts } from './tcp-contacts.js'
import type { Tcp } from './tcp-handling.js'

const TICK_MS = 1000
const events = channel('cthelper:event')

/** All that runs while the helper is started. */
interface Running {
  readonly opened: OpenedPinholes
  readonly engine: Engine
  readonly flows: FlowSource
  readonly keepAlive: KeepAlive
  readonly pinholes: Pinholes
  readonly judge: Judge
  readonly queues: readonly Queue[]
  readonly tcp: Tcp
}

/**
 * The SIP helper: rewrites the SIP that crosses this gateway and opens the kernel's way for its media. Start it on the machine
 * that forwards (and translates); what the firewall accepts stays the firewall's to say.
 *
 * Needs CAP_NET_ADMIN. Throws CthelperError: ERR_CONFIG for options (in the constructor) and interfaces that do not exist;
 * ERR_PERMISSION, ERR_IN_USE, ERR_UNSUPPORTED, ERR_ADDON, ERR_KERNEL from `start`, which then leaves nothing behind.
 *
 * @example
 * const sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], media: { ports: [30000, 39999] } })
 * sip.on('call', (call) => console.log(call.callId, call.state))
 * await sip.start()
 */
export class SipHelper extends EventEmitter<HelperEvents> {
  readonly #settings: Settings
  readonly #counters = new Counters()
  readonly #lifecycle = new Lifecycle((error) => this.#onError(error))
  #running: Running | undefined
  #cone: ConeNat | undefined
  /** With sources of music alone. */
  #music: Music | undefined

  constructor(options: SipHelperOptions) {
    super()
    this.#settings = settingsOf(options)
  }

  /** Resolves when packets are being handled. */
  start(): Promise<void> {
    return this.#lifecycle.start(() => this.#start())
  }

  async #start(): Promise<void> {
    const settings = this.#settings
    const { undo } = this.#lifecycle
    const { netns, inside, outside, zone } = settings
    const { translates } = MODES[settings.mode]
    const onError = (error: Error) => this.#onError(error)
    const interfaces = await Interfaces.open({ netns, inside, outside, onError })
    undo.push(() => interfaces.close())
    const conntrack = await openConntrack({
      ...(netns === undefined ? {} : { netns }),
      ...(zone === 0 ? {} : { zone }),
    })
    undo.push(() => conntrack.close())
    const nftables = openNftables({ netns })
    undo.push(() => nftables.close())
    const opened = await openPinholes({ conntrack, nftables, ...pinholesOf(settings), undo })
    const { pinholes, maps } = opened
    const engine = engineOf(settings, interfaces, pinholes)
    const flows = flowsOf(engine, conntrack, settings)
    const keepAlive = new KeepAlive((operations) => conntrack.batch(operations))
    const counters = this.#counters
    const { policy } = settings
    const contacts = new TcpContacts(onError)
    const { onMessage } = settings
    const hook = onMessage && new MessageHook({ onMessage, engine, onError })
    const judge = new Judge({
      engine,
      contacts,
      hook,
      pinholes,
      keepAlive,
      counters,
      policy,
      peers: new AddressSet(settings.peers),
      now: Date.now,
      onEvent: (event) => this.#tell(event),
      onHeld: (held) => this.#music?.update(held),
      onPinholes: (kind, list) => this.#tellPinholes(kind, list),
      onError,
    })
    const untracked = new RawPackets(netns, UNTRACKED_MARK)
    undo.push(() => untracked.close())
    const pipeline = new Pipeline({
      judge,
      flows,
      counters,
      policy,
      limits: sipLimits(settings),
      answers: new Answers(untracked),
      outgrown: new Outgrown({ mtuOf: (index) => interfaces.mtuOf(index), packets: untracked, onError }),
      wayOf: (packet) => interfaces.wayOf(packet),
    })
    const common = { settings, interfaces, nftables, counters, undo, onError }
    const segments = segmentsOf({ ...common, conntrack, engine, judge, contacts })
    const onRepair = (what: 'pinholes', count: number) => this.#repaired(what, count)
    const kernelEvents = new KernelEvents({ conntrack, flows, pinholes, now: Date.now, onRepair, onError })
    undo.push(() => kernelEvents.close())
    const queues = await openQueues({
      netns,
      number: settings.queue,
      asks: translates,
      handler: handlerOf(pipeline, segments.handler),
      undo,
      onError,
    })
    const music = new Music({
      maps: nftables,
      table: tableName(settings.zone),
      dropsHeld: settings.moh.heldMedia === 'drop',
      onError,
    })
    if (settings.moh.sources.length > 0) this.#music = music
    const table = () => tableOf(settings, interfaces, queues[1]?.number, opened.carrier, music.reinstalled())
    const tcp = await segments.open({ table, firstPacketQueue: queues[1]?.number })
    const onTable = () => this.#repaired('table', 1)
    await installOwnTable({ nftables, table: tcp.table, maps, undo, onRepair: onTable, onError })
    if (opened.carrier.name === 'cthelper') await endOffloaded(conntrack, settings.ports)
    if (settings.cone.ports.length > 0) {
      const onWay = (change: ConeNatEvents['way'][0]) => this.emit('pinhole', change)
      this.#cone = await openCone({ settings, undo, onWay, onError })
    }
    if (settings.masquerade) undo.push(enableForwarding(outside, netns))
    const timer = setInterval(() => this.#tick(), TICK_MS)
    undo.push(() => clearInterval(timer))
    this.#running = { opened, engine, flows, keepAlive, pinholes, judge, queues, tcp }
  }

  #tick(): void {
    const running = this.#running
    if (!running) return
    const { engine, judge, pinholes, keepAlive, tcp } = running
    const now = Date.now()
    tcp.tick()
    const plan = engine.expire(now)
    const enacted = plan.close.length > 0 ? judge.enact(plan) : Promise.resolve(true)
    enacted
      .then(() => judge.tell(plan))
      .then(() => pinholes.tick(now))
      .then(() => keepAlive.tick(now))
      .catch((error) => this.#onError(error))
  }

  /**
   * Takes everything back: table, queues, pinholes with their live flows, leases. Calls under way lose their media; to leave
   * calls running (an update), end the process instead: pinholes then last for the lease and flows for as long as they flow.
   */
  stop(): Promise<void> {
    return this.#lifecycle.stop(() => this.#end())
  }

  async #end(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running) {
      const plan = running.engine.shutdown()
      await running.judge.enact(plan)
      running.judge.tell(plan)
    }
    await this.#music?.settled()
    this.#music = undefined
  }

  calls(): CallInfo[] {
    return this.#running?.engine.calls() ?? []
  }

  pinholes(): PinholeInfo[] {
    return [...(this.#running?.pinholes.list() ?? []), ...(this.#cone?.ways() ?? [])]
  }

  registrations(): RegistrationInfo[] {
    return this.#running?.engine.registered() ?? []
  }

  /** Counts since construction by literal name, and the sizes of everything that grows with use. */
  status(): HelperStatus {
    const running = this.#running
    const counters = this.#counters.snapshot()
    if (!running) return { ...STOPPED, counters }
    const { engine, pinholes, flows, keepAlive, judge, queues, opened, tcp } = running
    const sizes = {
      ...engine.size,
      ...pinholes.size,
      ...renamed(flows.size),
      keptAlive: keepAlive.size,
      waiting: judge.waiting,
      ...tcp.size,
    }
    const counted = queues.map((queue) => ({ number: queue.number, ...queue.counters() }))
    return {
      isRunning: true,
      counters,
      sizes,
      queues: counted,
      carrier: opened.carrier.name,
      translation: opened.translation,
      conntrackDelivered: MODES[this.#settings.mode].translates && queues.length === 1,
      tcp: tcp.status,
    }
  }

  #tell(event: CallEvent): void {
    if (events.hasSubscribers) events.publish(event)
    if (event.kind === 'refused') this.emit('refused', event.refusal)
    else if ('registration' in event) this.emit(event.kind, event.registration)
    else this.emit(event.kind, event.call)
  }

  #tellPinholes(kind: 'open' | 'close', list: () => PinholeInfo[]): void {
    if (this.listenerCount('pinhole') === 0) return
    for (const pinhole of list()) this.emit('pinhole', { kind, pinhole })
  }

  #repaired(what: 'table' | 'pinholes', count: number): void {
    this.#counters.add(`repaired-${what}`, count)
    this.emit('repair', { what, count })
  }

  #onError(error: Error): void {
    this.#counters.add('errors')
    raise(this, error)
  }
}

const STOPPED: Omit<HelperStatus, 'counters'> = {
  isRunning: false,
  sizes: {},
  queues: [],
  carrier: undefined,
  translation: undefined,
  conntrackDelivered: false,
  tcp: { isProxied: false, isFollowed: false, why: 'not running' },
}

function renamed({ flows, first }: FlowSource['size']): Record<string, number> {
  return { signallingFlows: flows, firstPackets: first }
}
