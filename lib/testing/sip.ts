import type { Endpoint } from '../../types/endpoint.js'
import type { TcpEndpoint } from './tcp.js'
import { type Datagram, endpointText, type ReceiveOptions, UdpEndpoint } from './udp.js'

/**
 * A SIP message (RFC 3261 7) as a test sees it: plain text cut at the line ends. Deliberately not the library's own scanner, so
 * that the one is a witness for the other. No folding, no compact forms beyond what `get` is asked for.
 */
export class SipText {
  readonly startLine: string
  /** In order of appearance: [name as written, value]. */
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string
  /** Where it came from; undefined for a message made here. */
  readonly from: Endpoint | undefined

  constructor(text: string, from?: Endpoint) {
    const end = text.indexOf('\r\n\r\n')
    const [startLine = '', ...lines] = (end < 0 ? text : text.slice(0, end)).split('\r\n')
    this.startLine = startLine
    this.headers = lines.map((line) => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).trim(), line.slice(colon + 1).trim()] as const
    })
    this.body = end < 0 ? '' : text.slice(end + 4)
    this.from = from
  }

  static of({ bytes, from }: Datagram): SipText {
    return new SipText(bytes.toString('latin1'), from)
  }

  get isRequest(): boolean {
    return !this.startLine.startsWith('SIP/2.0 ')
  }

  /** Of the request line, or of a response's CSeq. */
  get method(): string {
    return this.isRequest
      ? this.startLine.slice(0, this.startLine.indexOf(' '))
      : (this.get('CSeq').split(' ')[1] ?? '')
  }

  /** 0 in a request. */
  get status(): number {
    return this.isRequest ? 0 : Number(this.startLine.slice(8, 11))
  }

  /** The Request-URI; empty in a response. */
  get uri(): string {
    return this.isRequest ? (this.startLine.split(' ')[1] ?? '') : ''
  }

  /** All values of one header, any case, one a line, from the top. */
  all(name: string): string[] {
    const wanted = name.toLowerCase()
    return this.headers.filter(([key]) => key.toLowerCase() === wanted).map(([, value]) => value)
  }

  /** The first value of one header, or the empty string. */
  get(name: string): string {
    return this.all(name)[0] ?? ''
  }

  /** Tag parameter of From or To, or the empty string. */
  tag(name: 'From' | 'To'): string {
    return /;tag=([^;\s]+)/.exec(this.get(name))?.[1] ?? ''
  }
}

/** Text of a message; Content-Length counts the body's bytes and is always written last. */
export function sipText(startLine: string, headers: readonly (readonly [string, string])[], body = ''): string {
  const lines = headers.map(([name, value]) => `${name}: ${value}`)
  return [startLine, ...lines, `Content-Length: ${Buffer.byteLength(body, 'latin1')}`, '', body].join('\r\n')
}

export interface SdpTextOptions {
  readonly address: string
  /** One audio stream a port. */
  readonly ports: readonly number[]
  /** sess-version, default 1. */
  readonly version?: number
  /** `sendonly`, `inactive` ...; default none written (sendrecv). */
  readonly direction?: string
}

/** A small session description (RFC 8866): PCMU audio on each of `ports`. */
export function sdpText({ address, ports, version = 1, direction }: SdpTextOptions): string {
  const host = `IN IP${address.includes(':') ? 6 : 4} ${address}`
  const media = ports.flatMap((port) => [
    `m=audio ${port} RTP/AVP 0`,
    'a=rtpmap:0 PCMU/8000',
    ...(direction ? [`a=${direction}`] : []),
  ])
  return ['v=0', `o=- 1 ${version} ${host}`, 's=-', `c=${host}`, 't=0 0', ...media, ''].join('\r\n')
}

/** Address and port of the first stream of a session description; a media level c= wins. Undefined without one. */
export function sdpTarget(body: string): Endpoint | undefined {
  const [session = '', media] = body.split(/^(?=m=)/m)
  const port = /^m=\S+ (\d+)/.exec(media ?? '')?.[1]
  const connection = /^c=IN IP[46] ([^\s/]+)/m
  const address = (connection.exec(media ?? '') ?? connection.exec(session))?.[1]
  return port && address ? { address, port: Number(port) } : undefined
}

export interface RequestOptions {
  /** Default: `sip:` and the peer's host and port. */
  readonly uri?: string
  /** Further headers, in order; one named like a standard header replaces it. */
  readonly headers?: readonly (readonly [string, string])[]
  /** A session description makes the Content-Type application/sdp. */
  readonly body?: string
  readonly callId?: string
  readonly cseq?: number
  readonly fromTag?: string
  /** Within a dialog. */
  readonly toTag?: string
  readonly branch?: string
}

let serial = 0
const unique = (): string => `${process.pid.toString(36)}${(serial++).toString(36)}`

/** Headers in order; an extra one takes the place of the standard one of its name, others follow. */
function merge(
  standard: readonly (readonly [string, string])[],
  extra: RequestOptions['headers'] = [],
): (readonly [string, string])[] {
  const replaced = new Set(extra.map(([name]) => name.toLowerCase()))
  return [...standard.filter(([name]) => !replaced.has(name.toLowerCase())), ...extra]
}

const typed = (body: string | undefined): (readonly [string, string])[] =>
  body ? [['Content-Type', 'application/sdp']] : []

/**
 * A user agent for scripts: it says what it is told and checks nothing. It names the endpoint's own address in Via and Contact,
 * as a phone that knows nothing of NAT does; answers go where the request came from (RFC 3581).
 *
 * @example
 * const phone = new SipPeer(endpoint, 'alice')
 * const invite = await phone.request('INVITE', registrar, { body: sdpText({ address: '192.168.7.10', ports: [4000] }) })
 * const ok = await phone.response(200)
 * await phone.ack(invite, ok, registrar)
 */
