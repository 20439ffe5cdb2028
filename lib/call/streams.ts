import type { Endpoint } from '../../types/endpoint.js'
import type { Transport } from '../../types/flow.js'
import type { LocalStream } from './media.js'

/** The inside ends of all streams, whichever call they are of, by outside and inside address and by inside port. */
export class Streams {
  readonly #hosts = new Map<string, Map<number, LocalStream>>()
  /** Outside ports by inside address. */
  readonly #ports = new Map<string, number>()
  #size = 0

  get size(): number {
    return this.#size
  }

  find({ address, port }: Endpoint, outsideAddress: string, transport: Transport): LocalStream | undefined {
    return this.#hosts.get(`${outsideAddress}|${address}`)?.get(keyOf(port, transport))
  }

  /** Outside ports that the streams of one inside address have. */
  portsOf(insideAddress: string): number {
    return this.#ports.get(insideAddress) ?? 0
  }

  #count({ inside }: LocalStream, ports: number): void {
    const count = this.portsOf(inside.address) + ports
    if (count === 0) this.#ports.delete(inside.address)
    else this.#ports.set(inside.address, count)
  }

  add(local: LocalStream): void {
    const key = `${local.outsideAddress}|${local.inside.address}`
    const ports = this.#hosts.get(key)
    if (ports) ports.set(keyOf(local.inside.port, local.transport), local)
    else this.#hosts.set(key, new Map([[keyOf(local.inside.port, local.transport), local]]))
    this.#size++
    this.#count(local, local.portCount)
  }

  remove(local: LocalStream): void {
    const key = `${local.outsideAddress}|${local.inside.address}`
    const ports = this.#hosts.get(key)
    if (!ports?.delete(keyOf(local.inside.port, local.transport))) return
    this.#size--
    this.#count(local, -local.portCount)
    if (ports.size === 0) this.#hosts.delete(key)
  }
}

/** Ports of the two transports are two things. */
const keyOf = (port: number, transport: Transport): number => (transport === 'tcp' ? port + 0x1_0000 : port)
