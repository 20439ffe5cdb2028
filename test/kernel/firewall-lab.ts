import { spawnSync } from 'node:child_process'
import { SipHelper } from '../../lib/index.js'
import { Lab, type Namespace, pause, SipPeer, sdpText, UdpEndpoint } from '../../lib/testing/index.js'
import type { Endpoint, Family } from '../../types/endpoint.js'
import type { SipHelperOptions } from '../../types/options.js'

export type Layout = 'routed' | 'bridged'

export interface FirewallLabOptions {
  readonly layout: Layout
  readonly family: Family
  readonly helper?: Partial<SipHelperOptions>
}

/** Ports that an Asterisk usually has open for media. */
export const MEDIA_RANGE = { first: 10000, last: 20000 } as const

const NETS = {
  4: { inside: '192.0.2.', outside: '198.51.100.', length: 24 },
  6: { inside: '2001:db8:2::', outside: '2001:db8:1::', length: 64 },
} as const

/**
 * A cluster of three hosts with public addresses behind a filter that drops everything but SIP, and the internet. Routed, or both
 * on one net with the filter as a bridge between them.
 */
export class FirewallLab {
  readonly lab = new Lab()
  readonly cluster: Namespace
  readonly filter: Namespace
  readonly internet: Namespace
  readonly sip: SipHelper
  readonly refusals: string[] = []
  readonly errors: Error[] = []
  readonly opened: string[] = []
  readonly #family: Family
  readonly #layout: Layout
  readonly #endpoints: UdpEndpoint[] = []

  /** Its helper is not started. */
  constructor({ layout, family, helper }: FirewallLabOptions) {
    this.#family = family
    this.#layout = layout
    this.cluster = this.lab.namespace('cluster')
    this.filter = this.lab.namespace('filter')
    this.internet = this.lab.namespace('internet')
    this.#connect()
    const { inside, length } = NETS[family]
    const options = {
      inside: ['lan0'],
      outside: ['wan0'],
      mode: 'firewall',
      media: { hosts: [`${inside}${family === 4 ? '0' : ''}/${length}`] },
    } as const
    this.sip = new SipHelper({ ...options, netns: this.filter.path, ...helper })
    this.sip.on('refused', ({ reason }) => this.refusals.push(reason))
    this.sip.on('error', (error) => this.errors.push(error))
    this.sip.on('pinhole', ({ kind, pinhole: { far, inside } }) => {
      if (kind === 'open') this.opened.push(`${far.address} ${far.port} > ${inside.address} ${inside.port}`)
    })
  }

  static async open(options: FirewallLabOptions): Promise<FirewallLab> {
    const lab = new FirewallLab(options)
    try {
      await lab.sip.start()
    } catch (error) {
      lab.lab.close()
      throw error
    }
    return lab
  }

  #connect(): void {
    const { cluster, filter, internet } = this
    const address = (host: string) => `${host}/${NETS[this.#family].length}`
    const hosts = [10, 11, 12].map((last) => address(this.host(last)))
    const world = [20, 30, 66].map((last) => address(this.far(last)))
    const isRouted = this.#layout === 'routed'
    this.lab.link(cluster, 'eth0', hosts, filter, 'lan0', isRouted ? [address(this.host(1))] : [])
    this.lab.link(internet, 'eth0', world, filter, 'wan0', isRouted ? [address(this.far(1))] : [])
    if (isRouted) {
      filter.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })
      cluster.ip(`route add default via ${this.host(1)}`)
      internet.ip(`route add default via ${this.far(1)}`)
    } else {
      // As an administrator would; a kernel that has it built in has nothing to load.
      spawnSync('modprobe', ['br_netfilter'])
      filter.ip('link add br0 type bridge', 'link set br0 up', 'link set lan0 master br0', 'link set wan0 master br0')
      filter.sysctl({ 'net.bridge.bridge-nf-call-iptables': 1, 'net.bridge.bridge-nf-call-ip6tables': 1 })
    }
    filter.nft(DROP_ALL)
    // Counts what reaches the cluster's media ports, whether a program listens there or not.
    cluster.nft(`table inet witness { chain input {
      type filter hook input priority 0;
      udp dport ${MEDIA_RANGE.first}-${MEDIA_RANGE.last} ${this.#family === 4 ? 'ip' : 'ip6'} saddr ${this.far(66)} counter
    }; }`)
  }

  /** One of the cluster. */
  host(last: number): string {
    return `${NETS[this.#family].inside}${last}`
  }

  /** One of the internet; in the bridged layout of the cluster's own net. */
  far(last: number): string {
    return this.#layout === 'routed' ? `${NETS[this.#family].outside}${last}` : `${NETS[this.#family].inside}1${last}`
  }

  async inside(last: number, port: number): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.cluster, { address: this.host(last), port }))
  }

  async outside(last: number, port: number): Promise<UdpEndpoint> {
    return this.#keep(await UdpEndpoint.open(this.internet, { address: this.far(last), port }))
  }

  async peers(): Promise<{ asterisk: SipPeer; phone: SipPeer }> {
    return {
      asterisk: new SipPeer(await this.inside(10, 5060), 'asterisk'),
      phone: new SipPeer(await this.outside(20, 5060), 'phone'),
    }
  }

  #keep(endpoint: UdpEndpoint): UdpEndpoint {
    this.#endpoints.push(endpoint)
    return endpoint
  }

  /** A stranger sends to every port of the range; how many of them got in. */
  async sweep(stranger: UdpEndpoint, last = 10): Promise<number> {
    const before = this.#reached()
    const to = (port: number): Endpoint => ({ address: this.host(last), port })
    for (let port: number = MEDIA_RANGE.first; port <= MEDIA_RANGE.last; port++) {
      await stranger.send('knock', to(port)).catch(() => undefined)
    }
    // The receiving side works off its backlog a moment later.
    let reached = this.#reached()
    for (let settled = -1; reached !== settled; reached = this.#reached()) {
      settled = reached
      await pause(20)
    }
    return reached - before
  }

  #reached(): number {
    const text = this.cluster.runSync(['nft', 'list', 'table', 'inet', 'witness'])
    return [...text.matchAll(/counter packets (\d+)/g)].reduce((sum, [, packets]) => sum + Number(packets), 0)
  }

  async close(): Promise<void> {
    await this.sip.stop()
    for (const endpoint of this.#endpoints) endpoint.close()
    this.lab.close()
  }
}

/** The administrator's own filter: SIP, what conntrack knows, and what IPv6 needs to find its neighbours. */
const DROP_ALL = `table inet filter {
  chain forward {
    type filter hook forward priority 0; policy drop;
    ct state established,related accept
    udp dport 5060 accept
    icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept
  }
}`

export const sdpOf = ({ local }: UdpEndpoint): string => sdpText({ address: local.address, ports: [local.port] })

/** The phone calls the cluster; what arrived at each end. */
export async function answered(phone: SipPeer, asterisk: SipPeer, offer: string, answer: string) {
  const to = asterisk.endpoint.local
  const invite = await phone.request('INVITE', to, { body: offer })
  const arrived = await asterisk.receiveRequest('INVITE')
  const ok = await asterisk.respond(arrived, 200, { body: answer })
  const heard = await phone.response(200)
  await phone.ack(invite, heard, to)
  await asterisk.receiveRequest('ACK')
  return { invite, arrived, ok, heard }
}
