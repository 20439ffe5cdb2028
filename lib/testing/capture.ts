import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import type { Endpoint, Family } from '../../types/endpoint.js'
import { formatAddress } from '../base/address.js'
import { CthelperError } from '../base/errors.js'
import type { Namespace } from './netns.js'
import { pause, scaled } from './time.js'

/** One IP packet as tcpdump saw it; fragments after the first have ports 0 and their bytes as payload. */
export interface CapturedPacket {
  /** Seconds since 1970, microseconds as fraction. */
  readonly timeSec: number
  readonly family: Family
  /** IP protocol: 17 UDP, 6 TCP. For IPv6 the first header after the fixed one. */
  readonly protocol: number
  readonly source: Endpoint
  readonly destination: Endpoint
  /** The whole IP packet. */
  readonly ip: Uint8Array
  /** Of UDP, what follows its header; of anything else, what follows the IP header. */
  readonly payload: Uint8Array
}

const GLOBAL_HEADER_BYTES = 24
const RECORD_HEADER_BYTES = 16
/** Bytes before the IP packet, by LINKTYPE_: Ethernet, raw IP, LINUX_SLL, LINUX_SLL2. */
const linkHeaderBytes = new Map([
  [1, 14],
  [101, 0],
  [113, 16],
  [276, 20],
])

/** Packets of a libpcap file in this machine's byte order (magic a1b2c3d4). What is not IPv4 or IPv6 is left out. */
export function decodePcap(file: Uint8Array): CapturedPacket[] {
  const packets: CapturedPacket[] = []
  if (file.length < GLOBAL_HEADER_BYTES) return packets
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  if (view.getUint32(0, true) !== 0xa1b2c3d4)
    throw new CthelperError('ERR_ARGUMENT', 'decode pcap', 'not a little-endian pcap file')
  const skip = linkHeaderBytes.get(view.getUint32(20, true))
  if (skip === undefined)
    throw new CthelperError('ERR_ARGUMENT', 'decode pcap', `link type ${view.getUint32(20, true)}`)
  let at = GLOBAL_HEADER_BYTES
  while (at + RECORD_HEADER_BYTES <= file.length) {
    const start = at + RECORD_HEADER_BYTES
    const end = start + view.getUint32(at + 8, true)
    if (end > file.length) break
    const timeSec = view.getUint32(at, true) + view.getUint32(at + 4, true) / 1e6
    const packet = decodeIp(file.subarray(start + skip, end), timeSec)
    if (packet) packets.push(packet)
    at = end
  }
  return packets
}

function decodeIp(ip: Uint8Array, timeSec: number): CapturedPacket | undefined {
  const family = ip[0]! >> 4
  if (family !== 4 && family !== 6) return undefined
  const isV4 = family === 4
  const headerBytes = isV4 ? (ip[0]! & 15) * 4 : 40
  const length = isV4 ? (ip[2]! << 8) | ip[3]! : 40 + ((ip[4]! << 8) | ip[5]!)
  const protocol = isV4 ? ip[9]! : ip[6]!
  // Ethernet pads short frames; the IP length says where the packet ends.
  const body = ip.subarray(headerBytes, length)
  const isLaterFragment = isV4 && (((ip[6]! & 31) << 8) | ip[7]!) !== 0
  const hasPorts = (protocol === 17 || protocol === 6) && !isLaterFragment && body.length >= 4
  const port = (offset: number) => (hasPorts ? (body[offset]! << 8) | body[offset + 1]! : 0)
  const addressBytes = isV4 ? 4 : 16
  const sourceAt = isV4 ? 12 : 8
  return {
    timeSec,
    family,
    protocol,
    source: { address: formatAddress(ip, sourceAt, family), port: port(0) },
    destination: { address: formatAddress(ip, sourceAt + addressBytes, family), port: port(2) },
    ip: ip.subarray(0, length),
    payload: hasPorts && protocol === 17 ? body.subarray(8) : body,
  }
}

export interface CaptureOptions {
  readonly device: string
  /** pcap-filter(7) expression; default `udp`. */
  readonly filter?: string
  /** Packets after which tcpdump ends by itself; default 10000. */
  readonly maxPackets?: number
}

/**
 * A tcpdump in a namespace: the witness of what went over a wire. Needs root and tcpdump.
 *
 * @example
 * const witness = await Capture.start(lab.gateway, { device: 'wan0', filter: 'udp port 5060' })
 * // ... traffic ...
 * const packets = await witness.stop()
 */
export class Capture {
  readonly #child: ChildProcess
  readonly #chunks: Buffer[] = []

  private constructor(child: ChildProcess) {
    this.#child = child
    child.stdout?.on('data', (chunk: Buffer) => this.#chunks.push(chunk))
  }

  /** Resolves when tcpdump is listening. Rejects with its complaint when it is not. */
  static async start(namespace: Namespace, options: CaptureOptions): Promise<Capture> {
    const { device, filter = 'udp', maxPackets = 10_000 } = options
    const argv = [
      'tcpdump',
      '-Z',
      'root',
      '-n',
      '-U',
      '--immediate-mode',
      '-c',
      String(maxPackets),
      '-i',
      device,
      '-w',
      '-',
      filter,
    ]
    const child = namespace.spawn(argv, { stdio: ['ignore', 'pipe', 'pipe'] })
    const capture = new Capture(child)
    let said = ''
    await new Promise<void>((resolve, reject) => {
      const fail = () => reject(new CthelperError('ERR_KERNEL', argv.join(' '), `tcpdump: ${said.trim()}`))
      const timer = setTimeout(fail, scaled(5000))
      child.once('exit', fail)
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text
        if (!said.includes('listening on')) return
        clearTimeout(timer)
        child.off('exit', fail)
        resolve()
      })
    })
    return capture
  }

  /** What was seen so far. */
  packets(): CapturedPacket[] {
    return decodePcap(Buffer.concat(this.#chunks))
  }

  /** Ends tcpdump and returns what it saw. A packet that was sent just before is waited for. */
  async stop(): Promise<CapturedPacket[]> {
    await pause(50)
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGINT')
      await once(this.#child, 'close')
    }
    return this.packets()
  }
}
