/** RTSP of GStreamer and FFmpeg, clients and servers, through a gateway that takes its outside ports at random. */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { frame, onMessage } from '../../examples/rtsp/helper.js'
import { type DefinedHelper, defineHelper } from '../../lib/index.js'
import { Capture, expectations, type GatewayLab, gatewayLab, type Namespace, until } from '../../lib/testing/index.js'
import type { Family } from '../../types/endpoint.js'
import { uriHost } from './phone.js'
import { ClientProcess } from './process.js'
import { whyNoClients } from './requirements.js'
import { pitch, readWav } from './tone.js'

const skip = whyNoClients('ffmpeg', 'gst-launch-1.0', 'GstRtspServer')
const PORT = 8554
const HZ = 440
const SERVER = fileURLToPath(new URL('rtsp-server.py', import.meta.url))
/** FFmpeg stays at a stream that does not come, GStreamer gives up after five seconds. */
const LISTEN_SEC = 8

/** Of a recording; 0 for less than a second. */
function pitchOf(path: string): number {
  if (!existsSync(path)) return 0
  const sound = readWav(readFileSync(path))
  return sound.samples.length < sound.rate ? 0 : pitch(sound).hz
}

class Stage {
  readonly lab: GatewayLab
  readonly family: Family
  readonly directory: string
  helper: DefinedHelper | undefined
  readonly problems: string[] = []
  readonly #t: Test

  constructor(t: Test, family: Family = 4) {
    this.#t = t
    this.family = family
    this.lab = gatewayLab({ family })
    this.directory = mkdtempSync(join(tmpdir(), 'cthelper-rtsp-'))
    t.teardown(() => {
      this.lab.close()
      if (t.passing()) rmSync(this.directory, { recursive: true, force: true })
      else console.error(`logs of the clients: ${this.directory}`)
    })
    // The server's media leaves by whichever address the kernel takes, and is a stranger's by all but the one it listens at.
    const { provider, mediaServer, stranger } = this.lab
    for (const { v4, v6 } of [mediaServer, stranger])
      provider.ip(`addr del ${family === 4 ? `${v4}/24` : `${v6}/64`} dev eth0`)
    // A NAT that keeps the port helps those who send first: what they open is what they have announced.
    this.lab.gateway.nft('flush chain inet lab source\nadd rule inet lab source oifname "wan0" masquerade random')
  }

  async help(): Promise<DefinedHelper> {
    const place = { inside: ['lan0'], outside: ['wan0'], netns: this.lab.gateway.path }
    const helper = defineHelper({ name: 'rtsp', ports: [PORT], protocol: 'tcp', ...place, frame, onMessage })
    helper.on('error', ({ message }) => this.problems.push(message))
    helper.on('refused', ({ reason }) => this.problems.push(reason))
    this.#t.teardown(() => helper.stop())
    await helper.start()
    return helper
  }

  get server(): string {
    const { v4, v6 } = this.lab.registrar
    return this.family === 4 ? v4 : v6
  }

  url = (path: string): string => `rtsp://${uriHost(this.server)}:${PORT}/${path}`
  path = (name: string): string => join(this.directory, name)

  start(where: Namespace, name: string, argv: readonly string[]): ClientProcess {
    const process = new ClientProcess(where, argv, this.path(`${name}.log`))
    this.#t.teardown(() => process.kill())
    return process
  }

  /** GStreamer's server, with a tone. */
  async serve(where = this.lab.provider, address = this.server): Promise<void> {
    const argv = ['/usr/bin/python3', SERVER, address, `${PORT}`, `${HZ}`]
    await this.start(where, 'server', argv).says(/^ready$/m)
  }

  /** The pitch of what a client has recorded, once it has ended. */
  async hears(name: string, argv: readonly string[], where = this.lab.phone): Promise<number> {
    const bounded = ['timeout', '-s', 'INT', '-k', '5', `${LISTEN_SEC}`, ...argv]
    const player = this.start(where, name, bounded)
    await until(() => !player.isRunning, (LISTEN_SEC + 10) * 1000)
    return pitchOf(this.path(`${name}.wav`))
  }

  ffmpeg(name: string, transport: 'udp' | 'tcp'): Promise<number> {
    const from = ['-rtsp_transport', transport, '-i', this.url('tone'), '-t', '2']
    return this.hears(name, [
      'ffmpeg',
      '-nostdin',
      '-loglevel',
      'warning',
      ...from,
      '-f',
      'wav',
      this.path(`${name}.wav`),
    ])
  }

  gstreamer(name: string): Promise<number> {
    const source = ['rtspsrc', `location=${this.url('tone')}`, 'protocols=udp']
    const sink = [
      'rtppcmadepay',
      '!',
      'alawdec',
      '!',
      'wavenc',
      '!',
      'filesink',
      `location=${this.path(`${name}.wav`)}`,
    ]
    return this.hears(name, ['gst-launch-1.0', '-e', ...source, '!', ...sink])
  }
}

for (const family of [4, 6] as const) {
  t.test(`IPv${family}: media of a GStreamer server arrives at FFmpeg and GStreamer`, { skip }, async (t) => {
    const stage = new Stage(t, family)
    const { gateway } = stage.lab
    const helper = await stage.help()
    const opened: string[] = []
    helper.on('pinhole', ({ kind, pinhole }) => opened.push(`${kind} ${pinhole.far.port === 0 ? 'any' : 'known'}`))
    await stage.serve()
    t.equal(await stage.ffmpeg('ffmpeg', 'udp'), HZ)
    t.same(opened, ['open any', 'close any', 'open known', 'close known'], 'FFmpeg has torn down')
    t.equal(await stage.gstreamer('gstreamer'), HZ)
    t.same(opened.slice(4), opened.slice(0, 4), 'GStreamer too')
    await until(async () => (await expectations(gateway)).length === 0)
    t.same(helper.pinholes(), [])
    t.equal(await stage.ffmpeg('interleaved', 'tcp'), HZ, 'interleaved')
    t.equal(opened.length, 8, 'which needs no way')
    t.same(stage.problems, [])
  })
}

