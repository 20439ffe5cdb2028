import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pause } from '../../lib/testing/index.js'
import { type Phone, type PhoneSettings, uriHost, writeTone } from './phone.js'
import { ClientProcess } from './process.js'
import { RATE, readWav, type Sound } from './tone.js'

const configuration = ({ user, proxy, ice, early }: PhoneSettings) => `[sip]
sip_port=5060
sip_tcp_port=0
sip_tls_port=0
use_ipv6=${proxy.includes(':') ? 1 : 0}
guess_hostname=1
register_only_when_network_is_up=0
default_proxy=0
incoming_calls_early_media=${early ? 1 : 0}
[proxy_0]
reg_proxy=<sip:${uriHost(proxy)}>
reg_identity=sip:${user}@${uriHost(proxy)}
reg_expires=60
reg_sendregister=1
publish=0
nat_policy_ref=plain
[net]
nat_policy_ref=plain
[nat_policy_0]
ref=plain
protocols=${ice ? 'ice' : ''}
[rtp]
audio_rtp_port=7078
[video]
enabled=0
[misc]
real_early_media=${early ? 1 : 0}
[audio_codec_0]
mime=PCMA
rate=8000
channels=1
enabled=1
${[
  'opus 48000 2',
  'speex 16000 1',
  'speex 8000 1',
  'speex 32000 1',
  'PCMU 8000 1',
  'GSM 8000 1',
  'G722 8000 1',
  'G729 8000 1',
]
  .map((codec, i) => {
    const [mime, rate, channels] = codec.split(' ')
    return `[audio_codec_${i + 1}]\nmime=${mime}\nrate=${rate}\nchannels=${channels}\nenabled=0\n`
  })
  .join('')}`

/** linphonec, controlled over a terminal. It plays and records WAV files; its recording goes on through holds and further calls. */
export class Linphone implements Phone {
  readonly user: string
  readonly hz: number
  readonly address: string
  readonly uri: string
  readonly #process: ClientProcess
  readonly #heard: string
  #taken = 0

  private constructor(settings: PhoneSettings) {
    const { user, proxy, hz, address, directory, namespace } = settings
    this.user = user
    this.hz = hz
    this.address = address
    this.uri = `sip:${user}@${uriHost(proxy)}`
    this.#heard = join(directory, 'heard.wav')
    // Its database is made in there, the directory is not.
    mkdirSync(join(directory, '.local/share/linphone'), { recursive: true })
    const config = join(directory, 'linphonerc')
    writeFileSync(config, configuration(settings))
    const line = `linphonec -c ${config} -S -d 3 -l ${directory}.trace`
    // Without a terminal linphonec never looks at its sockets; in a pid namespace it dies with its terminal.
    const argv = ['unshare', '--fork', '--pid', '--kill-child', 'script', '-qfec', line, '/dev/null']
    this.#process = new ClientProcess(namespace, argv, `${directory}.log`, { HOME: directory, TERM: 'dumb' })
  }

  /** Resolves when it is registered. */
  static async open(settings: PhoneSettings): Promise<Linphone> {
    const phone = new Linphone(settings)
    await phone.#process.says(/linphonec>/)
    phone.#type('soundcard use files')
    phone.#type(`play ${writeTone(settings)}`)
    phone.#type(`record ${phone.#heard}`)
    if (settings.autoAnswer) phone.#type('autoanswer enable')
    await phone.#registered()
    return phone
  }

  // It tells of registrations only who asks.
  async #registered(): Promise<void> {
    for (let i = 0; i < 40; i++) {
      this.#type('status register')
      await pause(100)
      if (/registered, identity/.test(this.#process.said)) return
    }
    throw new Error(`${this.user} does not register`)
  }

  async dial(uri: string): Promise<void> {
    this.#type(`call ${uri}`)
  }

  async answer(): Promise<void> {
    this.#type('answer')
  }

  async hangup(): Promise<void> {
    this.#type('terminate')
  }

  async hold(): Promise<void> {
    this.#type('pause')
    await this.#next(/is now paused/)
  }

  /** `call`: which, where there are several, numbered from 1 as they were made. */
  async resume(call?: number): Promise<void> {
    this.#type(call ? `resume ${call}` : 'resume')
  }

  async transfer(uri: string): Promise<void> {
    this.#type(`transfer ${uri}`)
  }

  /** Attended: the peer of call `from` is joined with that of call `to`; calls are numbered from 1 as they were made. */
  async join(from: number, to: number): Promise<void> {
    this.#type(`transfer ${from} --to-call ${to}`)
  }

  async rings(): Promise<void> {
    await this.#next(/Receiving new incoming call|is contacting you/)
  }

  async established(): Promise<void> {
    await this.#next(/Media streams established/)
  }

  async ended(): Promise<void> {
    await this.#next(/Call \d+ with [^\n]* (ended|error|declined)/)
  }

  recording(): Sound {
    return existsSync(this.#heard) ? readWav(readFileSync(this.#heard)) : { rate: RATE, samples: new Int16Array(0) }
  }

  async stop(how: 'goodbye' | 'kill' = 'kill'): Promise<void> {
    if (how === 'goodbye') {
      this.#type('quit')
      await this.#process.says(/Terminating/)
    }
    await this.#process.kill()
  }

  #type(line: string): void {
    this.#process.write(`${line}\n`)
  }

  /** Waits for a text after the last one that was waited for. */
  async #next(pattern: RegExp): Promise<void> {
    const from = this.#taken
    const match = await this.#process.says(pattern, { from }).catch((error: Error) => {
      throw new Error(`${this.user} ${error.message}`)
    })
    this.#taken = from + match.index + match[0].length
  }
}
