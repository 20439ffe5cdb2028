import type { Test } from 'tap'
import { frame, onMessage } from '../../examples/rtsp/helper.js'
import { type DefinedHelper, defineHelper } from '../../lib/index.js'
import {
  type GatewayLab,
  gatewayLab,
  type LabNat,
  TcpEndpoint,
  TcpListener,
  UdpEndpoint,
} from '../../lib/testing/index.js'
import type { StreamHelperOptions } from '../../types/define.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { translation } from './scene.js'

export const RTSP = 554

/** A client inside and a server outside, each with RTP and RTCP sockets. */
export class RtspScene {
  readonly lab: GatewayLab
  readonly family: Family
  readonly errors: string[] = []
  readonly refusals: string[] = []
  readonly #t: Test

  constructor(t: Test, family: Family = 4, nat?: LabNat) {
    this.#t = t
    this.family = family
    this.lab = gatewayLab({ family, phones: 2, ...(nat ? { nat } : {}) })
    t.teardown(() => this.lab.close())
  }

  async helper(options: Partial<StreamHelperOptions> = {}): Promise<DefinedHelper> {
    const place = { inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path }
    const helper = defineHelper({
      ...translation(),
      name: 'rtsp',
      ports: [RTSP],
      protocol: 'tcp',
      ...place,
      frame,
      onMessage,
      ...options,
    })
    helper.on('error', ({ message }) => this.errors.push(message))
    helper.on('refused', ({ reason }) => this.refusals.push(reason))
    this.#t.teardown(() => helper.stop())
    await helper.start()
    return helper
  }

  address(addresses: { v4: string; v6: string }): string {
    return this.family === 4 ? addresses.v4 : addresses.v6
  }

  async udp(where: 'phone' | 'provider', addresses: { v4: string; v6: string }, port: number): Promise<UdpEndpoint> {
    const endpoint = await UdpEndpoint.open(this.lab[where], { address: this.address(addresses), port })
    this.#t.teardown(() => endpoint.close())
    return endpoint
  }

  async listen(where: 'phone' | 'provider', addresses: { v4: string; v6: string }): Promise<TcpListener> {
    const listener = await TcpListener.open(this.lab[where], { address: this.address(addresses), port: RTSP })
    this.#t.teardown(() => listener.close())
    return listener
  }

  async connect(server: TcpListener, phone = 0): Promise<Dialogue> {
    const local = { address: this.address(this.lab.phones[phone]!), port: 0 }
    const client = await TcpEndpoint.connect(this.lab.phone, local, server.local)
    this.#t.teardown(() => client.close())
    return new Dialogue(client, await server.accept())
  }

  /** Media sockets of both ends. */
  async media(phone = 0, port = 4000, serverPort = 6970): Promise<Media> {
    const { phones, registrar } = this.lab
    return {
      rtp: await this.udp('phone', phones[phone]!, port),
      rtcp: await this.udp('phone', phones[phone]!, port + 1),
      farRtp: await this.udp('provider', registrar, serverPort),
      farRtcp: await this.udp('provider', registrar, serverPort + 1),
    }
  }
}

export type Media = Record<'rtp' | 'rtcp' | 'farRtp' | 'farRtcp', UdpEndpoint>

/** What client and server say to each other. */
export class Dialogue {
  readonly client: TcpEndpoint
  readonly server: TcpEndpoint
  #cseq = 0

  constructor(client: TcpEndpoint, server: TcpEndpoint) {
    this.client = client
    this.server = server
  }

  /** A request and its response, as they arrive. `from`: who asks. */
  async exchange(
    method: string,
    headers: readonly string[],
    answer: readonly string[],
    { uri = 'rtsp://server.invalid/a', status = '200 OK', from = this.client } = {},
  ): Promise<{ request: string; response: string }> {
    const to = from === this.client ? this.server : this.client
    const cseq = `CSeq: ${++this.#cseq}`
    await from.send([`${method} ${uri} RTSP/1.0`, cseq, ...headers, '', ''].join('\r\n'))
    const request = (await to.receive()).bytes.toString('latin1')
    await to.send([`RTSP/1.0 ${status}`, cseq, ...answer, '', ''].join('\r\n'))
    return { request, response: (await from.receive()).bytes.toString('latin1') }
  }

  /** Sets a stream up, and says where the server is to send to, and the client to. */
  async setup(
    { rtp, farRtp }: Pick<Media, 'rtp' | 'farRtp'>,
    from = this.client,
  ): Promise<{ told: Ports; heard: Ports }> {
    const pair = ({ local: { port } }: UdpEndpoint) => `${port}-${port + 1}`
    const client = `RTP/AVP;unicast;client_port=${pair(rtp)}`
    const asks = async (asked: string) => {
      const told = portsIn(asked, 'client_port')
      const granted = `RTP/AVP;unicast;client_port=${told.join('-')};server_port=${pair(farRtp)}`
      return { told, answer: ['Session: 1234', `Transport: ${granted}`] }
    }
    const to = from === this.client ? this.server : this.client
    const cseq = `CSeq: ${++this.#cseq}`
    await from.send(['SETUP rtsp://server.invalid/a RTSP/1.0', cseq, `Transport: ${client}`, '', ''].join('\r\n'))
    const { told, answer } = await asks((await to.receive()).bytes.toString('latin1'))
    await to.send(['RTSP/1.0 200 OK', cseq, ...answer, '', ''].join('\r\n'))
    const response = (await from.receive()).bytes.toString('latin1')
    return { told, heard: [...portsIn(response, 'client_port'), ...portsIn(response, 'server_port')] }
  }

  teardown = () => this.exchange('TEARDOWN', ['Session: 1234'], [])
}

export type Ports = readonly number[]
export const portsIn = (text: string, name: string): number[] =>
  (new RegExp(`${name}=(\\d+)-(\\d+)`).exec(text) ?? []).slice(1).map(Number)

export const uriHost = (address: string): string => (address.includes(':') ? `[${address}]` : address)
export const endpoint = (address: string, port: number | undefined): Endpoint => ({ address, port: port ?? 0 })
