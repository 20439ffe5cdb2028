import type { Endpoint } from '../../types/endpoint.js'
import type { LocalStream } from './media.js'

/** The inside ends of all streams, whichever call they are of, by outside and inside address and by inside port. */
export class Streams {
  readonly #hosts = new Map<string, Map<number, LocalStream>>()
  #size = 0

  get size(): number {
    return this.#size
  }

  find({ address, port }: Endpoint, outsideAddress: string): LocalStream | undefined {
    return this.#hosts.get(`${outsideAddress}|${address}`)?.get(port)
  }

  add(local: LocalStream): void {
    const key = `${local.outsideAddress}|${local.inside.address}`
    const ports = this.#hosts.get(key)
    if (ports) ports.set(local.inside.port, local)
    else this.#hosts.set(key, new Map([[local.inside.port, local]]))
    this.#size++
  }

  remove(local: LocalStream): void {
    const key = `${local.outsideAddress}|${local.inside.address}`
    const ports = this.#hosts.get(key)
    if (!ports?.delete(local.inside.port)) return
    this.#size--
    if (ports.size === 0) this.#hosts.delete(key)
  }
}
