import t from 'tap'
import { openRoute } from '../../lib/netlink/route.js'
import { decodeAddress, decodeLink } from '../../lib/netlink/route.table.js'
import { RouteState } from '../../lib/netlink/route-state.js'
import type { LinkAddress, RouteEvent } from '../../types/route.js'

const hex = (text: string) => Uint8Array.from(Buffer.from(text.replace(/\s/g, ''), 'hex'))

// Naming a namespace, the process's own even, is setns(2).
const skip = process.getuid?.() === 0 ? false : 'needs root'
t.test('the package and the addon give the same answers', { skip }, async (t) => {
  const byPackage = openRoute()
  // The process's own namespace by its path, which takes the other way.
  const byAddon = openRoute({ netns: '/proc/self/ns/net' })
  t.teardown(() => byPackage.close())
  t.teardown(() => byAddon.close())
  const links = await byPackage.links()
  t.strictSame(links, await byAddon.links())
  t.match(
    links.find(({ name }) => name === 'lo'),
    { index: 1, isUp: true },
  )
  const addresses = await byPackage.addresses()
  t.strictSame(addresses, await byAddon.addresses())
  t.match(
    addresses.find(({ address }) => address === '127.0.0.1'),
    { linkIndex: 1, family: 4, prefixLength: 8, scope: 'host', isDeprecated: false },
  )
})

t.test('a namespace that is not there', async (t) => {
  t.throws(() => openRoute({ netns: '/run/netns/nosuch-cthelper' }), { code: 'ERR_KERNEL' })
})

t.test('a link by its bytes', async (t) => {
  // ifinfomsg: AF_UNSPEC, ARPHRD_ETHER, index 7, flags; IFLA_IFNAME "wan0"
  const head = '0000 0100 07000000'
  const name = '0900 0300 77616e3000 000000'
  t.strictSame(decodeLink(hex(`${head} 43100100 00000000 ${name}`)), {
    index: 7,
    name: 'wan0',
    isUp: true,
    mtu: 0,
    master: 0,
    kind: '',
  })
  // IFLA_LINKINFO { IFLA_INFO_KIND "bridge" }
  const info = '1000 1200 0b00 0100 62726964676500 00'
  t.equal(decodeLink(hex(`${head} 43100100 00000000 ${name} ${info}`))?.kind, 'bridge')
  t.equal(decodeLink(hex(`${head} 03100000 00000000 ${name}`))?.isUp, false, 'no carrier')
  t.equal(decodeLink(hex(`${head} 42100100 00000000 ${name}`))?.isUp, false, 'set down')
  t.equal(decodeLink(hex(`0700 0100 07000000 43100100 00000000 ${name}`)), undefined, 'a bridge port')
  t.equal(decodeLink(hex(head)), undefined, 'cut short')
})

t.test('an address by its bytes', async (t) => {
  // ifaddrmsg: AF_INET, /24, flags, scope universe, index 7; IFA_ADDRESS, the peer's; IFA_LOCAL
  const peer = hex('02 18 80 00 07000000 0800 0100 c6336402 0800 0200 c6336401')
  t.match(decodeAddress(peer), {
    isUsable: true,
    address: { address: '198.51.100.1', prefixLength: 24, scope: 'global' },
  })
  // AF_INET6, /64, tentative in the header only
  const v6 = 'fd000007 00000000 00000000 00000001'
  t.equal(decodeAddress(hex(`0a 40 40 00 07000000 1400 0100 ${v6}`))?.isUsable, false)
  // IFA_FLAGS: permanent, deprecated; scope link
  t.match(decodeAddress(hex(`0a 40 80 fd 07000000 1400 0100 ${v6} 0800 0800 a0000000`)), {
    isUsable: true,
    address: { address: 'fd00:7::1', scope: 'link', isDeprecated: true },
  })
  t.equal(decodeAddress(hex('11 18 80 00 07000000 0800 0100 c6336402')), undefined, 'another family')
  t.equal(decodeAddress(hex('02 18 80 00 07000000')), undefined, 'no address')
})

const lan = { index: 2, name: 'lan0', isUp: true, mtu: 1500, master: 0, kind: '' }
const address: LinkAddress = {
  linkIndex: 2,
  family: 4,
  address: '192.0.2.1',
  prefixLength: 24,
  scope: 'global',
  isDeprecated: false,
}

t.test('state tells differences, and nothing twice', async (t) => {
  const events: RouteEvent[] = []
  const state = new RouteState((event) => events.push(event))
  const kinds = () => events.splice(0).map(({ kind }) => kind)
  state.setLink(lan)
  state.setLink({ ...lan })
  t.strictSame(kinds(), ['link-added'])
  state.setLink({ ...lan, name: 'lan1' })
  t.match(events, [{ kind: 'link-renamed', previousName: 'lan0', link: { name: 'lan1' } }])
  events.length = 0
  state.setLink({ ...lan, name: 'lan1', isUp: false })
  state.setLink(lan)
  t.strictSame(kinds(), ['link-down', 'link-renamed', 'link-up'])
  state.setAddress(address)
  state.setAddress({ ...address })
  state.setAddress({ ...address, isDeprecated: true })
  state.setAddress({ ...address, linkIndex: 3 })
  t.strictSame(kinds(), ['address-added', 'address-changed', 'address-added'])
  state.removeAddress({ ...address, linkIndex: 3 })
  state.removeAddress({ ...address, linkIndex: 3 })
  t.strictSame(kinds(), ['address-removed'])
  state.removeLink(2)
  state.removeLink(2)
  t.strictSame(kinds(), ['address-removed', 'link-removed'])
})

t.test('a table read again yields what was missed', async (t) => {
  const events: RouteEvent[] = []
  const state = new RouteState((event) => events.push(event))
  state.replace([lan, { index: 3, name: 'wan0', isUp: true, mtu: 1500, master: 0, kind: '' }], [address])
  events.length = 0
  const moved = { ...address, address: '192.0.2.9' }
  state.replace([{ ...lan, isUp: false }], [moved])
  t.strictSame(events.map(({ kind }) => kind).sort(), ['address-added', 'address-removed', 'link-down', 'link-removed'])
  t.strictSame([...state.addresses.values()], [moved])
})
