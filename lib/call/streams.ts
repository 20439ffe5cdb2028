import type { Endpoint } from '../../types/endpoint.js'
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

  find({ address, port }: Endpoint, outsideAddress: string): LocalStream | undefined {
    return this.#hosts.get(`${outsideAddress}|${address}`)?.get(port)
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
    if (ports) ports.set(local.inside.port, local)
    else this.#hosts.set(key, new Map([[local.inside.port, local]]))
    this.#size++
    this.#count(local, local.portCount)
  }

  remove(local: LocalStream): void {
    const key = `${local.outsideAddress}|${local.inside.address}`
    const ports = this.#hosts.get(key)
    if (!ports?.delete(local.inside.port)) return
    this.#size--
    this.#count(local, -local.portCount)
    if (ports.size === 0) this.#hosts.delete(key)
  }
}
