import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { scaled } from '../../lib/testing/index.js'
import { type Phone, type PhoneSettings, uriHost, writeTone } from './phone.js'
import { ClientProcess } from './process.js'
import { RATE, readWav, type Sound } from './tone.js'

/** An event of baresip's ctrl_tcp module. */
export interface BaresipEvent {
  readonly type: string
  readonly peeruri?: string
  readonly id?: string
  readonly param?: string
}

interface Reply {
  readonly token: string
  readonly ok: boolean
  readonly data: string
}

const CONTROL_PORT = 4444
// Its control socket is in its namespace; bash and cat bring it to our pipes.
const RELAY = `exec 3<>/dev/tcp/127.0.0.1/${CONTROL_PORT} || exit 1; cat <&3 & exec cat >&3`

function configuration(settings: PhoneSettings): string {
  const { address, directory, hz, video, ice, rtcpMux } = settings
  const videoLines = [
    'module vp8.so',
    'module fakevideo.so',
    'video_source fakevideo,nil',
    'video_display fakevideo,nil',
    'video_size 176x144',
    'video_fps 5',
  ]
  return [
    'poll_method epoll',
    'module_path /usr/lib/baresip/modules',
    `sip_listen ${uriHost(address)}:5060`,
    'call_max_calls 8',
    'call_local_timeout 30',
    `rtcp_mux ${rtcpMux ? 'yes' : 'no'}`,
    'ringback_disabled yes',
    'jitter_buffer_delay 2-10',
    'ausrc_srate 8000',
    'ausrc_channels 1',
    'auplay_channels 1',
    ...(hz > 0 ? ['module aufile.so', `audio_source aufile,${writeTone(settings)}`] : []),
    'module g711.so',
    'module sndfile.so',
    `snd_path ${directory}`,
    ...(video ? videoLines : []),
    ...(ice ? ['module ice.so'] : []),
    'module_tmp account.so',
    'module_app menu.so',
    'module_app contact.so',
    'module_app debug_cmd.so',
    'module_app ctrl_tcp.so',
    `ctrl_tcp_listen 127.0.0.1:${CONTROL_PORT}`,
    '',
  ].join('\n')
}

function account({ user, proxy, autoAnswer, early, video, ice, transport }: PhoneSettings): string {
  const answering = autoAnswer ? 'auto' : early ? 'early' : 'manual'
  const codecs = `audio_codecs=PCMA;video_codecs=${video ? 'VP8' : 'none'}`
  const uri = `sip:${user}@${uriHost(proxy)}`
  const tcp = transport === 'tcp' ? `;outbound="sip:${uriHost(proxy)};transport=tcp"` : ''
  return `<${uri}>;auth_pass=none;regint=60;answermode=${answering};${codecs}${ice ? ';medianat=ice' : ''}${tcp}\n`
}

/**
 * Baresip, controlled over its ctrl_tcp module. It speaks one tone and records with sndfile; that recorder (1.0.0) is taken out of
 * the stream by the first re-INVITE, so after a hold ask the phone's `Wire`.
 */
export class Baresip implements Phone {
  readonly user: string
  readonly hz: number
  readonly address: string
  readonly uri: string
  readonly #directory: string
  readonly #process: ClientProcess
  readonly #events: BaresipEvent[] = []
  readonly #replies: Reply[] = []
  #relay!: ClientProcess
  #read = 0
  #lastToken = 0

  private constructor(settings: PhoneSettings) {
    const { user, proxy, hz, address, directory, namespace } = settings
    this.user = user
    this.hz = hz
    this.address = address
    this.uri = `sip:${user}@${uriHost(proxy)}`
    this.#directory = directory
    writeFileSync(join(directory, 'config'), configuration(settings))
    writeFileSync(join(directory, 'accounts'), account(settings))
    writeFileSync(join(directory, 'contacts'), '')
    const argv = ['stdbuf', '-oL', 'baresip', address.includes(':') ? '-6' : '-4', '-s', '-f', directory]
    this.#process = new ClientProcess(namespace, argv, `${directory}.log`, { HOME: directory })
  }

