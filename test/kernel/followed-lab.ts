import type { Test } from 'tap'
import { pause, sipText, TcpEndpoint, TcpListener } from '../../lib/testing/index.js'
import { FirewallLab, type FirewallLabOptions } from './firewall-lab.js'

/** The administrator lets TCP 5060 pass between the phone and the first host of the cluster, and what the filter itself has is his. */
export async function openTcp(t: Test, options: FirewallLabOptions, start = true): Promise<FirewallLab> {
  const lab = start ? await FirewallLab.open(options) : new FirewallLab(options)
  t.teardown(() => lab.close())
  const ip = options.family === 4 ? 'ip' : 'ip6'
  lab.filter.nft(`table inet filter {
    chain input {
      type filter hook input priority 0; policy drop;
      iifname "lo" accept
      ct state established,related accept
      meta l4proto icmpv6 accept
    }
  }
  add rule inet filter forward ${ip} saddr { ${lab.far(20)}, ${lab.host(10)} } tcp dport 5060 accept`)
  return lab
}

export async function listen(t: Test, lab: FirewallLab, who: 'cluster' | 'internet'): Promise<TcpListener> {
  const address = who === 'cluster' ? lab.host(10) : lab.far(20)
  const listener = await TcpListener.open(lab[who], { address, port: 5060 })
  t.teardown(() => listener.close())
  return listener
}

export interface Pair {
  /** The phone outside. */
  readonly client: TcpEndpoint
  /** The first host of the cluster. */
  readonly far: TcpEndpoint
}

export async function connect(t: Test, lab: FirewallLab, server: TcpListener): Promise<Pair> {
  const client = await TcpEndpoint.connect(lab.internet, { address: lab.far(20), port: 0 }, server.local)
  t.teardown(() => client.close())
  return { client, far: await server.accept() }
}

/** A request that opens nothing. */
export function plain(number: number, body = ''): string {
  const headers: [string, string][] = [
    ['Via', `SIP/2.0/TCP 198.51.100.20;branch=z9hG4bK${number}`],
    ['From', '<sip:a@test.invalid>;tag=a'],
    ['To', '<sip:b@test.invalid>'],
    ['Call-ID', `plain-${number}`],
    ['CSeq', '1 MESSAGE'],
  ]
  return sipText('MESSAGE sip:b@test.invalid SIP/2.0', headers, body)
}

/** Waits until the helper follows so many connections. */
export async function follows({ sip }: FirewallLab, connections: number): Promise<void> {
  const count = () => sip.status().sizes.connections
  for (let i = 0; i < 400 && count() !== connections; i++) await pause(20)
  if (count() !== connections) throw new Error(`${count()} connections, not ${connections}`)
}
