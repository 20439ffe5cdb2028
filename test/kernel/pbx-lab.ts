import type { Test } from 'tap'
import { type Namespace, UdpEndpoint } from '../../lib/testing/index.js'
import type { Endpoint } from '../../types/endpoint.js'
import type { Transport } from '../../types/flow.js'
import { Scene, type SceneOptions } from './scene.js'

/** Where the PBX is: behind the gateway with its port forwarded, on the gateway's inside address, or on its outside address. */
export type Place = 'forwarded' | 'own inside address' | 'own outside address'

export interface PbxPlace {
  readonly scene: Scene
  /** Where its programs run. */
  readonly namespace: Namespace
  /** The PBX's address, and where the outside reaches it. */
  readonly address: string
  readonly outside: Endpoint
  media(port: number): Promise<UdpEndpoint>
}

/** A gateway in mode pbx, with what its administrator forwards and lets in for the transport. Closed with the test. */
export async function openPbxPlace(
  t: Test,
  place: Place,
  family: 4 | 6,
  transport: Transport,
  options: SceneOptions = {},
): Promise<PbxPlace> {
  const inside = place === 'forwarded' ? 'lan0' : 'lo'
  const helper = { mode: 'pbx', inside: [inside], media: { ports: [30000, 30100] }, ...options.helper } as const
  const scene = await Scene.open({ family, ...options, helper })
  t.teardown(() => scene.close())
  const address =
    place === 'forwarded'
      ? scene.phoneAddress()
      : scene.address(place === 'own inside address' ? 'gatewayInside' : 'gatewayOutside')
  const host = address.includes(':') ? `[${address}]` : address
  const toPbx = `${transport} dport 5060`
  scene.lab.gateway.nft(`table inet admin {
    chain forwarded {
      type nat hook prerouting priority -100;
      ${place === 'own outside address' ? '' : `iifname "wan0" ${toPbx} dnat ${family === 4 ? 'ip' : 'ip6'} to ${host}:5060`}
    }
    chain input {
      type filter hook input priority 0; policy drop;
      ${transport === 'tcp' ? 'iifname "lo" accept' : ''}
      ct state established,related accept
      ${place === 'forwarded' ? '' : `${toPbx} accept`}
      meta l4proto icmpv6 accept
    }
  }
  insert rule inet lab forward iifname "wan0" oifname "lan0" ${toPbx} accept`)
  const namespace = place === 'forwarded' ? scene.lab.phone : scene.lab.gateway
  const media = async (port: number) => {
    const endpoint = await UdpEndpoint.open(namespace, { address, port })
    t.teardown(() => endpoint.close())
    return endpoint
  }
  return { scene, namespace, address, outside: { address: scene.address('gatewayOutside'), port: 5060 }, media }
}
