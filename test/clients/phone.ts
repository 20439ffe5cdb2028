import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Capture, decodeRtp, type Namespace } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import { decodeAlaw, RATE, type Sound, toneWav } from './tone.js'

/** What every phone of the tests is told about itself. */
export interface PhoneSettings {
  /** Its user at the registrar; also names its log and its directory. */
  readonly user: string
  readonly namespace: Namespace
  /** Its own address, on `eth0`. */
  readonly address: string
  /** Registrar and proxy. */
  readonly proxy: string
  /** The pitch it speaks with; 0: it has no microphone, and sends no media at all. */
  readonly hz: number
  /** Existing and its own. */
  readonly directory: string
  /** Answers by itself. Default false. */
  readonly autoAnswer?: boolean
  /** Baresip only: how it speaks with the proxy. Default udp. */
  readonly transport?: 'udp' | 'tcp'
  /** Default false. */
  readonly video?: boolean
  /** Candidates in its SDP, and checks of them before it sends (RFC 8445). Default false. */
  readonly ice?: boolean
  /** Baresip only: offers RTP and RTCP on one port. Default false. */
  readonly rtcpMux?: boolean
  /** Answers provisionally with SDP; Linphone speaks from then on, baresip listens. Default false. */
  readonly early?: boolean
}

/** A real phone under control. Every wait is bounded and rejects. */
export interface Phone {
  readonly user: string
  readonly hz: number
  readonly address: string
  /** Its address of record. */
  readonly uri: string
  dial(uri: string): Promise<void>
  answer(): Promise<void>
  /** Ends the current call, or refuses the one that rings. */
  hangup(): Promise<void>
  hold(): Promise<void>
  resume(): Promise<void>
  /** Blind: the other side is sent to `uri`. */
  transfer(uri: string): Promise<void>
  /** Resolves once: at the next incoming call that was not waited for yet. */
  rings(): Promise<void>
  established(): Promise<void>
  /** A call is over, whoever ended it. */
  ended(): Promise<void>
  /** All that its own recorder has so far of what it was to play. */
  recording(): Sound
  /** Takes it off the net at once, or lets it say goodbye to the registrar first. */
  stop(how?: 'goodbye' | 'kill'): Promise<void>
}

const TONE_SEC = 90

/** `address` as a URI has it. */
export const uriHost = (address: string): string => (address.includes(':') ? `[${address}]` : address)

/** Its directory's files for speaking: returns the path of the tone. */
export function writeTone({ directory, hz }: PhoneSettings): string {
  mkdirSync(directory, { recursive: true })
  const path = join(directory, 'tone.wav')
  writeFileSync(path, toneWav(hz, TONE_SEC))
  return path
}

/** G.711 A-law, the only codec the phones have. */
const PCMA = 8

/**
 * What comes in over a phone's wire as RTP, whether or not the phone takes it: the witness where the phone has no recorder.
 */
export class Wire {
  readonly #capture: Capture
  readonly #address: string

  private constructor(capture: Capture, address: string) {
    this.#capture = capture
    this.#address = address
  }

  static async open({ namespace, address }: { namespace: Namespace; address: string }): Promise<Wire> {
    const filter = `udp and not port 5060 and host ${address}`
    return new Wire(await Capture.start(namespace, { device: 'eth0', filter, maxPackets: 20_000 }), address)
  }

  /** All A-law RTP towards the phone so far. */
  incoming(): Sound {
    const bytes = this.#capture.packets().flatMap(({ destination, payload }) => {
      const packet = destination.address === this.#address ? decodeRtp(payload) : undefined
      return packet?.payloadType === PCMA ? [...packet.payload] : []
    })
    return { rate: RATE, samples: Int16Array.from(bytes, decodeAlaw) }
  }

  /** From where RTP came, each `ADDRESS` once, in order. */
  sources(): string[] {
    const heard = this.#capture.packets().filter((it) => it.destination.address === this.#address)
    return [
      ...new Set(heard.filter((it) => decodeRtp(it.payload)?.payloadType === PCMA).map((it) => it.source.address)),
    ]
  }

  /** RTCP reports towards the phone so far, on RTP's even ports or on the odd ones. */
  reports(onRtpPort: boolean): number {
    const isHere = ({ address, port }: Endpoint) => address === this.#address && (port % 2 === 0) === onRtpPort
    const incoming = this.#capture.packets().filter(({ destination }) => isHere(destination))
    // Sender and receiver reports, RFC 3550 12.1; as RTP they would be a marked 72 or 73.
    return incoming.filter(({ payload }) => payload[0]! >> 6 === 2 && (payload[1] === 200 || payload[1] === 201)).length
  }
}
