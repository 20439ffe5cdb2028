import type { SourcePolicy } from '../../types/conntrack.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { Binding, Transport } from '../../types/flow.js'

const NO_PATHS: readonly Path[] = []

/**
 * The inside end of a stream: where the phone listens, and the outside ports leased for it. One object for as long as any
 * session description of any call names the inside endpoint, so that a hold or a refresh keeps its ports, and two calls that share
 * a socket (a conference, a forked call, a test tool) share the mapping, as the kernel could not tell their packets apart.
 */
export class LocalStream {
  readonly transport: Transport
  readonly family: Family
  readonly inside: Endpoint
  /** The inside RTCP port; 0 when the stream has no RTCP of its own. */
  readonly insideRtcpPort: number
  /** `port/n` of its m= line: so many times RTP and RTCP, one pair after the other (RFC 8866 5.14). */
  readonly count: number
  readonly outsideAddress: string
  /** As its m= line says last: audio, video ... */
  type = ''
  /** First outside port; 0 until leased. RTCP is the next one. May change until announced. */
  outsidePort = 0
  /** The far side has been told the outside ports: they stay. */
  isAnnounced = false
  /** Outside ports that the kernel refused. */
  refused: Set<number> | undefined
  /** Calls that name it. */
  holders = 0
  /** Ways of all these calls. */
  paths: readonly Path[] = NO_PATHS

  constructor(inside: Endpoint, outsideAddress: string, family: Family, shape: StreamShape) {
    this.inside = inside
    this.outsideAddress = outsideAddress
    this.family = family
    this.transport = shape.transport
    this.insideRtcpPort = shape.rtcpPort
    this.count = shape.count
  }

  /** From one RTP port of `port/n` to the next. */
  get step(): number {
    return this.insideRtcpPort === 0 ? 1 : 2
  }

  get portCount(): number {
    return this.count * this.step
  }

  get outsideRtcpPort(): number {
    if (this.insideRtcpPort === 0) return 0
    return this.isTranslated ? this.outsidePort + 1 : this.insideRtcpPort
  }

  /** The outside port that stands for one of its inside ports; 0 when it is none of them, or has none outside. */
  outsidePortOf(port: number): number {
    return this.outsidePort === 0
      ? 0
      : this.#mapped(port, this.inside.port, this.insideRtcpPort, this.outsidePort, this.outsideRtcpPort)
  }

  /** The inside port behind one of its outside ports; 0 when it is none of them. */
  insidePortOf(port: number): number {
    return this.#mapped(port, this.outsidePort, this.outsideRtcpPort, this.inside.port, this.insideRtcpPort)
  }

  #mapped(port: number, rtp: number, rtcp: number, toRtp: number, toRtcp: number): number {
    const { step, count } = this
    const isRun = (first: number) => port >= first && port < first + count * step && (port - first) % step === 0
    if (isRun(rtp)) return port - rtp + toRtp
    return rtcp !== 0 && isRun(rtcp) ? port - rtcp + toRtcp : 0
  }

  get outside(): Endpoint {
    return { address: this.outsideAddress, port: this.outsidePort }
  }

  /** Whether the outside sees another address. Without translation the inside ports stay as they are. */
  get isTranslated(): boolean {
    return this.outsideAddress !== this.inside.address
  }
}

/** What a stream is made of, beside its first port. */
export interface StreamShape {
  readonly transport: Transport
  /** 0: none of its own. */
  readonly rtcpPort: number
  readonly count: number
}

/**
 * The far end of a stream, as its session description names it; where that address cannot be reached from here, the signalling
 * peer's, with port 0: any.
 */
export interface FarStream extends Endpoint {
  /** Undefined: not RTP, or none of its own. */
  readonly rtcp: Endpoint | undefined
  /** `port/n`; undefined: 1. */
  readonly count?: number
}

/** Another end of a stream than that of its c= and m= lines: an ICE candidate (RFC 8839 5.1), or an alternative (RFC 6947). */
interface End {
  /** 1 RTP, 2 RTCP; 0: the whole stream, as c= and m= would name it. */
  readonly component: number
}

export interface InsideEnd extends End {
  readonly local: LocalStream
}

export interface OutsideEnd extends End {
  readonly transport: Transport
  readonly far: FarStream
}

/** What an m= line says beyond address and ports. */
export interface LineTraits<End> {
  /** a=rtcp-mux, which holds when both sides say it (RFC 5761 5.1.1). */
  readonly mux: boolean
  /** a=setup (RFC 4145): who connects. Empty: not said. */
  readonly setup: string
  /** It has candidates: the other side's are used when it has some too (RFC 8839 4.2.5). */
  readonly ice: boolean
  /** Of an ICE session: which line a fragment speaks of, and whether of this session or of an earlier one (RFC 8840 9.2). Empty: not said. */
  readonly mid: string
  readonly ufrag: string
  readonly ends: readonly End[]
}

/** What a description says beyond addresses and ports; index is the m= line. */
export interface Traits<End> {
  readonly lines: readonly (LineTraits<End> | undefined)[]
  /** a=group:BUNDLE (RFC 9143): m= lines that share one transport, the first of each names it. */
  readonly bundles: readonly (readonly number[])[]
}