export class SipPeer<E extends UdpEndpoint | TcpEndpoint = UdpEndpoint> {
  readonly endpoint: E
  readonly user: string

  /** Where it says it can be reached: the endpoint itself, or over TCP where it listens. */
  readonly #reached: Endpoint

  constructor(endpoint: E, user: string, reached: Endpoint = endpoint.local) {
    this.endpoint = endpoint
    this.user = user
    this.#reached = reached
  }

  get #local(): string {
    return endpointText(this.#reached)
  }

  get #transport(): 'UDP' | 'TCP' {
    return this.endpoint instanceof UdpEndpoint ? 'UDP' : 'TCP'
  }

  get contact(): string {
    return `<sip:${this.user}@${this.#local}${this.#transport === 'TCP' ? ';transport=tcp' : ''}>`
  }

  /** Builds a request without sending it. */
  build(method: string, to: Endpoint, options: RequestOptions = {}): string {
    const {
      uri = `sip:${endpointText(to)}`,
      callId = `${unique()}@test`,
      cseq = 1,
      fromTag = unique(),
      toTag,
      body,
    } = options
    const standard: (readonly [string, string])[] = [
      ['Via', `SIP/2.0/${this.#transport} ${this.#local};branch=${options.branch ?? `z9hG4bK${unique()}`};rport`],
      ['Max-Forwards', '70'],
      ['From', `<sip:${this.user}@test.invalid>;tag=${fromTag}`],
      ['To', `<${uri}>${toTag ? `;tag=${toTag}` : ''}`],
      ['Call-ID', callId],
      ['CSeq', `${cseq} ${method}`],
      ['Contact', this.contact],
      ...typed(body),
    ]
    return sipText(`${method} ${uri} SIP/2.0`, merge(standard, options.headers), body)
  }

  /** Builds, sends, and returns what was sent. */
  async request(method: string, to: Endpoint, options: RequestOptions = {}): Promise<SipText> {
    const text = this.build(method, to, options)
    await this.endpoint.send(Buffer.from(text, 'latin1'), to)
    return new SipText(text)
  }

  /** REGISTER of the own contact; `expiresSec` 0 removes it. */
  register(registrar: Endpoint, expiresSec = 300, options: RequestOptions = {}): Promise<SipText> {
    const aor = `<sip:${this.user}@${endpointText(registrar)}>`
    const headers = [['To', aor], ['Expires', String(expiresSec)], ...(options.headers ?? [])] as const
    return this.request('REGISTER', registrar, { ...options, headers })
  }

  /** The text of an answer to a request: its Via, From, To (with `toTag` unless it has one), Call-ID and CSeq go back (RFC 3261 8.2.6.2). */
  answer(request: SipText, status: number, options: RequestOptions & { reason?: string } = {}): string {
    const { reason = 'Test', body, toTag = `t${this.user}` } = options
    const to = request.tag('To') || status === 100 ? request.get('To') : `${request.get('To')};tag=${toTag}`
    const standard: (readonly [string, string])[] = [
      ...request.all('Via').map((via) => ['Via', via] as const),
      ...request.all('Record-Route').map((route) => ['Record-Route', route] as const),
      ['From', request.get('From')],
      ['To', to],
      ['Call-ID', request.get('Call-ID')],
      ['CSeq', request.get('CSeq')],
      ['Contact', this.contact],
      ...typed(body),
    ]
    return sipText(`SIP/2.0 ${status} ${reason}`, merge(standard, options.headers), body)
  }

  /** Answers a request, to where it came from. */
  async respond(
    request: SipText,
    status: number,
    options: RequestOptions & { reason?: string } = {},
  ): Promise<SipText> {
    const text = this.answer(request, status, options)
    if (!request.from) throw new Error('only a received request can be answered')
    await this.endpoint.send(Buffer.from(text, 'latin1'), request.from)
    return new SipText(text)
  }

  /** The next request of that method to arrive. */
  receiveRequest(method: string, options: ReceiveOptions = {}): Promise<SipText> {
    return this.#next((message) => message.isRequest && message.method === method, options)
  }

  /** The next response with that status to arrive. */
  response(status: number, options: ReceiveOptions = {}): Promise<SipText> {
    return this.#next((message) => message.status === status, options)
  }

  /** ACK of a 2xx answer (RFC 3261 13.2.2.4): to its Contact by name, to `to` on the wire. */
  ack(invite: SipText, answer: SipText, to: Endpoint, options: RequestOptions = {}): Promise<SipText> {
    return this.inDialog('ACK', invite, answer, to, { cseq: Number.parseInt(invite.get('CSeq'), 10), ...options })
  }

  /** A request within the dialog that `invite` (sent here) and `answer` made; CSeq one up unless given. */
  inDialog(
    method: string,
    invite: SipText,
    answer: SipText,
    to: Endpoint,
    options: RequestOptions = {},
  ): Promise<SipText> {
    const remoteTarget = /<([^>]+)>/.exec(answer.get('Contact'))?.[1] ?? invite.uri
    return this.request(method, to, {
      uri: remoteTarget,
      callId: invite.get('Call-ID'),
      cseq: Number.parseInt(invite.get('CSeq'), 10) + 1,
      fromTag: invite.tag('From'),
      ...options,
      headers: merge([['To', answer.get('To')]], options.headers),
    })
  }

  async #next(fits: (message: SipText) => boolean, options: ReceiveOptions): Promise<SipText> {
    return SipText.of(await this.endpoint.receive({ ...options, where: (datagram) => fits(SipText.of(datagram)) }))
  }
}
