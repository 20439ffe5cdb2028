import t from 'tap'
import { whyNotOwn } from '../../lib/alg/index.js'
import type { Link } from '../../types/route.js'

const link = (index: number, name: string, master = 0, kind = 'veth'): Link => ({
  index,
  name,
  master,
  kind,
  mtu: 1500,
  isUp: true,
})

t.test("connections of the machine's own, where packets cross something else than its routing", async (t) => {
  const bridge = link(9, 'br0', 0, 'bridge')
  const vrf = link(8, 'blue', 0, 'vrf')
  const names = ['lan0', 'wan0']
  const routed = [link(1, 'lo', 0, ''), link(2, 'lan0'), link(3, 'wan0')]
  t.equal(whyNotOwn(routed, names), undefined)
  t.equal(whyNotOwn([bridge, link(2, 'lan0', 9), link(3, 'wan0')], names), undefined, 'a bridge of the inside alone')
  t.match(
    whyNotOwn([bridge, link(2, 'lan0', 9), link(3, 'wan0', 9)], names),
    /lan0 and wan0 are ports of one bridge, br0:/,
  )
  t.match(whyNotOwn([vrf, link(2, 'lan0'), link(3, 'wan0', 8)], names), /wan0 is in a VRF, blue,/)
  const bond = link(7, 'bond0', 0, 'bond')
  t.equal(whyNotOwn([bond, link(2, 'lan0', 7), link(3, 'wan0', 7)], names), undefined)
  t.equal(whyNotOwn(routed, ['lo', 'wan0']), undefined)
})