t.test('without a helper there is silence', { skip }, async (t) => {
  const stage = new Stage(t)
  await stage.serve()
  t.equal(await stage.ffmpeg('ffmpeg', 'udp'), 0)
  t.equal(await stage.gstreamer('gstreamer'), 0)
  t.equal(await stage.ffmpeg('interleaved', 'tcp'), HZ, 'though the server is there')
})

/** A client outside plays from a server inside, to which the port is forwarded: what it hears, from where, and what it was told. */
async function playsFromInside(stage: Stage): Promise<{ hz: number; from: string[]; told: string[] }> {
  const { gateway, phone, provider, phones, gatewayOutside } = stage.lab
  const own = phones[0]!.v4
  gateway.nft(`table ip forwarded {
    chain prerouting {
      type nat hook prerouting priority -100;
      iifname "wan0" tcp dport ${PORT} dnat to ${own}
    }
  }
  add rule inet lab forward iifname "wan0" tcp dport ${PORT} accept`)
  const capture = await Capture.start(provider, { device: 'eth0', filter: `udp or tcp port ${PORT}`, maxPackets: 2000 })
  await stage.serve(phone, own)
  const url = `rtsp://${gatewayOutside.v4}:${PORT}/tone`
  const sink = ['rtppcmadepay', '!', 'alawdec', '!', 'wavenc', '!', 'filesink', `location=${stage.path('in.wav')}`]
  const argv = ['gst-launch-1.0', '-e', 'rtspsrc', `location=${url}`, 'protocols=udp', '!', ...sink]
  const hz = await stage.hears('in', argv, provider)
  const packets = capture.packets().filter(({ source }) => source.address === gatewayOutside.v4)
  const text = packets.map(({ payload }) => Buffer.from(payload).toString('latin1')).join('')
  const media = packets.filter(({ payload }) => payload[0] === 0x80)
  const from = [...new Set(media.map(({ source }) => `${source.port}`))]
  const [, rtp = '', rtcp = ''] = /server_port=(\d+)-(\d+)/.exec(text) ?? []
  const named = [...new Set([...text.matchAll(/rtsp:\/\/([^/:]+)/g)].map(([, host]) => host!))]
  return { hz, from: from.sort(), told: [rtp, rtcp, ...named] }
}

t.test('a server inside: its media comes from the ports that the client was told', { skip }, async (t) => {
  const stage = new Stage(t)
  const helper = await stage.help()
  const { hz, from, told } = await playsFromInside(stage)
  t.equal(hz, HZ)
  t.ok(from.length > 0 && from.every((port) => told.slice(0, 2).includes(port)), `from ${from}, told ${told}`)
  t.same(told.slice(2), [stage.lab.gatewayOutside.v4], 'and its URIs name the outside')
  await until(() => helper.pinholes().length === 0)
  t.same(stage.problems, [])
  const alone = await playsFromInside(new Stage(t))
  t.notOk(
    alone.from.some((port) => alone.told.slice(0, 2).includes(port)),
    'without it from others',
  )
})

/** FFmpeg inside sends a tone to FFmpeg outside; returns where it comes from and where that was announced. */
async function records(stage: Stage): Promise<{ hz: number; from: number[]; announced: number[] }> {
  const { provider, phone } = stage.lab
  const capture = await Capture.start(provider, { device: 'eth0', filter: `udp or tcp port ${PORT}`, maxPackets: 2000 })
  const out = stage.path('recorded.wav')
  const listens = ['-rtsp_flags', 'listen', '-i', stage.url('live')]
  const quiet = ['-nostdin', '-loglevel', 'warning']
  const server = stage.start(provider, 'recorder', ['ffmpeg', ...quiet, ...listens, '-f', 'wav', out])
  await until(async () => /:8554 /.test((await provider.exec(['ss', '-ltn'])).stdout))
  const tone = ['-re', '-f', 'lavfi', '-i', `sine=frequency=${HZ}:sample_rate=8000`, '-t', '3', '-c:a', 'pcm_alaw']
  const to = ['-f', 'rtsp', '-rtsp_transport', 'udp', stage.url('live')]
  const sender = stage.start(phone, 'sender', ['ffmpeg', ...quiet, ...tone, ...to])
  await until(() => !sender.isRunning && !server.isRunning, 20_000)
  const packets = capture.packets()
  const text = packets.map(({ payload }) => Buffer.from(payload).toString('latin1')).join('')
  const announced = /client_port=(\d+)-(\d+)/.exec(text) ?? []
  const isMedia = ({ source, payload }: (typeof packets)[0]) => source.address !== stage.server && payload[0] === 0x80
  const from = new Set(packets.filter(isMedia).map(({ source }) => source.port))
  return { hz: pitchOf(out), from: [...from].sort(), announced: announced.slice(1).map(Number) }
}

t.test('FFmpeg records what FFmpeg sends: with the helper from the announced ports', { skip }, async (t) => {
  const stage = new Stage(t)
  await stage.help()
  const { hz, from, announced } = await records(stage)
  t.equal(hz, HZ)
  t.ok(from.length > 0 && from.every((port) => announced.includes(port)), `from ${from}, announced ${announced}`)
  t.same(stage.problems, [])
  const alone = await records(new Stage(t))
  t.notOk(
    alone.from.some((port) => alone.announced.includes(port)),
    'without it from others',
  )
})