  /** Resolves when it is registered. */
  static async open(settings: PhoneSettings): Promise<Baresip> {
    const phone = new Baresip(settings)
    await phone.#process.says(/baresip is ready/)
    phone.#relay = new ClientProcess(settings.namespace, ['bash', '-c', RELAY], `${settings.directory}.events`)
    // Events from before the relay is through are not told later; an answer says that it is.
    await phone.command('about')
    await phone.#process.says(/200 OK[^\n]*\[\d+ binding/)
    return phone
  }

  async dial(uri: string): Promise<void> {
    await this.command('dial', uri)
  }

  async answer(): Promise<void> {
    await this.command('accept')
  }

  async hangup(): Promise<void> {
    await this.command('hangup')
  }

  async hold(): Promise<void> {
    await this.command('hold')
  }

  async resume(): Promise<void> {
    await this.command('resume')
  }

  async transfer(uri: string): Promise<void> {
    await this.command('transfer', uri)
  }

  async rings(): Promise<void> {
    await this.event('CALL_INCOMING')
  }

  async established(): Promise<void> {
    await this.event('CALL_ESTABLISHED')
  }

  async ended(): Promise<void> {
    await this.event('CALL_CLOSED')
  }

  /** Sends a command and resolves with the text it answers. */
  async command(command: string, params = ''): Promise<string> {
    const token = String(++this.#lastToken)
    const text = JSON.stringify({ command, params, token })
    this.#relay.write(`${Buffer.byteLength(text)}:${text},`)
    const reply = await this.#first(`an answer to ${command}`, () => take(this.#replies, (it) => it.token === token))
    if (!reply.ok) throw new Error(`${this.user}: ${command} ${params}: ${reply.data}`)
    return reply.data
  }

  /** The oldest event of that type that was not taken yet. */
  event(type: string, timeoutMs?: number): Promise<BaresipEvent> {
    return this.#first(type, () => take(this.#events, (it) => it.type === type), timeoutMs)
  }

  recording(): Sound {
    const files = readdirSync(this.#directory).filter((name) => name.endsWith('-dec.wav'))
    const parts = files.sort().map((name) => readWav(readFileSync(join(this.#directory, name))))
    return { rate: RATE, samples: Int16Array.from(parts.flatMap(({ samples }) => [...samples])) }
  }

  async stop(how: 'goodbye' | 'kill' = 'kill'): Promise<void> {
    await (how === 'kill' ? this.#process.kill() : this.#process.end())
    await this.#relay?.kill()
  }

  async #first<T>(what: string, find: () => T | undefined, timeoutMs = 8000): Promise<T> {
    const deadline = performance.now() + scaled(timeoutMs)
    for (;;) {
      this.#parse()
      const found = find()
      if (found) return found
      if (!this.#process.isRunning) throw new Error(`${this.user} ended before ${what}`)
      if (!(await this.#relay.changed(deadline))) throw new Error(`${this.user}: no ${what} within ${timeoutMs} ms`)
    }
  }

  /** Netstrings, LENGTH:JSON, one after the other. Lengths are of bytes; what baresip says here is ASCII. */
  #parse(): void {
    const said = this.#relay.said
    for (;;) {
      const colon = said.indexOf(':', this.#read)
      const end = colon + 1 + Number(said.slice(this.#read, colon))
      if (colon < 0 || said.length <= end) return
      const message = JSON.parse(said.slice(colon + 1, end))
      if (message.response) this.#replies.push(message)
      else this.#events.push(message)
      this.#read = end + 1
    }
  }
}

/** Removes and returns the first that fits. */
function take<T>(items: T[], fits: (item: T) => boolean): T | undefined {
  const at = items.findIndex(fits)
  return at < 0 ? undefined : items.splice(at, 1)[0]
}
