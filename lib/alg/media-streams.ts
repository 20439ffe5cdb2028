import type { Endpoint } from '../../types/endpoint.js'
import type { Flow } from '../../types/flow.js'
import { LocalStream, type Path, Ports } from '../call/index.js'

/** The inside ends of a defined helper's media, and the outside ports leased for them. No I/O. */
export class MediaStreams {
  readonly #ports: Ports
  readonly #byInside = new Map<string, LocalStream>()

  /** `range`: first and last outside port; undefined: the inside port itself while it is free. */
  constructor(range: readonly [number, number] | undefined) {
    this.#ports = new Ports({ range })
  }

  get size(): number {
    return this.#byInside.size
  }

  /** The stream at an inside port, with outside ports; undefined where none are left. Who goes on with it holds it. */
  at({ family, binding }: Flow, to: number, rtcpPort: number): LocalStream | undefined {
    const inside: Endpoint = { address: binding.inside.address, port: to }
    const outsideAddress = binding.outside.address
    const known = this.#byInside.get(keyOf(inside, rtcpPort))
    if (known?.outsideAddress === outsideAddress) return known
    const stream = new LocalStream(inside, outsideAddress, family, { transport: 'udp', rtcpPort, count: 1 })
    stream.outsidePort = stream.isTranslated
      ? this.#ports.lease(outsideAddress, to, stream.portCount, stream)
      : inside.port
    return stream.outsidePort === 0 ? undefined : stream
  }

  hold(stream: LocalStream): void {
    stream.holders++
    this.#byInside.set(keyOf(stream.inside, stream.insideRtcpPort), stream)
  }

  /** Gives its ports back when nobody holds it. */
  release(stream: LocalStream): void {
    if (stream.holders > 0 && --stream.holders > 0) return
    const key = keyOf(stream.inside, stream.insideRtcpPort)
    if (this.#byInside.get(key) === stream) this.#byInside.delete(key)
    if (stream.isTranslated) this.#ports.release(stream.outsideAddress, stream.outsidePort, stream.portCount)
  }

  /** The next outside ports, as the kernel would not have these; false when there are none, or the far end has been told. */
  relocate({ local }: Path): boolean {
    if (!local?.isTranslated || local.isAnnounced || local.holders > 1) return false
    local.refused ??= new Set()
    local.refused.add(local.outsidePort)
    const { outsideAddress, inside, portCount, refused } = local
    this.#ports.release(outsideAddress, local.outsidePort, portCount)
    local.outsidePort = this.#ports.lease(outsideAddress, inside.port, portCount, local, refused)
    return local.outsidePort !== 0
  }
}

const keyOf = ({ address, port }: Endpoint, rtcpPort: number): string => `${address} ${port} ${rtcpPort}`
