import type { Endpoint } from '../../../types/endpoint.js'
import {
  Capture,
  type CapturedPacket,
  type GatewayLab,
  gatewayLab,
  pause,
  RtpMeter,
  runSipp,
  sdpTarget,
  sendRtp,
  UdpEndpoint,
} from '../../testing/index.js'
import { callee, caller } from './scenario.js'

/** The phone's and the provider's ends, and the two ports media uses. */
export interface Ends {
  readonly phone: Endpoint
  readonly provider: Endpoint
  readonly phoneMedia: Endpoint
  readonly providerMedia: Endpoint
}

/** Packets the gateway's kernel let through, by its own counters. */
export interface Counted {
  readonly out: number
  readonly in: number
}

/** Column of the last packet id in /proc/net/netfilter/nfnetlink_queue. */
const LAST_ID = 7

/**
 * A gateway as an administrator would set it up: it forwards SIP from inside, what belongs to it, and nothing else. Named counters on
 * the accepting rules count the media.
 */
const ruleset = ({ phoneMedia, providerMedia }: Ends): string => `
  delete table inet lab
  table inet demo {
    counter audio_out { }
    counter audio_in { }
    chain forward {
      type filter hook forward priority 0; policy drop;
      ct state established,related udp dport ${providerMedia.port} counter name "audio_out" accept
      ct state established,related udp dport ${phoneMedia.port} counter name "audio_in" accept
      ct state established,related accept
      iifname "lan0" oifname "wan0" udp dport 5060 accept
    }
    chain source {
      type nat hook postrouting priority 100
      oifname "wan0" masquerade
    }
  }`

/** Phone, gateway and provider in three network namespaces, with SIPp at both ends and RTP senders beside it. */
export class Network {
  readonly lab: GatewayLab
  readonly ends: Ends
  readonly #phoneAudio: UdpEndpoint
  readonly #providerAudio: UdpEndpoint

  private constructor(lab: GatewayLab, ends: Ends, phoneAudio: UdpEndpoint, providerAudio: UdpEndpoint) {
    this.lab = lab
    this.ends = ends
    this.#phoneAudio = phoneAudio
    this.#providerAudio = providerAudio
  }

  static async open(): Promise<Network> {
    const lab = gatewayLab()
    const [phone, provider] = [lab.phones[0]!.v4, lab.registrar.v4]
    const ends = {
      phone: { address: phone, port: 5060 },
      provider: { address: provider, port: 5060 },
      phoneMedia: { address: phone, port: 4000 },
      providerMedia: { address: lab.mediaServer.v4, port: 6000 },
    }
    lab.gateway.nft(ruleset(ends))
    const phoneAudio = await UdpEndpoint.open(lab.phone, ends.phoneMedia)
    const providerAudio = await UdpEndpoint.open(lab.provider, ends.providerMedia)
    return new Network(lab, ends, phoneAudio, providerAudio)
  }

  /** What nft(8) reads from the named counters. */
  counted(): Counted {
    const text = this.lab.gateway.runSync(['nft', '-j', 'list', 'counters', 'table', 'inet', 'demo'])
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { name: string; packets: number } }[] }
    const packets = (name: string) => nftables.find(({ counter }) => counter?.name === name)?.counter?.packets ?? -1
    return { out: packets('audio_out'), in: packets('audio_in') }
  }

  /** Packets that the gateway's kernel has queued so far, to whatever queue. */
  queued(): number {
    const text = this.lab.gateway.runSync(['cat', '/proc/net/netfilter/nfnetlink_queue'])
    const rows = text.split('\n').map((line) => line.trim().split(/\s+/))
    return rows.reduce((sum, row) => sum + Number(row[LAST_ID] ?? 0), 0)
  }

  /** `conntrack -L expect`, a line an expectation. */
  async expected(): Promise<string[]> {
    const { stdout } = await this.lab.gateway.exec(['conntrack', '-L', 'expect'])
    return stdout.split('\n').filter((line) => line.includes('mask-src='))
  }

  /** Starts a call with SIPp at both ends, and watches it on both sides of the gateway. */
  async call(talkMs: number): Promise<Call> {
    const { phone, gateway, provider } = this.lab
    const { ends } = this
    const filter = 'udp port 5060'
    const [inside, outside] = await Promise.all([
      Capture.start(gateway, { device: 'lan0', filter }),
      Capture.start(gateway, { device: 'wan0', filter }),
    ])
    const answering = runSipp(provider, { scenario: callee(ends.providerMedia), local: ends.provider, timeoutSec: 20 })
    await pause(300)
    const scenario = caller(ends.phoneMedia, talkMs)
    const calling = runSipp(phone, { scenario, local: ends.phone, remote: ends.provider, timeoutSec: 20 })
    const ended = Promise.all([calling, answering]).then((results) => {
      const failed = results.find(({ code }) => code !== 0)
      return failed ? failed.errors.trim() || `SIPp exited with ${failed.code}` : undefined
    })
    return new Call(inside, outside, ended)
  }

  /** Audio both ways, `count` packets each: the phone to where the provider said, the provider to where it was told. */
  async talk(count: number, toPhone: Endpoint): Promise<{ atPhone: number; atProvider: number }> {
    const [atPhone, atProvider] = [new RtpMeter(this.#phoneAudio), new RtpMeter(this.#providerAudio)]
    const [fromPhone, fromProvider] = [randomSsrc(), randomSsrc()]
    await Promise.all([
      sendRtp(this.#phoneAudio, this.ends.providerMedia, { ssrc: fromPhone, count }),
      sendRtp(this.#providerAudio, toPhone, { ssrc: fromProvider, count }),
    ])
    await pause(200)
    atPhone.close()
    atProvider.close()
    return { atPhone: atPhone.received(fromProvider), atProvider: atProvider.received(fromPhone) }
  }

  close(): void {
    this.#phoneAudio.close()
    this.#providerAudio.close()
    this.lab.close()
  }
}

const randomSsrc = (): number => Math.floor(Math.random() * 0xffffffff)

/** A call under way, seen by tcpdump on both sides of the gateway. */
export class Call {
  readonly #inside: Capture
  readonly #outside: Capture
  /** Resolves when SIPp has ended at both ends: undefined, or what went wrong. */
  readonly ended: Promise<string | undefined>

  constructor(inside: Capture, outside: Capture, ended: Promise<string | undefined>) {
    this.#inside = inside
    this.#outside = outside
    this.ended = ended
  }

  /** The first message that begins so, as it went over the inside and the outside wire. Rejects when none comes in five seconds. */
  async message(start: string): Promise<{ inside: string; outside: string }> {
    const [inside, outside] = await Promise.all([find(this.#inside, start), find(this.#outside, start)])
    return { inside, outside }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#inside.stop(), this.#outside.stop()])
  }
}

async function find(capture: Capture, start: string): Promise<string> {
  for (let tries = 0; tries < 250; tries++) {
    const found = capture
      .packets()
      .map(textOf)
      .find((text) => text.startsWith(start))
    if (found !== undefined) return found
    await pause(20)
  }
  throw new Error(`no ${start} was seen on the wire`)
}

const textOf = ({ payload }: CapturedPacket): string => Buffer.from(payload).toString('latin1')

/** Where a message's session description says that media goes. Throws when it has none. */
export function mediaTarget(message: string): Endpoint {
  const target = sdpTarget(message.slice(message.indexOf('\r\n\r\n') + 4))
  if (!target) throw new Error('the message has no session description')
  return target
}
