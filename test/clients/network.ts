import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SipHelper } from '../../lib/index.js'
import { type GatewayLab, gatewayLab, type Namespace, pause } from '../../lib/testing/index.js'
import type { Family } from '../../types/endpoint.js'
import type { SipHelperOptions } from '../../types/options.js'
import { Baresip } from './baresip.js'
import { startKamailio } from './kamailio.js'
import { Linphone } from './linphone.js'
import { type Phone, type PhoneSettings, Wire } from './phone.js'
import type { ClientProcess } from './process.js'
import { type Pitch, pitch, type Sound } from './tone.js'

export interface ClientNetworkOptions {
  /** False: nobody helps on the gateway. Default: with the library's own defaults. */
  readonly helper?: false | Partial<SipHelperOptions>
  /** Default 4. With 6 the gateway masquerades too. */
  readonly family?: Family
}

type Extras = Partial<Pick<PhoneSettings, 'hz' | 'autoAnswer' | 'transport' | 'video' | 'ice' | 'rtcpMux' | 'early'>>
type Side = 'inside' | 'outside'

interface Opener<T extends Phone> {
  open(settings: PhoneSettings): Promise<T>
}

/** What addresses begin with, and how much of them is the net's. */
const nets = {
  4: { inside: '192.168.7.', outside: '198.51.100.', length: 24 },
  6: { inside: 'fd00:7::', outside: '2001:db8:1::', length: 64 },
} as const

/**
 * Phones, each on its own address in its own namespace, at two switches: inside 192.168.7.0/24 behind a masquerading gateway that
 * forwards nothing new inwards, outside 198.51.100.0/24 with Kamailio as registrar and proxy. Logs of all stay after `close(false)`.
 */
export class ClientNetwork {
  readonly lab: GatewayLab
  /** Undefined where nobody helps. */
  readonly sip: SipHelper | undefined
  readonly refusals: string[] = []
  readonly errors: Error[] = []
  readonly family: Family
  /** The address of registrar and proxy. */
  readonly proxy: string
  readonly directory: string
  readonly #phones: { phone: Phone; wire: Wire }[] = []
  #kamailio: ClientProcess | undefined
  #pitch = 400

  private constructor(options: ClientNetworkOptions) {
    this.family = options.family ?? 4
    this.proxy = `${nets[this.family].outside}10`
    this.lab = gatewayLab({ family: this.family })
    this.directory = mkdtempSync(join(tmpdir(), 'cthelper-clients-'))
    asSwitch(this.lab.phone)
    asSwitch(this.lab.provider)
    if (options.helper === false) return
    this.sip = new SipHelper({ inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path, ...options.helper })
    this.sip.on('refused', ({ reason, detail }) => this.refusals.push(`${reason}: ${detail}`))
    this.sip.on('error', (error) => this.errors.push(error))
  }

  static async open(options: ClientNetworkOptions = {}): Promise<ClientNetwork> {
    const network = new ClientNetwork(options)
    try {
      await network.sip?.start()
      const host = network.#host('proxy', 'outside', network.proxy)
      network.#kamailio = await startKamailio(host, network.proxy, network.directory)
      return network
    } catch (error) {
      await network.close(false)
      throw error
    }
  }

  baresip(side: Side, user: string, extras: Extras = {}): Promise<Baresip> {
    return this.#phone(Baresip, side, user, extras)
  }

  linphone(side: Side, user: string, extras: Extras = {}): Promise<Linphone> {
    return this.#phone(Linphone, side, user, extras)
  }

  /** What came over a phone's wire. */
  wire(phone: Phone): Wire {
    return this.#phones.find((it) => it.phone === phone)!.wire
  }

  /** The pitch that each phone's recorder gets in the coming second. */
  async heard(...phones: Phone[]): Promise<number[]> {
    return hzOf(await listen(phones.map((phone) => () => phone.recording())))
  }

  /** The pitch that comes over each phone's wire in the coming second. */
  async arriving(...phones: Phone[]): Promise<number[]> {
    return hzOf(await listen(phones.map((phone) => () => this.wire(phone).incoming())))
  }

  /** Whether it comes true in time. */
  async until(isTrue: () => boolean, timeoutMs = 3000): Promise<boolean> {
    for (let i = 0; i < timeoutMs / 50 && !isTrue(); i++) await pause(50)
    return isTrue()
  }

  /** What the helper keeps of calls, once it is nothing, or after three seconds. Empty where nobody helps. */
  async leftovers(): Promise<object> {
    const sizes = () => this.sip?.status().sizes ?? {}
    await this.until(() => !sizes().calls && !sizes().ports)
    const media = this.sip?.pinholes().filter(({ kind }) => kind === 'media') ?? []
    return { calls: this.sip?.calls() ?? [], media, refusals: this.refusals, errors: this.errors }
  }

  /** Ends everything. The logs are kept, and their place is said, where the test has not passed. */
  async close(passed: boolean): Promise<void> {
    await Promise.all(this.#phones.map(({ phone }) => phone.stop()))
    await this.#kamailio?.kill()
    await this.sip?.stop()
    this.lab.close()
    if (passed) rmSync(this.directory, { recursive: true, force: true })
    else console.error(`logs of the clients: ${this.directory}`)
  }

  async #phone<T extends Phone>(opener: Opener<T>, side: Side, user: string, extras: Extras): Promise<T> {
    const address = `${nets[this.family][side]}${30 + this.#phones.length}`
    const namespace = this.#host(user, side, address)
    const directory = join(this.directory, user)
    mkdirSync(directory)
    this.#pitch += 100
    const wire = await Wire.open({ namespace, address })
    const phone = await opener.open({
      user,
      namespace,
      address,
      proxy: this.proxy,
      hz: this.#pitch,
      directory,
      ...extras,
    })
    this.#phones.push({ phone, wire })
    return phone
  }

  #host(name: string, side: Side, address: string): Namespace {
    const { lab, phone, provider, gatewayInside } = this.lab
    const host = lab.namespace(name)
    lab.link(
      host,
      'eth0',
      [`${address}/${nets[this.family].length}`],
      side === 'inside' ? phone : provider,
      `to-${name}`,
      [],
    )
    const hub = side === 'inside' ? phone : provider
    hub.ip(`link set to-${name} master hub`)
    // Outside, what is not of this net goes to nobody: no answer to an address that should not have left the inside.
    const nobody = `${nets[this.family].outside}9`
    const router = this.family === 4 ? gatewayInside.v4 : gatewayInside.v6
    host.ip(`route add default via ${side === 'inside' ? router : nobody}`)
    return host
  }
}

/** The lab's end becomes a bridge without an address; phones and proxy hang on it. */
function asSwitch(namespace: Namespace): void {
  namespace.ip('addr flush dev eth0', 'link add hub type bridge', 'link set eth0 master hub', 'link set hub up')
}

const hzOf = (pitches: readonly Pitch[]): number[] => pitches.map(({ hz }) => hz)

/** Lets what is under way arrive, then measures what is new after a second. */
async function listen(ears: readonly (() => Sound)[]): Promise<Pitch[]> {
  await pause(300)
  const before = ears.map((ear) => ear().samples.length)
  await pause(1000)
  return ears.map((ear, i) => {
    const { rate, samples } = ear()
    return pitch({ rate, samples: samples.subarray(before[i]) })
  })
}
