import type { Family } from '../../types/endpoint.js'
import { Lab, type Namespace } from './netns.js'

/** How the lab's gateway translates. `nat66`: IPv6 masquerade; `none`: routed only, the provider knows the way inside. */
export type LabNat = 'masquerade' | 'snat' | 'nat66' | 'none'

export interface GatewayLabOptions {
  /** Default 4. */
  readonly family?: Family | 'both'
  /** Default `masquerade` (`nat66` for family 6). */
  readonly nat?: LabNat
  /** Policy of the gateway's forward chain; default `drop`: established, related, and UDP and TCP from inside to outside pass. */
  readonly forwardPolicy?: 'drop' | 'accept'
  /** Inside addresses a family, default 1. */
  readonly phones?: number
}

/** One address of each wanted family. */
export interface LabAddresses {
  readonly v4: string
  readonly v6: string
}

/**
 * phone(s) -- lan0 gateway wan0 -- provider. Inside 192.168.7.0/24 and fd00:7::/64 (without NAT 203.0.113.0/24 and
 * 2001:db8:7::/64), outside 198.51.100.0/24 and 2001:db8:1::/64.
 */
export interface GatewayLab {
  readonly lab: Lab
  /** Every phone address is here, on `eth0`. */
  readonly phone: Namespace
  /** `lan0` inside, `wan0` outside. */
  readonly gateway: Namespace
  /** Every provider address is here, on `eth0`. */
  readonly provider: Namespace
  readonly phones: readonly LabAddresses[]
  readonly gatewayInside: LabAddresses
  readonly gatewayOutside: LabAddresses
  readonly registrar: LabAddresses
  readonly mediaServer: LabAddresses
  /** Nobody the phone ever talks to. */
  readonly stranger: LabAddresses
  close(): void
}

interface Plan {
  readonly families: readonly Family[]
  readonly nat: LabNat
  readonly inside: LabAddresses
}

const OUTSIDE: LabAddresses = { v4: '198.51.100.', v6: '2001:db8:1::' }
const PRIVATE: LabAddresses = { v4: '192.168.7.', v6: 'fd00:7::' }
const PUBLIC: LabAddresses = { v4: '203.0.113.', v6: '2001:db8:7::' }

const host = (net: LabAddresses, last: number): LabAddresses => ({ v4: `${net.v4}${last}`, v6: `${net.v6}${last}` })

/** The addresses of the lab's families with their prefix lengths. */
function cidrs(families: readonly Family[], addresses: readonly LabAddresses[]): string[] {
  return addresses.flatMap(({ v4, v6 }) => families.map((family) => (family === 4 ? `${v4}/24` : `${v6}/64`)))
}

function natRules({ families, nat }: Plan, outside: LabAddresses): string {
  const rules: Record<LabNat, string[]> = {
    masquerade: ['oifname "wan0" masquerade'],
    nat66: ['meta nfproto ipv6 oifname "wan0" masquerade'],
    snat: families.map((family) =>
      family === 4 ? `oifname "wan0" snat ip to ${outside.v4}` : `oifname "wan0" snat ip6 to ${outside.v6}`,
    ),
    none: [],
  }
  if (rules[nat].length === 0) return ''
  return `chain source {\n type nat hook postrouting priority 100\n ${rules[nat].join('\n ')}\n }`
}

function ruleset(plan: Plan, forwardPolicy: string, outside: LabAddresses): string {
  return `table inet lab {
    chain forward {
      type filter hook forward priority 0; policy ${forwardPolicy};
      ct state established,related accept
      iifname "lan0" oifname "wan0" meta l4proto { tcp, udp } accept
    }
    ${natRules(plan, outside)}
  }`
}

function defaultRoutes(families: readonly Family[], via: LabAddresses): string[] {
  return families.map((family) => `route add default via ${family === 4 ? via.v4 : via.v6}`)
}

function backRoutes(families: readonly Family[], inside: LabAddresses, via: LabAddresses): string[] {
  return families.map((family) =>
    family === 4 ? `route add ${inside.v4}0/24 via ${via.v4}` : `route add ${inside.v6}/64 via ${via.v6}`,
  )
}

/**
 * A phone network, a gateway that forwards (and translates), and a provider with registrar, media server and a stranger, each
 * in its own namespace. Needs root, ip(8) and nft(8); throws with the command's complaint where they refuse.
 *
 * @example
 * const { phone, gateway, provider, phones, registrar, close } = gatewayLab({ nat: 'masquerade' })
 */
export function gatewayLab(options: GatewayLabOptions = {}): GatewayLab {
  const { family = 4, forwardPolicy = 'drop', phones = 1 } = options
  const families: Family[] = family === 'both' ? [4, 6] : [family]
  const nat = options.nat ?? (family === 6 ? 'nat66' : 'masquerade')
  const inside = nat === 'none' ? PUBLIC : PRIVATE
  const lab = new Lab()
  try {
    return build(lab, { families, nat, inside }, forwardPolicy, phones)
  } catch (error) {
    lab.close()
    throw error
  }
}

function build(lab: Lab, plan: Plan, forwardPolicy: string, phoneCount: number): GatewayLab {
  const { families, inside } = plan
  const [phone, gateway, provider] = [lab.namespace('phone'), lab.namespace('gateway'), lab.namespace('provider')]
  const [gatewayInside, gatewayOutside] = [host(inside, 1), host(OUTSIDE, 1)]
  const phones = Array.from({ length: phoneCount }, (_, i) => host(inside, 10 + i))
  const [registrar, mediaServer, stranger] = [host(OUTSIDE, 10), host(OUTSIDE, 20), host(OUTSIDE, 66)]
  gateway.sysctl({ 'net.ipv4.ip_forward': 1, 'net.ipv6.conf.all.forwarding': 1 })
  lab.link(phone, 'eth0', cidrs(families, phones), gateway, 'lan0', cidrs(families, [gatewayInside]))
  const provided = [registrar, mediaServer, stranger]
  lab.link(provider, 'eth0', cidrs(families, provided), gateway, 'wan0', cidrs(families, [gatewayOutside]))
  phone.ip(...defaultRoutes(families, gatewayInside))
  // Behind NAT nobody outside knows the inside net: a packet that leaves untranslated gets no answer.
  if (plan.nat === 'none') provider.ip(...backRoutes(families, inside, gatewayOutside))
  gateway.nft(ruleset(plan, forwardPolicy, gatewayOutside))
  const close = () => lab.close()
  return {
    lab,
    phone,
    gateway,
    provider,
    phones,
    gatewayInside,
    gatewayOutside,
    registrar,
    mediaServer,
    stranger,
    close,
  }
}