/** One side's session description, reduced to what pinholes need; index is the m= line. */
interface Described<By, Stream, End> {
  readonly by: By
  readonly streams: readonly (Stream | undefined)[]
  /** Undefined: it has none. */
  readonly traits: Traits<End> | undefined
  readonly held: boolean
}

export type InsideSession = Described<'inside', LocalStream, InsideEnd>
export type OutsideSession = Described<'outside', FarStream, OutsideEnd>
export type Session = InsideSession | OutsideSession

/** Something that owns pinholes: what the listing of pinholes shows beside them. */
export interface PathOwner {
  readonly callId: string | undefined
  /** Connmark of the flows that its pinholes admit; default 0. */
  readonly mark?: number
}

/**
 * A way that shall be open in the kernel: a media stream between one inside and one far end, or signalling to a registered
 * phone. What it says never changes, except for a stream's leased port while it is being opened; a change is another path.
 */
export class Path {
  readonly kind: 'media' | 'signalling'
  readonly transport: Transport
  readonly family: Family
  readonly inside: Endpoint
  readonly local: LocalStream | undefined
  readonly #outside: Endpoint | undefined
  /** Port 0: any. Address undefined: anybody. `index`: which of the stream's `port/n` it talks to; undefined: the first. */
  readonly far: { readonly address: string | undefined; readonly port: number; readonly index?: number }
  /** Far RTCP; undefined when the stream has none. */
  readonly farRtcp: Endpoint | undefined
  readonly source: SourcePolicy
  /** Whether the far side may begin, and whether the inside may. */
  readonly inbound: boolean
  readonly outbound: boolean
  readonly early: boolean
  readonly owner: PathOwner
  /** Calls that want it. */
  holders = 0
  /** Kernel side, written by alg/pinholes alone. */
  kernel: object | undefined

  private constructor(ends: PathEnds, rules: PathRules) {
    this.kind = ends.local ? 'media' : 'signalling'
    this.transport = ends.transport
    this.family = ends.family
    this.inside = ends.inside
    this.local = ends.local
    this.#outside = ends.outside
    this.far = rules.far
    this.farRtcp = rules.farRtcp
    this.source = rules.source
    this.inbound = rules.inbound
    this.outbound = rules.outbound
    this.early = rules.early
    this.owner = rules.owner
  }

  static media(local: LocalStream, rules: PathRules): Path {
    const { transport, family, inside: first, step } = local
    const { index } = rules.far
    const inside = index === undefined ? first : { address: first.address, port: first.port + index * step }
    return new Path({ transport, family, inside, local, outside: undefined }, rules)
  }

  /** From `address` (undefined: anybody), one port or any (0), to a registered inside endpoint; for as many flows as come. */
  static signalling(
    family: Family,
    { transport, inside, outside }: Binding,
    address: string | undefined,
    owner: PathOwner,
    port = 0,
  ): Path {
    const source = port === 0 ? 'address' : 'exact'
    const rules = { far: { address, port }, farRtcp: undefined, inbound: true, outbound: false, early: false, owner }
    return new Path({ transport, family, inside, local: undefined, outside }, { ...rules, source })
  }

  get outside(): Endpoint {
    const { local } = this
    return local ? { address: local.outsideAddress, port: local.outsidePort + this.offset } : this.#outside!
  }

  /** From the stream's first ports to those of this way. */
  get offset(): number {
    return this.inside.port - (this.local?.inside.port ?? this.inside.port)
  }

  get isTranslated(): boolean {
    const { outside } = this
    return outside.address !== this.inside.address || outside.port !== this.inside.port
  }

  /** The same way for packets from inside only: another path lets those from outside in. */
  outboundOnly(): Path {
    const { local, far, farRtcp, source, early, owner } = this
    return Path.media(local!, { far, farRtcp, source, early, owner, inbound: false, outbound: true })
  }

  /** Whether the other is the same way: of one stream, with equal ends and rules. */
  isSame(it: Path): boolean {
    return (
      this === it ||
      (this.local === it.local &&
        this.inbound === it.inbound &&
        this.outbound === it.outbound &&
        this.early === it.early &&
        this.source === it.source &&
        isAt(this.far, it.far) &&
        (this.farRtcp === it.farRtcp || (!!this.farRtcp && !!it.farRtcp && isAt(this.farRtcp, it.farRtcp))))
    )
  }
}

const isAt = (a: Path['far'], b: Path['far']): boolean =>
  a.port === b.port && a.address === b.address && a.index === b.index

interface PathEnds {
  readonly transport: Transport
  readonly family: Family
  readonly inside: Endpoint
  /** Of media; signalling has its outside end instead. */
  readonly local: LocalStream | undefined
  readonly outside: Endpoint | undefined
}

export interface PathRules {
  readonly far: Path['far']
  readonly farRtcp: Endpoint | undefined
  readonly source: SourcePolicy
  readonly inbound: boolean
  readonly outbound: boolean
  readonly early: boolean
  readonly owner: PathOwner
}
