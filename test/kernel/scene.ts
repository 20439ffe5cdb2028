import { anchorConntrack, maskFor, openConntrack } from '../../lib/conntrack/index.js'
import { SipHelper } from '../../lib/index.js'
import {
  type GatewayLab,
  type GatewayLabOptions,
  gatewayLab,
  RtpMeter,
  type SipPeer,
  type SipText,
  scaled,
  sdpTarget,
  sdpText,
  sendRtp,
  UdpEndpoint,
} from '../../lib/testing/index.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { SipHelperOptions } from '../../types/options.js'

export interface SceneOptions extends GatewayLabOptions {
  readonly helper?: Partial<SipHelperOptions>
}

/** A gateway lab with the helper running on its gateway, and what tests of calls say again and again. */
export class Scene {
  readonly lab: GatewayLab
  readonly family: Family
  readonly sip: SipHelper
  readonly refusals: string[] = []
  readonly errors: Error[] = []
  readonly #endpoints: UdpEndpoint[] = []

  private constructor(options: SceneOptions) {
    this.lab = gatewayLab(options)
    this.family = options.family === 6 ? 6 : 4
    this.sip = new SipHelper({
      inside: ['lan0'],
      outside: ['wan0'],
      netns: this.lab.gateway.path,
      ...translation(options.helper),
      ...options.helper,
    })
    this.sip.on('refused', ({ reason }) => this.refusals.push(reason))
    this.sip.on('error', (error) => this.errors.push(error))
  }

  static async open(options: SceneOptions = {}): Promise<Scene> {
    const scene = new Scene(options)
    try {
      await scene.sip.start()
      const { translation: wanted } = translation(options.helper)
      if (wanted && scene.sip.status().translation !== wanted) throw new Error(`no translation by ${wanted}`)
    } catch (error) {
      scene.lab.close()
      throw error
    }
    return scene
  }

  /** Another helper's expectations in the same namespace, as a second ALG would have them. */
  static async rival(scene: Scene): Promise<{ occupy(port: number): Promise<void>; close(): void }> {
    const conntrack = await openConntrack({ netns: scene.lab.gateway.path })
    const occupy = async (port: number) => {
      const anchor = anchorConntrack({ family: 4, n: 77, helper: scene.sip.status().carrier!, timeoutSec: 60 })
      const source = { address: scene.address('registrar'), port: 0 }
      const destination = { address: scene.address('gatewayOutside'), port }
      const tuple = { family: 4 as const, protocol: 17, source, destination }
      await conntrack.create(anchor)
      const mask = maskFor(tuple, { sourcePort: false })
      await conntrack.expectations.create({ master: anchor.original, tuple, mask, class: 1 })
    }
    return { occupy, close: () => conntrack.close() }
  }

  /** The lab's address of that name in the scene's family. */
  address(who: 'registrar' | 'mediaServer' | 'stranger' | 'gatewayOutside' | 'gatewayInside'): string {
    const { v4, v6 } = this.lab[who]
    return this.family === 4 ? v4 : v6
  }

  phoneAddress(index = 0): string {
    const { v4, v6 } = this.lab.phones[index]!
    return this.family === 4 ? v4 : v6
  }

  async inside(port: number, phone = 0): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.lab.phone, { address: this.phoneAddress(phone), port }))
  }

  async outside(port: number, who: 'registrar' | 'mediaServer' | 'stranger' = 'registrar'): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.lab.provider, { address: this.address(who), port }))
  }

  #keep(endpoint: UdpEndpoint): UdpEndpoint {
    this.#endpoints.push(endpoint)
    return endpoint
  }

  async close(): Promise<void> {
    await this.sip.stop()
    for (const endpoint of this.#endpoints) endpoint.close()
    this.lab.close()
  }
}

/** Who translates, where the test does not say: the scenes of other files are played again with maps (maps-*.test.ts). */
export function translation({ mode }: Partial<SipHelperOptions> = {}): Pick<SipHelperOptions, 'translation'> {
  const { CTHELPER_TRANSLATION: said } = process.env
  return said && mode !== 'firewall' ? { translation: said as 'function' | 'maps' } : {}
}

let lastSsrc = 0x1000

/** Sends `count` RTP packets and says how many of them, and from where, the other end has. */
export async function hears(from: UdpEndpoint, to: Endpoint, listener: UdpEndpoint, count = 5): Promise<Heard> {
  const meter = new RtpMeter(listener)
  const ssrc = ++lastSsrc
  await sendRtp(from, to, { ssrc, count })
  await new Promise((resolve) => setTimeout(resolve, scaled(60)))
  meter.close()
  const from0 = meter.heard.find((it) => it.ssrc === ssrc)?.from
  return { packets: meter.received(ssrc), from: from0 }
}

export interface Heard {
  readonly packets: number
  readonly from: Endpoint | undefined
}

export interface CallSetup {
  readonly caller: SipPeer
  readonly callee: SipPeer
  /** Where the caller's signalling goes. */
  readonly to: Endpoint
  readonly callerMedia: Endpoint
  readonly calleeMedia: Endpoint
}

/** INVITE, 200, ACK, with a description each. What arrived is returned. */
export async function call({
  caller,
  callee,
  to,
  callerMedia,
  calleeMedia,
}: CallSetup): Promise<{ invite: SipText; arrived: SipText; ok: SipText; answered: SipText }> {
  const body = sdpText({ address: callerMedia.address, ports: [callerMedia.port] })
  const invite = await caller.request('INVITE', to, { body })
  const arrived = await callee.receiveRequest('INVITE')
  const answer = sdpText({ address: calleeMedia.address, ports: [calleeMedia.port] })
  const ok = await callee.respond(arrived, 200, { body: answer })
  const answered = await caller.response(200)
  await caller.ack(invite, answered, to)
  await callee.receiveRequest('ACK')
  return { invite, arrived, ok, answered }
}

/** Where the far side is told to send media to. */
export const target = (message: SipText): Endpoint => sdpTarget(message.body) ?? { address: '', port: 0 }
